//! The rules: money, calendar, dialer, billing. No I/O, no async, no clock, no rng.
