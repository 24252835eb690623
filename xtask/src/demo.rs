//! `cargo x demo`: the main job from a fresh clone, seen with one's own eyes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http::{Client, encode};
use crate::ladder;
use crate::process::target_dir;
use crate::say::{json as say_json, reserve_stdout_for_json, say};
use crate::server::{self, Server};
use crate::setup::{self, Goal};

const SENTENCE: &str = "سلام. این یک پیام صوتی آوانک است. کد شما ۴ ۷ ۱ ۲ است.";
/// A number of the sandbox carrier that answers and listens to the end.
const SANDBOX_NUMBER: &str = "09121234567";
const EXTENSION: &str = "100";
const SIP_PORT: u16 = 5060;
/// An address of nobody (RFC 5737): asks for the way out without sending anything there.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), SIP_PORT);
/// The first `reason` of a quick send that has ended (docs: call status table).
const FIRST_TERMINAL_REASON: i64 = 10;
const DELIVERED: i64 = 10;
const CALL_TIMEOUT: Duration = Duration::from_mins(3);
const REGISTER_TIMEOUT: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(100);

/// Whom to call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum To {
    /// The sandbox carrier.
    #[default]
    Sandbox,
    /// A phone at a SIP address, called without registering.
    Address(String),
    /// A phone that registers with us first.
    Registered,
}

/// The demo's switches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Stop the server and exit after the call.
    pub once: bool,
    /// End with one JSON object on stdout; text for people goes to stderr.
    pub json: bool,
    /// Whom to call.
    pub to: To,
    /// Where the data goes; a fresh folder under the target folder when not given.
    pub data_dir: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments behind `cargo x demo`.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--once" => options.once = true,
                "--json" => options.json = true,
                "--to" => {
                    let to = arguments.next().context("--to needs sip:user@host or phone")?;
                    options.to = match to.as_str() {
                        "phone" => To::Registered,
                        address if address.starts_with("sip:") => To::Address(address.to_owned()),
                        other => bail!("--to takes sip:user@host or phone, not {other}"),
                    };
                }
                "--data-dir" => {
                    let folder = arguments.next().context("--data-dir needs a folder")?;
                    options.data_dir = Some(PathBuf::from(folder));
                }
                other => bail!("demo does not know {other}; see cargo x help"),
            }
        }
        Ok(options)
    }
}

/// Runs the demo. True when the message was heard to its end.
pub fn run(options: &Options) -> Result<bool> {
    if options.json {
        reserve_stdout_for_json();
    }
    let ran = shown(options);
    if let Err(error) = &ran
        && options.json
    {
        say_json(&json!({ "error": format!("{error:#}") }).to_string());
    }
    ran
}

fn shown(options: &Options) -> Result<bool> {
    setup::ready(Goal::Demo)?;
    let program = server::program()?;
    let data_dir = match &options.data_dir {
        Some(folder) => std::path::absolute(folder)?,
        None => fresh_folder()?,
    };
    let sip = sip_listener(&options.to)?;
    let settings =
        [("AVANAK_SIP__LISTEN", sip.to_string()), ("AVANAK_SANDBOX__RECORD", "true".to_owned())];
    let server = Server::start(&program, &data_dir, &settings)?;
    say(&format!("Server up at http://{}, data in {}", server.address, data_dir.display()));

    let report = call(&server, &options.to, sip)
        .with_context(|| format!("the server's last words:\n{}", server.log_tail()))?;
    tell(&report.shown, &report.phone)?;
    let heard = report.heard_to_the_end();
    if options.json {
        say_json(&report.contract().to_string());
    }
    if options.once {
        server.stop()?;
        return Ok(heard);
    }
    invite_to_try(&server, &report.client.token);
    server.wait()?;
    Ok(heard)
}

/// A folder nobody used before, which outlives us so that the recording can be listened to.
fn fresh_folder() -> Result<PathBuf> {
    let folder = target_dir()?.join("demo").join(std::process::id().to_string());
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    Ok(folder)
}

/// What came of the call.
struct Report {
    client: Client,
    phone: String,
    /// What `avanak quick-send show` says of it.
    shown: Value,
    /// Whether the far end was ours, so that we know what it heard.
    sandbox: bool,
}

impl Report {
    fn heard_to_the_end(&self) -> bool {
        let delivered = self.shown["reason"].as_i64() == Some(DELIVERED);
        let heard = self.shown["heard_seconds"].as_f64().unwrap_or(0.0);
        let clip = self.shown["clip_seconds"].as_f64().unwrap_or(f64::INFINITY);
        delivered && (!self.sandbox || heard >= clip - 0.1)
    }

    /// The object that `--json` promises.
    fn contract(&self) -> Value {
        let fields = [
            "quick_send_id",
            "reason",
            "status",
            "charged_rials",
            "heard_wav",
            "heard_seconds",
            "ladder",
        ];
        fields.iter().map(|field| ((*field).to_owned(), self.shown[*field].clone())).collect()
    }
}

fn call(server: &Server, to: &To, sip: SocketAddr) -> Result<Report> {
    let account = server.command(&[
        "account",
        "create",
        "--name",
        "Demo",
        "--mobile",
        "09120000001",
        "--credit",
        "1000000",
    ])?;
    let id = account["account_id"].as_i64().context("account create gave no account_id")?;
    let token = account["token"].as_str().context("account create gave no token")?;
    say(&format!("Demo customer: account {id}, 1,000,000 Rials"));
    let client = Client { address: server.address.clone(), token: token.to_owned() };

    let (number, phone) = destination(server, id, to, sip)?;
    say(&format!("Speaking to {phone}: {SENTENCE}"));
    let form = [("Text", SENTENCE), ("Number", number)];
    let accepted = client.post_form("/Rest/QuickSendWithTTS", &form)?;
    let send_id = accepted["QuickSendID"].as_i64().filter(|id| *id > 0);
    let send_id = send_id.with_context(|| format!("the send was refused: {accepted}"))?;
    wait_for_the_end(&client, send_id)?;
    let shown = server.command(&["quick-send", "show", &send_id.to_string()])?;
    Ok(Report { client, phone, shown, sandbox: *to == To::Sandbox })
}

/// Where our SIP socket listens: on loopback for the sandbox, else on the address from which the
/// phone is reached.
fn sip_listener(to: &To) -> Result<SocketAddr> {
    let ip = match to {
        To::Sandbox => IpAddr::V4(Ipv4Addr::LOCALHOST),
        To::Registered => way_to(NOBODY).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        To::Address(uri) => way_to(host_of(uri)?)?,
    };
    // A phone is told a port by hand, so the usual one is preferred; port 0 takes a free one.
    let usual = *to == To::Registered && UdpSocket::bind((ip, SIP_PORT)).is_ok();
    let port = match to {
        To::Registered if usual => SIP_PORT,
        To::Registered => UdpSocket::bind((ip, 0))?.local_addr()?.port(),
        To::Sandbox | To::Address(_) => 0,
    };
    Ok(SocketAddr::new(ip, port))
}

/// The local address from which datagrams to `peer` leave.
fn way_to(peer: SocketAddr) -> Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(peer).with_context(|| format!("there is no way to {peer}"))?;
    Ok(socket.local_addr()?.ip())
}

/// The address in `sip:user@host[:port][;parameters]`.
pub fn host_of(uri: &str) -> Result<SocketAddr> {
    let rest = uri.strip_prefix("sip:").unwrap_or(uri);
    let rest = rest.split([';', '?']).next().unwrap_or_default();
    let host = rest.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().context("the port is no number")?),
        None => (host, SIP_PORT),
    };
    let addresses = (host, port).to_socket_addrs().with_context(|| format!("who is {host}?"))?;
    addresses.into_iter().find(SocketAddr::is_ipv4).with_context(|| format!("who is {host}?"))
}

/// The number to send to, and what to call it.
fn destination<'a>(
    server: &Server,
    account: i64,
    to: &'a To,
    sip: SocketAddr,
) -> Result<(&'a str, String)> {
    let account = account.to_string();
    let add = ["phone", "add", "--account", &account, "--extension", EXTENSION];
    match to {
        To::Sandbox => Ok((SANDBOX_NUMBER, SANDBOX_NUMBER.to_owned())),
        To::Address(address) => {
            server.command(&[&add[..], &["--contact", address]].concat())?;
            Ok((EXTENSION, address.clone()))
        }
        To::Registered => {
            show_credentials(&server.command(&add)?, sip)?;
            wait_for_phone(server, &account)?;
            Ok((EXTENSION, format!("phone {EXTENSION}")))
        }
    }
}

fn show_credentials(added: &Value, sip: SocketAddr) -> Result<()> {
    say("Register your softphone with:");
    say(&format!("  user      {}", added["username"].as_str().context("no username")?));
    say(&format!("  password  {}", added["password"].as_str().context("no password")?));
    say(&format!("  server    {sip} (UDP)"));
    say("Waiting for it …");
    Ok(())
}

fn wait_for_phone(server: &Server, account: &str) -> Result<()> {
    let show = ["phone", "show", "--account", account, EXTENSION];
    let deadline = Instant::now() + REGISTER_TIMEOUT;
    while server.command(&show)?["registered"] != json!(true) {
        if Instant::now() > deadline {
            bail!("no phone registered within {} s", REGISTER_TIMEOUT.as_secs());
        }
        std::thread::sleep(POLL * 5);
    }
    say("It is registered.");
    Ok(())
}

fn wait_for_the_end(client: &Client, send_id: i64) -> Result<()> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    let mut last = None;
    loop {
        let state = client.get(&format!("/Rest/GetQuickSend?QuickSendID={send_id}"))?;
        let reason = state["reason"].as_i64().context("GetQuickSend gave no reason")?;
        if last != Some(reason) {
            say(&format!("  … {}", state["status"].as_str().unwrap_or("?")));
            last = Some(reason);
        }
        if reason >= FIRST_TERMINAL_REASON {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the call did not end within {} s: {state}", CALL_TIMEOUT.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

fn tell(shown: &Value, phone: &str) -> Result<()> {
    say("");
    say(&ladder::draw(&ladder::parse(&shown["ladder"])?, phone));
    let status = shown["status"].as_str().unwrap_or("?");
    say(&format!("Status   {status} (reason {})", shown["reason"]));
    say(&format!("Charged  {} Rials", shown["charged_rials"]));
    if let Some(path) = shown["heard_wav"].as_str() {
        let (heard, clip) = (&shown["heard_seconds"], &shown["clip_seconds"]);
        say(&format!("Heard    {heard} s of {clip} s, as the phone heard it:"));
        say(&format!("         {}", Path::new(path).display()));
    }
    Ok(())
}

fn invite_to_try(server: &Server, token: &str) {
    let base = format!("http://{}/Rest", server.address);
    say("");
    say(&format!("The server goes on at {base} (Ctrl-C stops it). Try next:"));
    say("");
    say(&format!("  curl {base}/AccountStatus -H 'Authorization: {token}'"));
    say(&format!(
        "  curl {base}/QuickSendWithTTS -H 'Authorization: {token}' \\\n    \
         --data-urlencode 'Text={SENTENCE}' -d Number={SANDBOX_NUMBER}"
    ));
    say(&format!("  curl '{base}/GetQuickSend?QuickSendID=2&Token={}'", encode(token)));
}
