//! Digest authentication (RFC 7616, RFC 8760): the client's answers and the server's challenges.

use std::fmt;
use std::time::Instant;

/// A user name and password. The password never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5, the only one many phones know.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

/// H(user:realm:password) in hex for one algorithm: what a server keeps instead of the password.
pub fn ha1(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> String {
    String::new()
}

/// The server's side: challenges and checks. Keeps no state per client except replay counts of
/// live nonces, which are bounded.
pub struct Server {}

/// Whether a request is who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials are right and fresh.
    Accepted {
        /// The user name as given to the lookup.
        username: String,
    },
    /// No usable credentials, or an expired or replayed nonce (`stale`): challenge again.
    Challenge {
        /// The password was right, only the nonce is too old: the client may retry by itself.
        stale: bool,
    },
    /// Wrong user or password: challenge again or refuse with 403.
    Wrong {
        /// The user name that was tried.
        username: String,
    },
}

impl Server {
    /// A server for one realm; `secret` makes its nonces unguessable.
    pub fn new(realm: &str, secret: [u8; 32]) -> Self {
        Self {}
    }

    /// The values of the WWW-Authenticate fields to send with a 401, strongest first.
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        Vec::new()
    }

    /// Checks the Authorization field of a request. `lookup` gives the stored HA1 (hex) of a
    /// user for an algorithm, or `None` when there is no such user.
    pub fn check(
        &mut self,
        now: Instant,
        request: &crate::Request,
        lookup: impl FnOnce(&str, Algorithm) -> Option<String>,
    ) -> Verdict {
        Verdict::Challenge { stale: false }
    }
}
