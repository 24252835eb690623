//! SDP, RTP, RTCP, codecs, telephone-event. Sans-IO.
