//! The program under test: the real binary in its own data directory, driven from outside like an
//! operator and a customer would.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How a platform is started.
#[derive(Default, Clone)]
pub struct Options {
    /// The configuration file's text.
    pub config: String,
    /// The database; empty for SQLite in the data directory.
    pub database: String,
    /// The directory in which the data directory is made; empty for the usual place.
    pub within: PathBuf,
}

/// A running platform.
pub struct Platform {
    child: Child,
    options: Options,
    dir: TempDir,
    /// Apart from the data, so that it can be read when there is no room for data.
    log: NamedTempFile,
    http: SocketAddr,
}

/// A customer of a running platform.
#[derive(Clone)]
pub struct Customer {
    pub account: i64,
    pub token: String,
}

impl Platform {
    /// Starts the binary and waits until it answers.
    pub fn start(options: Options) -> Self {
        let dir = data_dir(&options);
        if options.database.starts_with("postgres") {
            cli(dir.path(), &options, &["migrate"]);
        }
        let log = NamedTempFile::new().unwrap();
        let (child, http) = spawn(dir.path(), log.path(), &options);
        Self { child, options, dir, log, http }
    }

    /// A platform on SQLite with the sandbox carrier, which keeps what its phones hear.
    pub fn with_sandbox() -> Self {
        Self::start(Options { config: config("[sandbox]\nrecord = true\n"), ..Options::default() })
    }

    /// A platform whose only trunk is at `address`.
    pub fn with_trunk(address: SocketAddr, more: &str) -> Self {
        let trunk = format!(
            "[[trunk]]\nname = 'peer'\naddress = '{address}'\ncaller_id = '02100000000'\n{more}"
        );
        Self::start(Options { config: config(&trunk), ..Options::default() })
    }

    /// The web services' address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where phones register and trunks answer, as the log says it.
    pub fn sip_port(&self) -> u16 {
        let log = self.log();
        let (_, rest) = log.rsplit_once("the node is up sip=").unwrap();
        let address: SocketAddr = rest.split_whitespace().next().unwrap().parse().unwrap();
        address.port()
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command of the command line against this platform; its JSON output.
    pub fn cli(&self, arguments: &[&str]) -> Value {
        let output = cli(self.dir.path(), &self.options, arguments);
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{arguments:?}: {output}"))
    }

    /// Creates a customer.
    pub fn customer(&self, credit: i64) -> Customer {
        let credit = credit.to_string();
        let made = self.cli(&[
            "account",
            "create",
            "--name",
            "T",
            "--mobile",
            "09120000001",
            "--any-hour",
            "tests",
            "--credit",
            &credit,
            "--json",
        ]);
        Customer {
            account: made["account_id"].as_i64().unwrap(),
            token: made["token"].as_str().unwrap().to_owned(),
        }
    }

    /// The text of a page.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Calls a method of the web services.
    pub fn call(&self, customer: &Customer, method: &str, parameters: &[(&str, &str)]) -> Value {
        self.ask(customer, method, parameters).json()
    }

    /// Calls a method of the web services; the whole answer.
    pub fn ask(&self, customer: &Customer, method: &str, parameters: &[(&str, &str)]) -> Answer {
        request(self.http, &customer.token, method, parameters)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Asks for a send; the whole answer, whatever it says.
    pub fn try_send(&self, customer: &Customer, message: i64, number: &str) -> Answer {
        let message = message.to_string();
        self.ask(customer, "QuickSend", &[("MessageID", &message), ("Number", number)])
    }

    /// Uploads a clip of `seconds` of tone and returns its message id.
    pub fn upload(&self, customer: &Customer, wav: &[u8]) -> i64 {
        use base64::Engine as _;
        let audio = base64::engine::general_purpose::STANDARD.encode(wav);
        let parameters = [("Title", "clip"), ("Base64", &audio)];
        let made = self.call(customer, "UploadMessageBase64", &parameters);
        let id = made["Id"].as_i64().unwrap();
        assert!(id > 0, "{made}");
        id
    }

    /// Sends a message to a number; the quick send's id.
    pub fn send(&self, customer: &Customer, message: i64, number: &str) -> i64 {
        let sent = self.try_send(customer, message, number).json();
        let id = sent["QuickSendID"].as_i64().unwrap();
        assert!(id > 0, "{sent}");
        id
    }

    /// Waits until a quick send has ended, and returns its story.
    pub fn story_of_ended(&self, customer: &Customer, send: i64) -> Value {
        eventually("the quick send ends", || {
            (self.state(customer, send)["reason"].as_i64()? >= 10).then_some(())
        });
        self.story(send)
    }

    /// The state of a quick send as its customer sees it.
    pub fn state(&self, customer: &Customer, send: i64) -> Value {
        self.call(customer, "GetQuickSend", &[("QuickSendID", &send.to_string())])
    }

    /// Waits until a quick send's call is answered.
    pub fn wait_for_answer(&self, customer: &Customer, send: i64) {
        eventually("the call is answered", || {
            let reason = self.state(customer, send)["reason"].as_i64()?;
            assert!(reason <= 3, "the call ended before it was heard: {reason}");
            (reason == 3).then_some(())
        });
    }

    /// The story of a quick send as the command line tells it.
    pub fn story(&self, send: i64) -> Value {
        self.cli(&["quick-send", "show", &send.to_string(), "--json"])
    }

    /// The customer's account as the command line shows it.
    pub fn account(&self, customer: &Customer) -> Value {
        self.cli(&["account", "show", "--account", &customer.account.to_string(), "--json"])
    }

    /// The customer's balance once nothing is held any more, after an audit of all books.
    pub fn settled_balance(&self, customer: &Customer) -> i64 {
        let account = eventually("no hold is left", || {
            let account = self.account(customer);
            (account["reserved_rials"] == 0).then_some(account)
        });
        let audit = self.cli(&["account", "audit", "--json"]);
        assert_eq!(audit["violations"], serde_json::json!([]), "{audit}");
        account["balance_rials"].as_i64().unwrap()
    }

    /// A message as its customer gets it back: the telephone audio that is played.
    pub fn clip(&self, customer: &Customer, message: i64) -> Vec<i16> {
        let parameters = [("MessageID", &*message.to_string())];
        let wav = self.ask(customer, "DownloadMessage", &parameters).body;
        media::wav::read(&wav).unwrap()
    }

    /// What the sandbox's phone heard in a call that has ended.
    pub fn heard(&self, send: i64) -> Vec<i16> {
        let wav = eventually("what was heard is written", || {
            self.story(send)["heard_wav"].as_str().map(str::to_owned)
        });
        media::wav::read(&std::fs::read(wav).unwrap()).unwrap()
    }

    /// The sum of the figures in `/metrics` whose line begins with `name`.
    pub fn figure(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics");
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// The log so far, of all starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Every local UDP port of the process, from the kernel's tables.
    pub fn udp_ports(&self) -> Vec<u16> {
        let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            // A file may have been closed since it was listed.
            .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
            .filter_map(|to| {
                Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        let table = std::fs::read_to_string("/proc/net/udp").unwrap();
        let ports = table.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, port) = fields.get(1)?.split_once(':')?;
            sockets.contains(*fields.get(9)?).then(|| u16::from_str_radix(port, 16).unwrap())
        });
        ports.collect()
    }

    /// Runs a command of the command line against this platform, however it ends.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(self.dir.path(), &self.options, arguments)
    }

    /// The same, with these variables of the environment.
    pub fn run_in(&self, environment: &[(&str, &str)], command: &[&str]) -> Output {
        let mut program = binary();
        program.envs(environment.iter().copied()).args(command);
        program.args(arguments(self.dir.path(), &self.options)).output().unwrap()
    }

    /// Kills the process with SIGKILL and waits for its death.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Writes another configuration, which the next start reads.
    pub fn configure(&mut self, config: String) {
        std::fs::write(self.dir.path().join("avanak.toml"), &config).unwrap();
        self.options.config = config;
    }

    /// Starts the killed process again and kills it after this time, wherever it is in its start.
    pub fn kill_while_starting(&mut self, after: Duration) {
        self.child = begin(self.dir.path(), self.log.path(), &self.options);
        pause(after);
        self.kill();
    }

    /// Starts the process again on the same data.
    pub fn restart(&mut self) {
        let (child, http) = spawn(self.dir.path(), self.log.path(), &self.options);
        self.child = child;
        self.http = http;
    }

    /// Asks the process to stop.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until the process has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the process ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // It may have ended already, by the test's own hand.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
            let log: Vec<&str> =
                log.lines().filter(|line| !line.contains("answered took")).collect();
            eprintln!("--- the platform's log\n{}", log.join("\n"));
        }
    }
}

/// A configuration with free ports, so that tests run side by side.
///
/// Trunks are not pinged unless the text says so: the peers of most tests expect one call.
pub fn config(more: &str) -> String {
    let more = if more.contains("ping_interval_s") {
        more.to_owned()
    } else {
        more.replace("[[trunk]]\n", "[[trunk]]\nping_interval_s = 0\n")
    };
    format!("[sip]\nlisten = '127.0.0.1:0'\n[node]\ndrain_seconds = 20\n{more}")
}

/// The binary, with an environment that holds nothing of ours.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_avanak"));
    command.env_clear().env("PATH", path()).stdin(Stdio::null());
    command
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program under test needs a PATH to find espeak-ng"
)]
fn path() -> String {
    std::env::var("PATH").unwrap()
}

fn arguments(dir: &Path, options: &Options) -> Vec<String> {
    let mut arguments = vec![
        format!("--config={}", dir.join("avanak.toml").display()),
        format!("--data-dir={}", dir.display()),
    ];
    if !options.database.is_empty() {
        arguments.push(format!("--database={}", options.database));
    }
    arguments
}

fn begin(dir: &Path, log: &Path, options: &Options) -> Child {
    let lines = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    binary()
        .arg("serve")
        .args(arguments(dir, options))
        .args(["--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(lines)
        .spawn()
        .unwrap()
}

fn spawn(dir: &Path, log: &Path, options: &Options) -> (Child, SocketAddr) {
    let mut child = begin(dir, log, options);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let Some(address) = line.trim().strip_prefix("listening http://") else {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        panic!("the platform did not start: {line}\n{log}");
    };
    (child, address.parse().unwrap())
}

/// A data directory with its configuration file, in which nothing was started yet.
pub fn data_dir(options: &Options) -> TempDir {
    let dir = if options.within.as_os_str().is_empty() {
        tempfile::tempdir()
    } else {
        tempfile::tempdir_in(&options.within)
    };
    let dir = dir.unwrap();
    std::fs::write(dir.path().join("avanak.toml"), &options.config).unwrap();
    dir
}

/// Runs a command of the command line on a data directory, however it ends.
pub fn run(dir: &Path, options: &Options, command: &[&str]) -> Output {
    binary().args(command).args(arguments(dir, options)).output().unwrap()
}

fn cli(dir: &Path, options: &Options, command: &[&str]) -> String {
    let output = run(dir, options, command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// What a customer's request came to.
#[derive(Debug)]
pub struct Answer {
    /// The status line and the header fields, in small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, which every method but one writes as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    /// A header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// One request of a customer. An error is the network's.
pub fn request(
    http: SocketAddr,
    token: &str,
    method: &str,
    parameters: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let form: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let body = form.join("&");
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /Rest/{method} HTTP/1.1\r\nHost: {http}\r\nAuthorization: {token}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    read_answer(stream)
}

/// One request to the modern API; without a body when that is null. An error is the network's.
pub fn v1_request(
    http: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> std::io::Result<Answer> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    v1_send(http, token, &format!("{method} {path}"), "", &body)
}

/// A POST of a text that is no JSON to the modern API. An error is the network's.
pub fn v1_text(http: SocketAddr, token: &str, path: &str, text: &str) -> std::io::Result<Answer> {
    v1_send(http, token, &format!("POST {path}"), "", text)
}

/// A POST to the modern API that is done once, whenever it is repeated under the same key.
pub fn v1_post_once(
    http: SocketAddr,
    token: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> std::io::Result<Answer> {
    let key = format!("Idempotency-Key: {key}\r\n");
    v1_send(http, token, &format!("POST {path}"), &key, &body.to_string())
}

/// `more`: header fields, each with its line end.
fn v1_send(
    http: SocketAddr,
    token: &str,
    asked: &str,
    more: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{asked} HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {token}\r\n{more}\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    read_answer(stream)
}

fn read_answer(mut stream: TcpStream) -> std::io::Result<Answer> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| std::io::Error::other("the connection ended before the answer was whole"))?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let answer = Answer { head, body: answer[end + 4..].to_vec() };
    let length = answer.field("content-length").and_then(|length| length.trim().parse().ok());
    if length != Some(answer.body.len()) {
        return Err(std::io::Error::other("the answer is not whole"));
    }
    Ok(answer)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").unwrap();
        }
        all
    })
}

/// Asks again and again until there is an answer, or patience is over.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask)
}

/// As [`eventually`], for what takes longer by its nature.
pub fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let deadline = now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < deadline, "in vain: {what}");
        pause(Duration::from_millis(25));
    }
}

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "a test's patience is measured in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets time pass between two questions to another process.
#[expect(clippy::disallowed_methods, reason = "another process cannot be waited for otherwise")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A number that looks random and is the same in each run.
pub fn random(seed: &mut u32) -> u32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *seed >> 8
}

/// A UDP port for a peer that binds it by itself, free for TCP, too. It lies below the ports that
/// the kernel hands out, so that no socket of the platforms takes it meanwhile, and no other test
/// gets the same; SIPp takes a few above it.
pub fn free_udp_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let n = TAKEN.fetch_add(1, Ordering::Relaxed) % 44;
        let port = 10_000 + own_ports() * 440 + n * 10;
        let address = ("127.0.0.1", port);
        let udp = std::net::UdpSocket::bind(address);
        if udp.is_ok() && std::net::TcpListener::bind(address).is_ok() {
            return port;
        }
    }
}

/// Which of 50 ranges of ports is this process's alone, for as long as it lives: each test is a
/// process of its own, and two may look for a port at the same moment.
fn own_ports() -> u16 {
    static OWN: OnceLock<(u16, File)> = OnceLock::new();
    let claim = || {
        let first = u16::try_from(std::process::id() % 50).unwrap();
        let ranges = (0..50).map(|n| (first + n) % 50);
        let mut claims = ranges.filter_map(|range| {
            let path = std::env::temp_dir().join(format!("avanak-test-ports-{range}"));
            let file = File::create(path).ok()?;
            file.try_lock().ok()?;
            Some((range, file))
        });
        claims.next().expect("fewer than 50 processes of tests at once")
    };
    OWN.get_or_init(claim).0
}

/// A file of the real peers.
pub fn peer_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// A clip that cannot be mistaken: `ms` of a tone whose pitch rises, as a WAV file.
pub fn rising_tone(ms: u32) -> Vec<u8> {
    media::wav::write_pcm16(&rising_samples(ms))
}

/// The samples of [`rising_tone`].
#[expect(clippy::cast_possible_truncation, reason = "a test tone far from the limits")]
pub fn rising_samples(ms: u32) -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..ms * 8)
        .map(|n| {
            phase += (300.0 + f64::from(n) / 40.0) * std::f64::consts::TAU / 8000.0;
            (phase.sin() * 9000.0) as i16
        })
        .collect()
}

/// The best correlation of `heard` with `clip` over all offsets, 1.0 being the same sound, and the
/// offset in samples at which `clip` begins in `heard`.
pub fn correlation(clip: &[i16], heard: &[i16]) -> (f64, usize) {
    let longest = heard.len().saturating_sub(clip.len());
    (0..=longest)
        .step_by(4)
        .map(|offset| {
            (similarity(clip, &heard[offset..offset + clip.len().min(heard.len())]), offset)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap()
}

/// How alike two sounds are that begin together, 1.0 being the same.
pub fn similarity(a: &[i16], b: &[i16]) -> f64 {
    let dot = |x: &[i16], y: &[i16]| -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let power = (dot(a, a) * dot(b, b)).sqrt();
    if power == 0.0 { 0.0 } else { dot(a, b) / power }
}
