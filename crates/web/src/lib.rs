//! HTTP: the vendor's REST services. Translates; decides nothing.
