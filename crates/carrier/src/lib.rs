//! The sandbox carrier: a SIP and RTP peer with magic numbers. Sans-IO.
