//! `config.example.toml` and `docs/CONFIG.md`, made from `config` and compared by a test.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::{
    Announcements, Audio, Callbacks, Calls, Channel, Codes, Config, Database, Detection, Http,
    Identity, Key, Log, Measurement, Node, Payment, Probe, Sandbox, Sip, Sms, Speech, SpeechHttp,
    Support, Trunk,
};

/// A section with its words.
struct Section {
    name: &'static str,
    doc: &'static [&'static str],
    keys: &'static [Key],
}

fn sections() -> [Section; 20] {
    macro_rules! section {
        ($name:literal, $type:ty) => {
            Section { name: $name, doc: <$type>::DOC, keys: <$type>::KEYS }
        };
    }
    [
        section!("node", Node),
        section!("database", Database),
        section!("http", Http),
        section!("audio", Audio),
        section!("sip", Sip),
        section!("calls", Calls),
        section!("detection", Detection),
        section!("speech", Speech),
        section!("speech_http", SpeechHttp),
        section!("sms", Sms),
        section!("callbacks", Callbacks),
        section!("codes", Codes),
        section!("measurement", Measurement),
        section!("probe", Probe),
        section!("sandbox", Sandbox),
        section!("log", Log),
        section!("identity", Identity),
        section!("support", Support),
        section!("payment", Payment),
        section!("announcements", Announcements),
    ]
}

/// A trunk as an operator would write one.
fn example_trunk() -> Trunk {
    Trunk {
        name: String::from("carrier"),
        address: String::from("192.0.2.10:5060"),
        username: String::from("avanak"),
        password: crate::config::Secret(String::from("change me")),
        caller_id: String::from("02100000000"),
        prefixes: vec![String::from("09"), String::from("021")],
        ..Trunk::default()
    }
}

/// A channel as an operator would write one.
fn example_channel() -> Channel {
    Channel {
        name: String::from("bale"),
        token: crate::config::Secret(String::from("change me")),
        chat: String::from("@avanak"),
        ..Channel::default()
    }
}

fn value_of(config: &toml::Value, section: &str, key: &str) -> String {
    config
        .get(section)
        .and_then(|section| section.get(key))
        .expect("each key of a section is a field of its struct")
        .to_string()
}

/// The example file: each key with its meaning and its default.
pub fn example() -> String {
    let defaults = toml::Value::try_from(Config::default()).expect("the defaults are plain values");
    let mut text = String::from(
        "# Avanak's configuration: every key, its meaning and its default. None is needed.\n\
         # Each key of a section is also an environment variable: AVANAK_<SECTION>__<KEY>.\n\
         # The trunks are one, all together: AVANAK_TRUNK='[{name=\"a\", address=\"192.0.2.10\"}]'.\n\
         # Made from crates/server/src/config; a test keeps it true.\n",
    );
    for section in sections() {
        let _ = write!(text, "\n#{}\n[{}]\n", section.doc.join("\n#"), section.name);
        for key in section.keys {
            let value = value_of(&defaults, section.name, key.name);
            let _ = write!(text, "#{}\n{} = {value}\n", key.doc.join("\n#"), key.name);
        }
    }
    many(&mut text, "channel", Channel::DOC, Channel::KEYS, &example_channel());
    many(&mut text, "trunk", Trunk::DOC, Trunk::KEYS, &example_trunk());
    text
}

fn many<T: Serialize>(text: &mut String, name: &str, doc: &[&str], keys: &[Key], example: &T) {
    let example = toml::Value::try_from(example).expect("plain values");
    let _ = write!(text, "\n#{}\n# [[{name}]]\n", doc.join("\n#"));
    for key in keys {
        let value = example.get(key.name).expect("each key is a field");
        let _ = write!(text, "#{}\n# {} = {value}\n", key.doc.join("\n#"), key.name);
    }
}

/// The reference for people: a table per section.
pub fn reference() -> String {
    let defaults = toml::Value::try_from(Config::default()).expect("the defaults are plain values");
    let mut text = String::from(
        "# Configuration\n\nOne TOML file (`--config FILE`). The environment wins over it, and \
         command-line flags win over both. Unknown keys are refused, wherever they stand.\n\n\
         In the environment each key of a section is `AVANAK_<SECTION>__<KEY>`, with two \
         underscores between them: `AVANAK_HTTP__LISTEN=0.0.0.0:8080`. A single key of a trunk \
         cannot be set there; `AVANAK_TRUNK` is all trunks together and takes the place of those \
         in the file: `AVANAK_TRUNK='[{name=\"carrier\", address=\"192.0.2.10\", \
         prefixes=[\"09\"]}]'`.\n\nMade from `crates/server/src/config`; a test keeps it true.\n",
    );
    for section in sections() {
        heading(&mut text, &format!("[{}]", section.name), section.doc);
        for key in section.keys {
            let value = value_of(&defaults, section.name, key.name);
            row(&mut text, key, &value);
        }
    }
    tables(&mut text, "[[channel]]", Channel::DOC, Channel::KEYS, &Channel::default());
    tables(&mut text, "[[trunk]]", Trunk::DOC, Trunk::KEYS, &Trunk::default());
    text
}

fn tables<T: Serialize>(text: &mut String, name: &str, doc: &[&str], keys: &[Key], value: &T) {
    heading(text, name, doc);
    let value = toml::Value::try_from(value).expect("plain values");
    for key in keys {
        row(text, key, &value.get(key.name).expect("each key is a field").to_string());
    }
}

fn heading(text: &mut String, name: &str, doc: &[&str]) {
    let doc = doc.concat();
    let _ = write!(
        text,
        "\n## `{name}`\n\n{}\n\n| key | default | meaning |\n|---|---|---|\n",
        doc.trim()
    );
}

fn row(text: &mut String, key: &Key, value: &str) {
    let _ = writeln!(text, "| `{}` | `{value}` | {} |", key.name, key.doc.concat().trim());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use std::path::Path;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[expect(clippy::disallowed_methods, reason = "asks whether to rewrite the documents")]
    fn compare(path: &str, text: &str) {
        let path = root().join(path);
        if std::env::var("UPDATE_DOCS").is_ok() {
            std::fs::write(&path, text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "{}: run the tests with UPDATE_DOCS=1", path.display());
    }

    #[test]
    fn the_documents_say_what_the_program_reads() {
        compare("config.example.toml", &example());
        compare("docs/CONFIG.md", &reference());
    }

    #[test]
    fn the_example_is_the_default_configuration() {
        let file = root().join("config.example.toml");
        let overrides = Overrides { config: Some(file), ..Overrides::default() };
        assert_eq!(Config::load(&overrides).unwrap(), Config::default());
    }

    #[test]
    fn the_trunk_in_the_example_is_one() {
        let mut text = String::new();
        many(&mut text, "channel", Channel::DOC, Channel::KEYS, &example_channel());
        many(&mut text, "trunk", Trunk::DOC, Trunk::KEYS, &example_trunk());
        let uncommented: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with("[[") || line.contains(" = "))
            .fold(String::new(), |all, line| all + line + "\n");
        let config: Config = toml::from_str(&uncommented).unwrap();
        assert_eq!(config.trunk, [example_trunk()]);
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("avanak.toml");
        std::fs::write(&file, "[http]\nlisten_port = 1\n").unwrap();
        let overrides = Overrides { config: Some(file), ..Overrides::default() };
        let error = format!("{:#}", Config::load(&overrides).unwrap_err());
        assert!(error.contains("listen_port"), "{error}");
    }

    #[test]
    fn a_secret_never_shows() {
        let trunk = format!("{:?}", example_trunk());
        assert!(!trunk.contains("change me") && trunk.contains("***"), "{trunk}");
    }
}
