//! One node's decisions: claim attempts, pace, feed the engine, settle, recover.
