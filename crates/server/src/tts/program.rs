//! A speech program that stays a program of its own: the text goes in by its standard input, a WAV
//! file comes out. Never by the command line, where a text could be taken for an option and every
//! user of the machine could read it.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// What is kept of the program's complaints, in bytes.
const MAX_COMPLAINT_BYTES: u64 = 1_024;
/// Bytes of a WAV header: an output of no more holds no sound.
const WAV_HEADER_BYTES: usize = 44;
/// Programs at once. Each keeps one core busy, so more only make everybody wait.
pub(super) const MAX_RUNNING: usize = 2;

/// A program and its bounds.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    /// How it is installed.
    fix: &'static str,
    pub(super) time_limit: Duration,
    pub(super) max_output_bytes: u64,
    turns: Arc<Semaphore>,
}

/// What a program that ended has left.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    pub(super) status: ExitStatus,
    pub(super) complaint: String,
}

/// Why a text was not spoken. The text is never part of it.
#[derive(Debug)]
pub enum TtsError {
    /// The program cannot be started.
    NotStarted {
        /// What was started.
        program: PathBuf,
        /// How it is installed.
        fix: &'static str,
        /// Why it did not.
        source: std::io::Error,
    },
    /// Talking to the running program failed.
    Pipe(std::io::Error),
    /// The program ended badly, or without a sound.
    Failed {
        /// What ran.
        program: PathBuf,
        /// How it ended. An unknown voice may end well, with nothing spoken.
        status: ExitStatus,
        /// The start of what it complained.
        complaint: String,
    },
    /// It took too long and was killed, or never got its turn.
    TooLong {
        /// What it was given.
        limit: Duration,
    },
    /// It made too much audio and was killed.
    TooLarge {
        /// What it was given, in bytes.
        limit_bytes: u64,
    },
    /// The program is there and lacks a voice we need.
    NoVoice {
        /// The voice's name.
        voice: String,
    },
}

impl fmt::Display for TtsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { program, fix, .. } => {
                write!(f, "starting {} ({fix})", program.display())
            }
            Self::Pipe(_) => f.write_str("talking to the speech program"),
            Self::Failed { program, status, complaint } => {
                let program = program.display();
                write!(f, "{program} ended with {status} and no sound: {complaint}")
            }
            Self::TooLong { limit } => write!(f, "the speech program took more than {limit:?}"),
            Self::TooLarge { limit_bytes } => {
                write!(f, "the speech program made more than {limit_bytes} bytes of audio")
            }
            Self::NoVoice { voice } => write!(f, "the speech program has no voice {voice}"),
        }
    }
}

impl TtsError {
    /// Whether the program works and made no sound of the text, or more than any message has.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Failed { status, .. } => status.success(),
            Self::TooLarge { .. } => true,
            _ => false,
        }
    }
}

impl std::error::Error for TtsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotStarted { source, .. } | Self::Pipe(source) => Some(source),
            _ => None,
        }
    }
}

impl Program {
    /// The program at `path` (a bare name is looked for in `PATH`). Starts nothing yet.
    pub(super) fn new(
        path: PathBuf,
        fix: &'static str,
        time_limit: Duration,
        max_output_bytes: u64,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_RUNNING));
        Self { path, fix, time_limit, max_output_bytes, turns }
    }

    /// Runs it once for a text; the WAV file that it makes.
    pub(super) async fn speak(&self, arguments: &[&str], text: &str) -> Result<Vec<u8>, TtsError> {
        let Output { bytes, status, complaint } = self.run(arguments, text).await?;
        if status.success() && bytes.len() > WAV_HEADER_BYTES {
            Ok(bytes)
        } else {
            Err(TtsError::Failed { program: self.path.clone(), status, complaint })
        }
    }

    /// Runs it once, when it is its turn, with `input` on its standard input. Dropping the future
    /// kills it.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Result<Output, TtsError> {
        let turn_and_run = async {
            let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
            let mut child = self.start(arguments)?;
            self.converse(&mut child, input).await
        };
        let limit = self.time_limit;
        tokio::time::timeout(limit, turn_and_run).await.unwrap_or(Err(TtsError::TooLong { limit }))
    }

    fn start(&self, arguments: &[&str]) -> Result<Child, TtsError> {
        Command::new(&self.path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| TtsError::NotStarted {
                program: self.path.clone(),
                fix: self.fix,
                source,
            })
    }

    /// Writes and reads at the same time, since either pipe may be full first.
    async fn converse(&self, child: &mut Child, input: &str) -> Result<Output, TtsError> {
        let mut stdin = child.stdin.take().expect("piped at the start");
        let stdout = child.stdout.take().expect("piped at the start");
        let stderr = child.stderr.take().expect("piped at the start");

        let write = async move {
            match stdin.write_all(input.as_bytes()).await {
                // It ended before it read all; how it ended tells more.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(TtsError::Pipe(error)),
                _ => Ok(()),
            }
        };
        let limit_bytes = self.max_output_bytes;
        let read = async {
            let output = read_some(stdout, limit_bytes + 1).await?;
            let fits = output.len() as u64 <= limit_bytes;
            // The error ends the other two at once, and dropping the child kills it.
            if fits { Ok(output) } else { Err(TtsError::TooLarge { limit_bytes }) }
        };
        let complain = read_some(stderr, MAX_COMPLAINT_BYTES);
        let ((), bytes, complaint) = tokio::try_join!(write, read, complain)?;

        let status = child.wait().await.map_err(TtsError::Pipe)?;
        let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
        Ok(Output { bytes, status, complaint })
    }
}

/// Reads to the end or to `limit` bytes, and closes the pipe then.
async fn read_some(pipe: impl AsyncRead + Unpin, limit: u64) -> Result<Vec<u8>, TtsError> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).await.map_err(TtsError::Pipe)?;
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// Held by each test that writes a program and starts it: a program that another test starts in
    /// between would inherit the open file and make it "busy".
    pub(in crate::tts) static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    /// Writes a program of a few lines.
    pub(in crate::tts) fn script(folder: &Path, body: &str) -> PathBuf {
        let path = folder.join("voice");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn program(folder: &tempfile::TempDir, body: &str) -> Program {
        let path = script(folder.path(), body);
        Program::new(path, "install it", Duration::from_secs(20), 20_000_000)
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let path = PathBuf::from("/nowhere/voice");
        let nowhere = Program::new(path, "install it", Duration::from_secs(20), 20_000_000);
        let error = nowhere.speak(&[], "سلام").await.unwrap_err();
        assert!(matches!(error, TtsError::NotStarted { .. }));
        assert_eq!(error.to_string(), "starting /nowhere/voice (install it)");
        assert!(!error.is_refusal());
    }

    #[tokio::test]
    async fn a_program_that_never_ends_is_killed() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let mut stuck = program(&folder, "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 1000");
        stuck.time_limit = Duration::from_secs(1);
        let error = stuck.speak(&[], "سلام").await.unwrap_err();
        assert!(matches!(error, TtsError::TooLong { .. }), "{error}");
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let process = PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
        // Killed is not yet reaped; what is dead has no command line.
        let gone = async {
            while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the program is dead");
    }

    #[tokio::test]
    async fn a_program_that_never_stops_talking_is_cut() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let mut endless = program(&folder, "exec cat /dev/zero");
        endless.max_output_bytes = 100_000;
        let error = endless.speak(&[], "سلام").await.unwrap_err();
        assert!(matches!(error, TtsError::TooLarge { limit_bytes: 100_000 }), "{error}");
        assert!(error.is_refusal());
    }

    /// Goal: a program that ends well and says nothing does not take the text; one that ends badly
    /// failed.
    #[tokio::test]
    async fn saying_nothing_is_a_refusal_and_ending_badly_is_none() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        for (body, expected) in [("cat > /dev/null", true), ("cat > /dev/null; exit 1", false)] {
            let error = program(&folder, body).speak(&[], "سلام").await.unwrap_err();
            assert_eq!(error.is_refusal(), expected, "{error}");
        }
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_have_a_turn() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        // Each run leaves a mark, counts the marks there are, and takes its own away.
        let body = "cd \"$(dirname \"$0\")\"; touch run.$$; ls run.* | wc -l >> counts; \
                    cat; head -c 1000 /dev/zero; rm run.$$";
        let counting = program(&folder, body);
        let speeches: Vec<_> = (0..12)
            .map(|_| {
                let counting = counting.clone();
                tokio::spawn(async move { counting.speak(&[], "سلام").await })
            })
            .collect();
        for speech in speeches {
            speech.await.unwrap().unwrap();
        }
        let counts = std::fs::read_to_string(folder.path().join("counts")).unwrap();
        let counts: Vec<usize> = counts.lines().map(|line| line.trim().parse().unwrap()).collect();
        assert_eq!(counts.len(), 12);
        assert!(counts.iter().all(|&count| count <= MAX_RUNNING), "{counts:?}");
    }
}
