//! Who of the operator's people did what: noted in the commit of the deed itself, in the chain of
//! evidence, so that nothing is done that is not noted.

use std::sync::atomic::{AtomicBool, Ordering};

use store::Tx;
use store::chain;

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Who does it, as the operating system knows them.
    pub actor: String,
    /// The words of the command without what is asked of it.
    pub command: String,
    /// The whole command, without secrets.
    pub line: String,
}

struct Doing {
    deed: Deed,
    /// Whether it is noted.
    signed: AtomicBool,
}

tokio::task_local! {
    static DOING: Doing;
}

/// Does a work of staff. Whatever it changes is noted, once; the answer says whether it changed
/// anything, too.
pub async fn does<T>(deed: Deed, work: impl Future<Output = T>) -> (T, bool) {
    let doing = Doing { deed, signed: AtomicBool::new(false) };
    let both = async {
        let done = work.await;
        (done, DOING.with(|doing| doing.signed.load(Ordering::Acquire)))
    };
    DOING.scope(doing, both).await
}

/// Notes in a transaction what is done by it.
pub(crate) fn sign(tx: &mut Tx) {
    // Nobody of staff is at work here, in a server.
    let _ = DOING.try_with(|Doing { deed, signed }| {
        if !signed.load(Ordering::Acquire) {
            chain::note(tx, chain::STAFF, &deed.command, &deed.actor, deed.line.clone());
        }
    });
}

/// The transaction was committed.
pub(crate) fn is_signed() {
    let _ = DOING.try_with(|doing| doing.signed.store(true, Ordering::Release));
}
