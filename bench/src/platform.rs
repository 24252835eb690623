//! The whole product as a child process, and a client that asks it for calls.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What an account starts with: enough for every call of a benchmark.
const CREDIT: &str = "1000000000000";
/// Samples a second of what is uploaded.
const RATE: u32 = 8000;

/// A running `avanak serve` with one trunk and one customer.
pub struct Platform {
    child: Child,
    /// Where its web services are.
    pub http: SocketAddr,
    /// The customer's token.
    pub token: String,
    /// The customer's account.
    account: i64,
    folder: PathBuf,
}

impl Platform {
    /// Starts it with its data in `folder`, its calls going to `trunk`.
    ///
    /// # Errors
    /// It does not start; its log is in `folder`.
    pub fn start(folder: &Path, trunk: SocketAddr) -> Result<Self> {
        Self::start_at(folder, trunk, 2_000, "")
    }

    /// The same, with so many calls a second at most, and more settings.
    ///
    /// # Errors
    /// As [`Platform::start`].
    pub fn start_at(folder: &Path, trunk: SocketAddr, cps: u32, more: &str) -> Result<Self> {
        let program = program()?;
        let config = folder.join("bench.toml");
        std::fs::write(&config, settings(trunk, cps) + more)
            .context("writing the configuration")?;
        let migrated = Command::new(&program)
            .arg("migrate")
            .arg("--config")
            .arg(&config)
            .arg("--data-dir")
            .arg(folder)
            .output()
            .with_context(|| format!("starting {}", program.display()))?;
        if !migrated.status.success() {
            bail!("no tables: {}", String::from_utf8_lossy(&migrated.stderr));
        }
        let (child, http) = serve(folder)?;
        let (token, folder) = (String::new(), folder.to_owned());
        let mut platform = Self { child, http, token, account: 0, folder };
        let account = platform.ask(&[
            "account",
            "create",
            "--name",
            "bench",
            "--mobile",
            "09120000000",
            "--any-hour",
            "bench",
            "--credit",
            CREDIT,
        ])?;
        platform.account = account["account_id"].as_i64().context("the account has no number")?;
        let token = account["token"].as_str().context("the account has no token")?;
        token.clone_into(&mut platform.token);
        Ok(platform)
    }

    /// Kills the process as a power cut would; nothing of it runs any more then.
    ///
    /// # Errors
    /// It had ended already.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after [`Platform::kill`].
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        (self.child, self.http) = serve(&self.folder)?;
        Ok(())
    }

    /// User and system time of the process so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu(&self) -> Result<Duration> {
        crate::cpu::of_process(self.child.id())
    }

    /// What the process has in memory, kB.
    ///
    /// # Errors
    /// It is gone.
    pub fn resident_kb(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("asking for the server's memory")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let figure = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        figure.context("the server's memory is not told")
    }

    /// What the customer has spent, rials. Nothing may be held any more.
    ///
    /// # Errors
    /// A hold is left, or the command line does not say.
    pub fn spent(&self) -> Result<i64> {
        let shown = self.ask(&["account", "show", "--account", &self.account.to_string()])?;
        if shown["reserved_rials"] != 0 {
            bail!("{} rials are still held", shown["reserved_rials"]);
        }
        let balance = shown["balance_rials"].as_i64().context("the account has no balance")?;
        Ok(CREDIT.parse::<i64>()? - balance)
    }

    /// What an audit of the books finds.
    ///
    /// # Errors
    /// There is none.
    pub fn audit(&self) -> Result<Vec<String>> {
        let audit = self.ask(&["account", "audit"])?;
        let found = audit["violations"].as_array().context("the audit told no violations")?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    /// Every violation that the judge finds, in words: none when each call was lawful.
    ///
    /// # Errors
    /// The command failed.
    pub fn judged(&self) -> Result<Vec<String>> {
        let judged = self.ask(&["judge"])?;
        let reports = judged["reports"].as_array().context("the judge told no reports")?;
        ensure!(!reports.is_empty(), "the judge heard of no call");
        let guilty = reports.iter().filter(|report| report["clean"] != true);
        Ok(guilty.map(ToString::to_string).collect())
    }

    /// A command of the command line beside the running server.
    fn ask(&self, command: &[&str]) -> Result<Value> {
        let output = Command::new(program()?)
            .args(command)
            .args(["--json", "--config"])
            .arg(self.folder.join("bench.toml"))
            .arg("--data-dir")
            .arg(&self.folder)
            .output()
            .context("asking by the command line")?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?}"))
    }

    /// A client with a connection of its own.
    ///
    /// # Errors
    /// The server does not take connections.
    pub fn client(&self) -> Result<Client> {
        let stream = TcpStream::connect(self.http).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Client { stream, token: self.token.clone() })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Its data are thrown away: nothing needs to be ended in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server with the settings and data in `folder`, and waits until it listens.
fn serve(folder: &Path) -> Result<(Child, SocketAddr)> {
    let mut child = Command::new(program()?)
        .arg("serve")
        .arg("--config")
        .arg(folder.join("bench.toml"))
        .arg("--data-dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(folder.join("server.log"))?)
        .spawn()
        .context("starting the server")?;
    let stdout = child.stdout.take().context("its stdout was piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("waiting for the server")?;
    let Some(http) = line.trim().strip_prefix("listening http://") else {
        child.kill()?;
        child.wait()?;
        let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        bail!("the server did not start: {line}{log}");
    };
    let http = http.parse().context("reading its address")?;
    Ok((child, http))
}

/// The program under test: what `cargo x bench` has built, or what lies beside this one.
fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("AVANAK_BIN") {
        return Ok(program.into());
    }
    let beside = std::env::current_exe().context("asking where this program is")?;
    let program = beside.with_file_name("avanak");
    if !program.is_file() {
        bail!("there is no {}: use cargo x bench", program.display());
    }
    Ok(program)
}

fn settings(trunk: SocketAddr, cps: u32) -> String {
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n\
         [sip]\nlisten = \"127.0.0.1:0\"\n\
         [[trunk]]\nname = \"bench\"\naddress = \"{trunk}\"\ncaller_id = \"02191000000\"\n\
         max_channels = 2000\nmax_cps = {cps}\nping_interval_s = 0\n"
    )
}

/// One connection that is kept.
pub struct Client {
    stream: TcpStream,
    token: String,
}

impl Client {
    /// Uploads `seconds` of a tone. Returns the message.
    ///
    /// # Errors
    /// It is not taken.
    pub fn upload(&mut self, seconds: u32) -> Result<i64> {
        let audio = BASE64.encode(tone(seconds)).replace('+', "%2B").replace('/', "%2F");
        let form = format!("Title=bench&Persist=true&Base64={}", audio.replace('=', "%3D"));
        let answer = self.post("UploadMessageBase64", &form)?;
        let id = answer["MessageID"].as_i64().or_else(|| answer["Id"].as_i64());
        id.filter(|id| *id > 0).with_context(|| format!("the upload was answered with {answer}"))
    }

    /// Asks for a call. Returns the send.
    ///
    /// # Errors
    /// It is refused.
    pub fn quick_send(&mut self, message: i64, number: &str) -> Result<i64> {
        let answer = self.post("QuickSend", &format!("MessageID={message}&Number={number}"))?;
        let id = answer["QuickSendID"].as_i64().or_else(|| answer["Id"].as_i64());
        id.filter(|id| *id > 0).with_context(|| format!("the send was answered with {answer}"))
    }

    /// The sum of the figures in `/metrics` whose line begins with `name`, whole numbers all.
    ///
    /// # Errors
    /// They are not told.
    pub fn figure(&mut self, name: &str) -> Result<u64> {
        let request = "GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n";
        let body = self.exchange(request)?;
        let page = String::from_utf8(body).context("the figures are no text")?;
        let lines = page.lines().filter(|line| line.starts_with(name));
        let figures = lines.filter_map(|line| line.rsplit_once(' '));
        figures.map(|(_, figure)| figure.parse::<u64>().context(figure.to_owned())).sum()
    }

    /// Posts to the modern API, or asks it when there is no body.
    ///
    /// # Errors
    /// It refuses.
    pub fn modern(&mut self, path: &str, body: Option<&Value>) -> Result<Value> {
        serde_json::from_slice(&self.fetch(path, body)?).context("the answer is not JSON")
    }

    /// The same, for an answer of any kind.
    ///
    /// # Errors
    /// It refuses.
    pub fn fetch(&mut self, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.exchange(&request)
    }

    fn post(&mut self, method: &str, form: &str) -> Result<Value> {
        let request = format!(
            "POST /Rest/{method} HTTP/1.1\r\nHost: bench\r\nAuthorization: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.token,
            form.len()
        );
        serde_json::from_slice(&self.exchange(&request)?).context("the answer is not JSON")
    }

    /// Asks and gives back the body of the answer.
    fn exchange(&mut self, request: &str) -> Result<Vec<u8>> {
        self.stream.write_all(request.as_bytes()).context("asking")?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(body) = whole_body(&answer)? {
                return Ok(body.to_vec());
            }
            let length = self.stream.read(&mut piece).context("waiting for an answer")?;
            if length == 0 {
                bail!("the server closed the connection");
            }
            answer.extend_from_slice(&piece[..length]);
        }
    }
}

/// The body, once all of it is there.
fn whole_body(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    if !head.starts_with("http/1.1 20") {
        bail!("the answer is {}", head.lines().next().unwrap_or_default());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("the answer has no length")?.trim().parse()?;
    Ok(answer[end + 4..].get(..length))
}

/// A WAV file with a tone that no silence detector mistakes.
fn tone(seconds: u32) -> Vec<u8> {
    let samples = seconds * RATE;
    let bytes = samples * 2;
    let mut wav = Vec::with_capacity(44 + samples as usize * 2);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    for at in 0..samples {
        let sample: i16 = if at % 20 < 10 { 6000 } else { -6000 };
        wav.extend(sample.to_le_bytes());
    }
    wav
}
