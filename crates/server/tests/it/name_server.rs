//! A name server of our own, on loopback: its zone is written as in a zone file and changes while
//! it runs, and it can fall silent.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Seconds for which its records hold.
const TTL: u32 = 1;

struct Shared {
    zone: Mutex<String>,
    silent: AtomicBool,
    stop: AtomicBool,
}

/// A running name server.
pub struct NameServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Serves lines of `name TYPE data`.
    pub fn start(zone: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            zone: Mutex::new(zone.to_owned()),
            silent: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let told = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while !told.stop.load(Ordering::Relaxed) {
                let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
                if !told.silent.load(Ordering::Relaxed) {
                    let answer = answer(&told.zone.lock().unwrap(), &buffer[..length]);
                    socket.send_to(&answer, source).unwrap();
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// From now on it says this.
    pub fn say(&self, zone: &str) {
        zone.clone_into(&mut self.shared.zone.lock().unwrap());
    }

    /// From now on it says nothing.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    /// The line of `[sip]` that has it asked.
    pub fn setting(&self) -> String {
        format!("name_servers = ['{}']\n", self.address)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn answer(zone: &str, question: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(question).unwrap();
    let query = message.queries[0].clone();
    let asked = query.name().to_ascii().to_ascii_lowercase();
    let lines = zone.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut known = false;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        if format!("{}.", words[0]) != asked {
            continue;
        }
        known = true;
        if words[1] == query.query_type().to_string() {
            let data = data(query.query_type(), &words[2..]);
            message.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
        }
    }
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    message.metadata.response_code =
        if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
    message.to_vec().unwrap()
}

fn data(kind: RecordType, words: &[&str]) -> RData {
    let number = |at: usize| words[at].parse().unwrap();
    let name = |at: usize| Name::from_ascii(format!("{}.", words[at])).unwrap();
    match kind {
        RecordType::A => RData::A(A(words[0].parse().unwrap())),
        RecordType::AAAA => RData::AAAA(AAAA(words[0].parse().unwrap())),
        RecordType::SRV => RData::SRV(SRV::new(number(0), number(1), number(2), name(3))),
        RecordType::NAPTR => {
            let bytes = |at: usize| words[at].as_bytes().to_vec().into_boxed_slice();
            RData::NAPTR(NAPTR::new(
                number(0),
                number(1),
                bytes(2),
                bytes(3),
                Box::default(),
                name(4),
            ))
        }
        other => panic!("{other} is not in our zones"),
    }
}
