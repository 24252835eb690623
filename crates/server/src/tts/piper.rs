//! Speech by the Piper program (a neural voice on the CPU), which stays a program of its own: its
//! makers' phonemes are GPL. Voices are files that the operator drops into a folder: `NAME.onnx`
//! with `NAME.onnx.json` beside it. Both programs of that name take these arguments: the old one of
//! C++ and the `piper-tts` of Python.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program::{Program, TtsError};

/// How voices of this engine begin.
pub(super) const NAME: &str = "piper";
/// Longest one speech may take, the wait for its turn included. Loading a voice takes a second, and
/// a thousand characters (about 80 s of sound) some 15 s of one core.
const TIME_LIMIT: Duration = Duration::from_secs(90);
/// Largest WAV file taken, in bytes: nineteen minutes at 22,050 Hz, so that a message that is too
/// long is told as such by whoever reads it.
const MAX_OUTPUT_BYTES: u64 = 48 * 1024 * 1024;
/// How it is installed.
const FIX: &str = "install the program piper, for one as the Python package piper-tts";
/// Words a minute of a voice at its own pace, as far as voices can be told by one number.
const OWN_WORDS_PER_MINUTE: u16 = 150;
/// Voices of a folder, at most.
pub(super) const VOICES_MAX: usize = 100;

/// A voice in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// Its file's name without the ending.
    pub(super) name: String,
    /// Where it is.
    path: PathBuf,
    /// How large it is: another model under an old name is another voice.
    bytes: u64,
}

/// The Piper program and its voices.
#[derive(Debug, Clone)]
pub(super) struct Piper {
    program: Program,
    words_per_minute: u16,
    pub(super) models: Vec<Model>,
}

impl Model {
    /// Its name in the cache's key.
    pub(super) fn identity(&self) -> String {
        format!("{}#{}", self.name, self.bytes)
    }
}

impl Piper {
    /// The program with the voices that are in `folder` now. Starts nothing yet.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn new(
        program: PathBuf,
        folder: &Path,
        words_per_minute: u16,
    ) -> std::io::Result<Self> {
        let program = Program::new(program, FIX, TIME_LIMIT, MAX_OUTPUT_BYTES);
        Ok(Self { program, words_per_minute, models: models(folder)? })
    }

    /// Speaks `text` into a WAV file of the voice's own rate.
    pub(super) async fn speak(&self, text: &str, model: &Model) -> Result<Vec<u8>, TtsError> {
        let scale = f64::from(OWN_WORDS_PER_MINUTE) / f64::from(self.words_per_minute.max(1));
        let (scale, path) = (format!("{scale:.3}"), model.path.to_string_lossy());
        let arguments = ["--model", &path, "--length_scale", &scale, "--output_file", "-"];
        // It reads lines: each is a speech of its own.
        self.program.speak(&arguments, &format!("{text}\n")).await
    }
}

/// The voices of a folder, in the order of their names.
fn models(folder: &Path) -> std::io::Result<Vec<Model>> {
    let mut models = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".onnx")) else {
            continue;
        };
        let described = folder.join(format!("{name}.onnx.json")).is_file();
        let metadata = std::fs::metadata(entry.path())?;
        if !described || !metadata.is_file() || !is_name(name) {
            tracing::warn!(
                voice = name,
                "a voice of Piper is no file, or its .onnx.json is missing"
            );
            continue;
        }
        models.push(Model { name: name.to_owned(), path: entry.path(), bytes: metadata.len() });
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    if models.len() > VOICES_MAX {
        tracing::warn!(found = models.len(), used = VOICES_MAX, "too many voices of Piper");
        models.truncate(VOICES_MAX);
    }
    Ok(models)
}

/// Whether it can be asked for by name.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (1..=80).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::super::program::tests::{ALONE, script};
    use super::*;

    /// Goal: what the operator drops in is found; half a voice, or something else, is not.
    #[test]
    fn voices_are_found_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "12345").unwrap();
        for file in ["b.onnx", "b.onnx.json", "a_1-x.onnx", "a_1-x.onnx.json", "half.onnx"] {
            put(file);
        }
        put("LICENSE");
        put("بد.onnx");
        put("بد.onnx.json");
        let found = models(folder.path()).unwrap();
        let identities: Vec<String> = found.iter().map(Model::identity).collect();
        assert_eq!(identities, ["a_1-x#5", "b#5"]);
        assert!(models(&folder.path().join("none")).is_err());
    }

    /// Goal: the program is told the model, the pace and to write to its output, and gets the text
    /// as one line; that is all of the contract that we use.
    #[tokio::test]
    async fn the_program_is_asked_as_its_contract_says() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        std::fs::write(here.join("v.onnx"), "").unwrap();
        std::fs::write(here.join("v.onnx.json"), "{}").unwrap();
        let body = "cd \"$(dirname \"$0\")\"; echo \"$@\" > asked; cat >> asked; \
                    head -c 100 /dev/zero";
        let piper = Piper::new(script(here, body), here, 120).unwrap();
        piper.speak("سلام", &piper.models[0]).await.unwrap();
        let asked = std::fs::read_to_string(here.join("asked")).unwrap();
        let model = here.join("v.onnx");
        let model = model.display();
        assert_eq!(asked, format!("--model {model} --length_scale 1.250 --output_file -\nسلام\n"));
    }
}
