//! SIP as bytes and state: message, transaction, dialog, digest. Sans-IO. Knows no business.
