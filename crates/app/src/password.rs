//! Passwords: what is kept of one, and whether one that is shown is the right one. A password is in
//! no log, no error and no database; proving it is slow by design, so that is done for few callers
//! at a time, and once for as long as the process remembers it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::Error as HashError;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::Failure;

/// Fewest and most characters of a new password.
pub(crate) const CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// Random bytes in a salt (RFC 9106, section 3.1).
pub(crate) const SALT_BYTES: usize = 16;
/// Proofs that are worked on at the same time, each in 19 MiB (RFC 9106's parameters as OWASP
/// recommends them, which are the library's).
const PROOFS_AT_ONCE: usize = 2;
/// Callers whose password is being proven or waits for it; one more is told to come back.
const CALLERS_MAX: usize = 32;
/// Proven passwords that are remembered. When there are more, all are forgotten.
const PROVEN_MAX: usize = 10_000;
/// What a password is held against when nobody has the user name, so that the time which an answer
/// takes does not say whether somebody has. Salt and password are no secret.
pub(crate) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$YWFhYWFhYWFhYWFhYWFhYQ$\
                                  zqP5XwAHULlQWpdsz4AJUhWT4Kcgo3idJOIuiNNw1EM";

/// What came of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is the password.
    Right,
    /// It is not.
    Wrong,
    /// Too many others wait for theirs.
    Busy,
}

/// Proves passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Semaphore,
    callers: Semaphore,
    /// SHA-256 over a hash and the password that it is of. A changed password has another hash, so
    /// nothing here has to be forgotten for it.
    proven: Mutex<BTreeSet<[u8; 32]>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(PROOFS_AT_ONCE),
            callers: Semaphore::new(CALLERS_MAX),
            proven: Mutex::default(),
        }
    }
}

impl Passwords {
    /// Whether `password` is the one of which `hash` was made.
    ///
    /// # Errors
    /// The hash is no hash, or memory ran out.
    pub(crate) async fn prove(&self, hash: &str, password: &str) -> Result<Proof, Failure> {
        let mark = mark(hash, password);
        if self.is_proven(hash, password) {
            return Ok(Proof::Right);
        }
        let Ok(_caller) = self.callers.try_acquire() else { return Ok(Proof::Busy) };
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        if !verified(hash.to_owned(), password.to_owned()).await? {
            return Ok(Proof::Wrong);
        }
        let mut proven = self.proven();
        if proven.len() >= PROVEN_MAX {
            proven.clear();
        }
        proven.insert(mark);
        Ok(Proof::Right)
    }

    /// Whether it was found to be the right one before.
    pub(crate) fn is_proven(&self, hash: &str, password: &str) -> bool {
        self.proven().contains(&mark(hash, password))
    }

    fn proven(&self) -> std::sync::MutexGuard<'_, BTreeSet<[u8; 32]>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The PHC string that is kept of `password`.
///
/// # Errors
/// Memory ran out.
pub(crate) async fn hash(password: String, salt: [u8; SALT_BYTES]) -> Result<String, Failure> {
    let hashing = tokio::task::spawn_blocking(move || {
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
    });
    hashing.await.map_err(failed)?.map_err(failed)
}

async fn verified(hash: String, password: String) -> Result<bool, Failure> {
    let proving = tokio::task::spawn_blocking(move || {
        Argon2::default().verify_password(password.as_bytes(), hash.as_str())
    });
    match proving.await.map_err(failed)? {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::because("hashing a password", error)
}

fn mark(hash: &str, password: &str) -> [u8; 32] {
    // No PHC string has a zero in it.
    Sha256::new().chain_update(hash).chain_update([0]).chain_update(password).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_wrong() {
        let passwords = Passwords::default();
        let kept = hash(String::from("گذرواژه‌ی من"), [7; SALT_BYTES]).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        for _ in 0..2 {
            assert_eq!(passwords.prove(&kept, "گذرواژه‌ی من").await.unwrap(), Proof::Right);
            assert_eq!(passwords.prove(&kept, "گذرواژه‌ی تو").await.unwrap(), Proof::Wrong);
        }
        assert_eq!(passwords.proven().len(), 1);
        assert!(passwords.prove("$argon2id$spoilt", "x").await.is_err());
    }

    #[tokio::test]
    async fn nobodys_password_takes_as_long_as_anybodys() {
        let passwords = Passwords::default();
        assert_eq!(passwords.prove(NOBODYS, "x").await.unwrap(), Proof::Wrong);
        let kept = hash(String::from("x"), [7; SALT_BYTES]).await.unwrap();
        let parameters = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(parameters(NOBODYS), parameters(&kept));
    }

    #[tokio::test]
    async fn who_finds_too_many_waiting_is_sent_away_unless_he_is_known() {
        let passwords = Passwords::default();
        let kept = hash(String::from("x"), [7; SALT_BYTES]).await.unwrap();
        assert_eq!(passwords.prove(&kept, "x").await.unwrap(), Proof::Right);
        let crowd = u32::try_from(CALLERS_MAX).unwrap();
        let _crowd = passwords.callers.try_acquire_many(crowd).unwrap();
        assert_eq!(passwords.prove(&kept, "y").await.unwrap(), Proof::Busy);
        assert_eq!(passwords.prove(&kept, "x").await.unwrap(), Proof::Right);
    }
}
