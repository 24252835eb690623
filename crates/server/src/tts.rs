//! Speech by the espeak-ng program, which stays a program of its own (it is GPL): the text goes in
//! by its standard input, a WAV file comes out. Never by the command line, where a text could be
//! taken for an option and every user of the machine could read it.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use app::Failure;
use app::ports::{BoxFuture, Speaker, Tts, Voice};
use audio::text::Speakable;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// Words a minute that are well understood over a telephone; the program's own 175 is fast.
pub const PHONE_WORDS_PER_MINUTE: u16 = 150;
/// Longest one speech may take, the wait for its turn included. A thousand characters take about
/// 0.1 s of CPU.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Largest WAV file taken, in bytes: eight minutes at the program's 22,050 Hz.
const MAX_OUTPUT_BYTES: u64 = 20 * 1024 * 1024;
/// What is kept of the program's complaints, in bytes.
const MAX_COMPLAINT_BYTES: u64 = 1_024;
/// Bytes of a WAV header: an output of no more holds no sound.
const WAV_HEADER_BYTES: usize = 44;
/// Programs at once. Each keeps one core busy, so more only make everybody wait.
const MAX_RUNNING: usize = 2;

/// The espeak-ng program as the voice of the house.
#[derive(Debug, Clone)]
pub struct EspeakNg {
    program: PathBuf,
    words_per_minute: u16,
    time_limit: Duration,
    max_output_bytes: u64,
    turns: Arc<Semaphore>,
}

/// Why a text was not spoken. The text is never part of it.
#[derive(Debug)]
pub enum TtsError {
    /// The program cannot be started.
    NotStarted {
        /// What was started.
        program: PathBuf,
        /// Why it did not.
        source: std::io::Error,
    },
    /// Talking to the running program failed.
    Pipe(std::io::Error),
    /// The program ended badly, or without a sound.
    Failed {
        /// How it ended. An unknown voice ends well, with nothing spoken.
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
        voice: &'static str,
    },
}

impl fmt::Display for TtsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { program, .. } => {
                write!(f, "starting {} (on Debian: apt install espeak-ng)", program.display())
            }
            Self::Pipe(_) => f.write_str("talking to espeak-ng"),
            Self::Failed { status, complaint } => {
                write!(f, "espeak-ng ended with {status} and no sound: {complaint}")
            }
            Self::TooLong { limit } => write!(f, "espeak-ng took more than {limit:?}"),
            Self::TooLarge { limit_bytes } => {
                write!(f, "espeak-ng made more than {limit_bytes} bytes of audio")
            }
            Self::NoVoice { voice } => write!(f, "espeak-ng has no voice {voice}"),
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

impl EspeakNg {
    /// The program at `program` (a bare name is looked for in `PATH`), speaking at
    /// `words_per_minute`; [`PHONE_WORDS_PER_MINUTE`] suits a telephone. Starts nothing yet.
    pub fn new(program: PathBuf, words_per_minute: u16) -> Self {
        Self {
            program,
            words_per_minute,
            time_limit: TIME_LIMIT,
            max_output_bytes: MAX_OUTPUT_BYTES,
            turns: Arc::new(Semaphore::new(MAX_RUNNING)),
        }
    }

    /// Speaks `text` into a WAV file (22,050 Hz, mono, with a header that tells no length, as it
    /// is written to a pipe). Dropping the future kills the program.
    ///
    /// # Errors
    /// [`TtsError`], when nothing or not all was spoken.
    pub async fn speak(&self, text: &str, speaker: Speaker) -> Result<Vec<u8>, TtsError> {
        let rate = self.words_per_minute.to_string();
        let arguments = ["-v", voice(speaker), "-s", &rate, "-b", "1", "--stdin", "--stdout"];
        let (wav, status, complaint) = self.run(&arguments, text).await?;
        if status.success() && wav.len() > WAV_HEADER_BYTES {
            Ok(wav)
        } else {
            Err(TtsError::Failed { status, complaint })
        }
    }

    /// Whether the program works and has both voices, for `doctor`. Gives its version, "1.51".
    ///
    /// # Errors
    /// [`TtsError`] says what is missing.
    pub async fn check(&self) -> Result<String, TtsError> {
        let (about, ..) = self.run(&["--version"], "").await?;
        // "eSpeak NG text-to-speech: 1.51  Data at: /usr/lib/…"
        let about = String::from_utf8_lossy(&about);
        let version = about.split_once(": ").map_or("", |(_, rest)| rest);
        let version = version.split_whitespace().next().unwrap_or("unknown").to_owned();

        // An unknown variant is passed over in silence, so the lists are what tells.
        let lists = [("--voices=fa", "fa", "fa"), ("--voices=variant", "f2", "fa+f2")];
        for (list, file, voice) in lists {
            let (voices, ..) = self.run(&[list], "").await?;
            let voices = String::from_utf8_lossy(&voices);
            let mut files = voices.split_whitespace().filter_map(|word| word.rsplit('/').next());
            if !files.any(|name| name == file) {
                return Err(TtsError::NoVoice { voice });
            }
        }
        for speaker in [Speaker::Male, Speaker::Female] {
            self.speak("سلام", speaker).await?;
        }
        Ok(version)
    }

    /// Runs the program once, when it is its turn, with `input` on its standard input. Gives what
    /// it wrote, how it ended, and what it complained.
    async fn run(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> Result<(Vec<u8>, ExitStatus, String), TtsError> {
        let turn_and_run = async {
            let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
            let mut child = self.start(arguments)?;
            self.converse(&mut child, input).await
        };
        let limit = self.time_limit;
        tokio::time::timeout(limit, turn_and_run).await.unwrap_or(Err(TtsError::TooLong { limit }))
    }

    fn start(&self, arguments: &[&str]) -> Result<Child, TtsError> {
        Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| TtsError::NotStarted { program: self.program.clone(), source })
    }

    /// Writes and reads at the same time, since either pipe may be full first.
    async fn converse(
        &self,
        child: &mut Child,
        input: &str,
    ) -> Result<(Vec<u8>, ExitStatus, String), TtsError> {
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
        let ((), output, complaint) = tokio::try_join!(write, read, complain)?;

        let status = child.wait().await.map_err(TtsError::Pipe)?;
        Ok((output, status, String::from_utf8_lossy(&complaint).trim().to_owned()))
    }
}

impl Tts for EspeakNg {
    /// The engine goes by its name alone: clips made before an upgrade stay good.
    fn identity(&self, speaker: Speaker) -> Voice {
        Voice {
            engine: "espeak-ng".to_owned(),
            name: voice(speaker).to_owned(),
            words_per_minute: self.words_per_minute,
        }
    }

    fn speak<'a>(
        &'a self,
        text: &'a Speakable,
        speaker: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            let spoken = EspeakNg::speak(self, text.as_str(), speaker).await;
            spoken.map_err(|error| Failure::because("speaking a text", error))
        })
    }
}

/// Reads to the end or to `limit` bytes, and closes the pipe then.
async fn read_some(pipe: impl AsyncRead + Unpin, limit: u64) -> Result<Vec<u8>, TtsError> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).await.map_err(TtsError::Pipe)?;
    Ok(bytes)
}

/// espeak-ng's name of the voice: fundamental about 101 Hz for the man, 195 Hz for the woman.
fn voice(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Male => "fa",
        Speaker::Female => "fa+f2",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use audio::{Limits, telephone_clip, text};

    use super::*;

    /// Held by each test here, since some write a program and start it: a program that another
    /// test starts in between would inherit the open file and make it "busy".
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    fn espeak() -> EspeakNg {
        EspeakNg::new(PathBuf::from("espeak-ng"), PHONE_WORDS_PER_MINUTE)
    }

    /// A program of two lines in the place of espeak-ng.
    fn other(folder: &tempfile::TempDir, body: &str) -> EspeakNg {
        let path = folder.path().join("voice");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        EspeakNg::new(path, PHONE_WORDS_PER_MINUTE)
    }

    #[tokio::test]
    async fn a_text_is_spoken_by_two_voices() {
        let _alone = ALONE.lock().await;
        let said = text::normalise("رمز شما ۲۱۰۳ است").unwrap();
        let mut clips = Vec::new();
        for speaker in [Speaker::Male, Speaker::Female] {
            let wav = espeak().speak(said.as_str(), speaker).await.unwrap();
            let clip = telephone_clip(&wav, &Limits::default()).unwrap();
            assert!((2_000..8_000).contains(&clip.duration_ms()), "{} ms", clip.duration_ms());
            clips.push(clip);
        }
        assert!(clips[0] != clips[1], "the two voices differ");
    }

    #[tokio::test]
    async fn doctor_finds_the_program_and_its_voices() {
        let _alone = ALONE.lock().await;
        let version = espeak().check().await.unwrap();
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
    }

    #[tokio::test]
    async fn a_text_that_looks_like_an_option_is_a_text() {
        let _alone = ALONE.lock().await;
        let wav = espeak().speak("--version", Speaker::Male).await.unwrap();
        assert!(wav.starts_with(b"RIFF") && wav.len() > 10_000);
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let _alone = ALONE.lock().await;
        let nowhere = EspeakNg::new(PathBuf::from("/nowhere/espeak-ng"), 150);
        let error = nowhere.speak("سلام", Speaker::Male).await.unwrap_err();
        assert!(matches!(error, TtsError::NotStarted { .. }));
        assert!(error.to_string().contains("/nowhere/espeak-ng"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        let mute = other(&folder, "echo 'no such voice' >&2; cat > /dev/null");
        let error = mute.speak("سلام", Speaker::Male).await.unwrap_err();
        assert!(error.to_string().contains("no such voice"), "{error}");
        let error = mute.check().await.unwrap_err();
        assert!(matches!(error, TtsError::NoVoice { voice: "fa" }), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_never_ends_is_killed() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let mut stuck = other(&folder, "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 1000");
        stuck.time_limit = Duration::from_secs(1);
        let error = stuck.speak("سلام", Speaker::Male).await.unwrap_err();
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
        let mut endless = other(&folder, "exec cat /dev/zero");
        endless.max_output_bytes = 100_000;
        let error = endless.speak("سلام", Speaker::Male).await.unwrap_err();
        assert!(matches!(error, TtsError::TooLarge { limit_bytes: 100_000 }), "{error}");
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_have_a_turn() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        // Each run leaves a mark, counts the marks there are, and takes its own away.
        let body = "cd \"$(dirname \"$0\")\"; touch run.$$; ls run.* | wc -l >> counts; \
                    cat; head -c 1000 /dev/zero; rm run.$$";
        let counting = other(&folder, body);
        let speeches: Vec<_> = (0..12)
            .map(|_| {
                let counting = counting.clone();
                tokio::spawn(async move { counting.speak("سلام", Speaker::Male).await })
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
