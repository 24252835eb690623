//! Processes that are killed in the middle of their work.

use std::process::{Command, Stdio};
use std::time::Duration;

use store::{Db, Options};

use crate::world::PATIENCE;

/// Starts a test of this program that works without end on the database at `url`, which it is told
/// under a name, and kills it as soon as it has come further, until all steps are made. Some kill
/// has to come in the middle, and the books add up after each.
pub async fn kill_again_and_again(
    (test, told_as): (&str, &str),
    url: &str,
    steps: usize,
    progress: impl AsyncFn(Db) -> usize,
) {
    let db = Db::open(url, Options::default()).await.unwrap();
    let (mut reached, mut in_the_middle) = (progress(db.clone()).await, 0);
    while reached < steps {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored"])
            .env(told_as, url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moved = async {
            while progress(db.clone()).await <= reached {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let moved = tokio::time::timeout(PATIENCE, moved).await;
        worker.kill().unwrap();
        worker.wait().unwrap();
        assert!(moved.is_ok(), "nothing is done after {reached} steps");
        reached = progress(db.clone()).await;
        in_the_middle += usize::from(reached < steps);
        assert_eq!(db.audit().await.unwrap().violations, [], "after {reached} steps");
    }
    db.close().await;
    assert!(in_the_middle > 0, "no kill came in the middle");
}
