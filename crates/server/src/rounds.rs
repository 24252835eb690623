//! Tasks that look now and then whether something is due.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Looks at once, and so long after each look again, until it is told to stop: also in the middle
/// of a look, so what that does must be safe to leave half done and to begin anew.
pub fn start<Look>(
    app: Arc<App>,
    every: Duration,
    mut stop: watch::Receiver<bool>,
    look: impl Fn(Arc<App>) -> Look + Send + Sync + 'static,
) -> JoinHandle<()>
where
    Look: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let rounds = async {
            loop {
                look(Arc::clone(&app)).await;
                tokio::time::sleep(every).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    })
}
