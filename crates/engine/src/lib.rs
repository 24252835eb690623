//! A call: joins sip and media, plays, gathers, ends with an Outcome. Sans-IO.
