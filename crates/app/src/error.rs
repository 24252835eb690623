//! How a use case ends when it does not succeed: refused (the caller's affair) or failed (ours).
//! Nothing here is translated: codes and Persian words belong to the front ends.

use std::error::Error as StdError;

/// A use case that may refuse with `R`.
pub type Result<T, R> = std::result::Result<T, Error<R>>;

/// Why a use case did not do what was asked.
#[derive(Debug)]
pub enum Error<R> {
    /// The caller's affair: plain data, exhaustive. `?` never turns one use case's refusal into
    /// another's; that is said with [`Error::map`].
    Refused(R),
    /// Our affair: opaque, logged once at the edge; the caller sees a reference number.
    Failed(Failure),
}

/// A failure on our side: what was being done, and the chain of reasons under it.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Failure {
    doing: String,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure while `doing` something ("reading the blob"), because of `source`.
    pub fn because(
        doing: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { doing: doing.into(), source: Some(source.into()) }
    }

    /// A failure that has no reason beneath it.
    pub fn of(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), source: None }
    }

    /// The whole chain on one line, for the log: `Display` shows only the top.
    pub fn chain(&self) -> String {
        let mut line = self.doing.clone();
        let mut next = StdError::source(self);
        while let Some(reason) = next {
            line.push_str(": ");
            line.push_str(&reason.to_string());
            next = reason.source();
        }
        line
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::because("using the database", error)
    }
}

impl<R> Error<R> {
    /// The same error with its refusal told in another use case's words.
    pub fn map<S>(self, translate: impl FnOnce(R) -> S) -> Error<S> {
        match self {
            Self::Refused(refusal) => Error::Refused(translate(refusal)),
            Self::Failed(failure) => Error::Failed(failure),
        }
    }
}

/// `?` carries failures only; there is no such conversion for refusals.
impl<R> From<Failure> for Error<R> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<R> From<store::Error> for Error<R> {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether a text says something in at most so many bytes, and can be kept on both engines.
pub(crate) fn is_said(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= max && !text.contains('\0')
}

/// What each file of the desk asks of what it is told: `rule`, which says that its rules speak
/// against something, and `said`, which refuses a text that is missing or too long.
macro_rules! refusals {
    ($refusal:ident) => {
        fn rule(refusal: Refusal) -> $crate::Error<$refusal> {
            $crate::Error::Refused($refusal::Rule(refusal))
        }

        fn said(text: &str, max: usize, what: &'static str) -> $crate::Result<(), $refusal> {
            if !$crate::error::is_said(text, max) {
                return Err($crate::Error::Refused($refusal::Text(what)));
            }
            Ok(())
        }
    };
}
pub(crate) use refusals;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_sees_the_whole_chain_and_the_display_only_the_top() {
        let inner = Failure::because("opening the file", std::io::Error::other("disk on fire"));
        let outer = Failure::because("reading the blob", inner);
        assert_eq!(outer.to_string(), "reading the blob");
        assert_eq!(outer.chain(), "reading the blob: opening the file: disk on fire");
    }
}
