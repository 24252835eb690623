//! A carrier in the test's own process: it outlives the platform that is killed, and remembers
//! every call that reached it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carrier::{Carrier, Config, Event, Input, Outputs};

use crate::platform::now;

/// What the carrier saw of one number.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Calls that were started to it.
    pub started: u32,
    /// Calls to it that are alive now.
    pub live: u32,
    /// The most that were alive at once.
    pub most_at_once: u32,
    /// Calls that it answered.
    pub answered: u32,
    /// What happened, and when.
    pub story: Vec<(Instant, &'static str)>,
}

/// The running carrier.
pub struct FarEnd {
    pub address: SocketAddr,
    notes: Arc<Notes>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What it remembers.
#[derive(Default)]
struct Notes {
    seen: Mutex<BTreeMap<String, Seen>>,
    sources: Mutex<BTreeSet<SocketAddr>>,
    most_live: AtomicU32,
}

impl FarEnd {
    /// A carrier that takes up to `calls` calls at once. It does not read its media ports: what is
    /// heard is another test's affair.
    pub fn start(calls: usize) -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        sip.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = sip.local_addr().unwrap();
        let media: Vec<UdpSocket> =
            (0..calls).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let ports = media.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        let mut config = Config::new(address, ports, [7; 32]);
        config.record = false;
        let notes = Arc::new(Notes::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, told) = (Arc::clone(&notes), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let _media = media;
            run(&sip, Carrier::new(config), &kept, &told);
        });
        Self { address, notes, stop, thread: Some(thread) }
    }

    /// What was seen so far, by number in national form.
    pub fn seen(&self) -> BTreeMap<String, Seen> {
        self.notes.seen.lock().unwrap().clone()
    }

    /// The most calls that were alive at once.
    pub fn most_live(&self) -> u32 {
        self.notes.most_live.load(Ordering::Relaxed)
    }

    /// From where it was called.
    pub fn sources(&self) -> BTreeSet<SocketAddr> {
        self.notes.sources.lock().unwrap().clone()
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn run(sip: &UdpSocket, mut carrier: Carrier, notes: &Notes, stop: &AtomicBool) {
    let (mut numbers, mut live) = (BTreeMap::new(), 0_u32);
    let mut out = Outputs::default();
    let mut buffer = vec![0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, source)) = sip.recv_from(&mut buffer) {
            notes.sources.lock().unwrap().insert(source);
            carrier.handle(now(), Input::Sip { source, bytes: &buffer[..length] }, &mut out);
        }
        if carrier.next_timeout().is_some_and(|due| due <= now()) {
            carrier.handle(now(), Input::Timeout, &mut out);
        }
        for transmit in out.sip.drain(..) {
            // The platform's port is closed while it is dead.
            let _ = sip.send_to(&transmit.bytes, transmit.destination);
        }
        out.rtp.clear();
        for event in out.events.drain(..) {
            match event {
                Event::CallStarted { .. } => live += 1,
                Event::CallEnded { .. } => live -= 1,
                Event::CallAnswered { .. } | Event::Heard(_) => {}
            }
            notes.most_live.fetch_max(live, Ordering::Relaxed);
            note(&mut notes.seen.lock().unwrap(), &mut numbers, event);
        }
    }
}

fn note(
    seen: &mut BTreeMap<String, Seen>,
    numbers: &mut BTreeMap<carrier::CallId, String>,
    event: Event,
) {
    match event {
        Event::CallStarted { call, number, .. } => {
            let entry = seen.entry(number.clone()).or_default();
            entry.started += 1;
            entry.story.push((now(), "started"));
            entry.live += 1;
            entry.most_at_once = entry.most_at_once.max(entry.live);
            numbers.insert(call, number);
        }
        Event::CallAnswered { call, .. } => {
            if let Some(entry) = numbers.get(&call).and_then(|number| seen.get_mut(number)) {
                entry.answered += 1;
                entry.story.push((now(), "answered"));
            }
        }
        Event::CallEnded { number, .. } => {
            if let Some(entry) = seen.get_mut(&number) {
                entry.live -= 1;
                entry.story.push((now(), "ended"));
            }
        }
        Event::Heard(_) => {}
    }
}
