//! UDP sockets that send and receive in batches: one system call for many datagrams.
//! Moves bytes; knows neither SIP nor RTP.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::LazyLock;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrLike as _,
    SockaddrStorage, recvmmsg, recvmsg, sendmmsg, sendmsg, setsockopt, sockopt,
};

/// Datagrams in one system call. Larger batches gain nothing (docs/BENCHMARKS.md).
pub const BATCH: usize = 64;

/// Datagrams asked for first. Most often there are no more, and preparing a whole batch touches
/// memory that costs more than the datagram.
const FIRST_BATCH: usize = 4;

/// Room for any datagram: the largest UDP payload there is.
pub const ANY_DATAGRAM: usize = 65_535;

/// Room for what comes by RTP: more than a packet of any network. Rooms lie close together and not
/// at multiples of a page, so that a batch stays in the nearest caches (docs/BENCHMARKS.md).
pub const RTP_DATAGRAM: usize = 2_048 + 64;

/// Kernel buffers asked for, in bytes: a burst of 64 calls' packets fits many times over.
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Binds a non-blocking UDP socket with roomy kernel buffers. One of IPv6 takes nothing of IPv4,
/// which has a socket of its own at the same port.
///
/// # Errors
/// The address is taken, or not ours.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    // The kernel may grant less than asked for; that is a matter of speed, not of correctness.
    socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES)?;
    socket.set_send_buffer_size(KERNEL_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Asks the kernel to keep what ICMP says about datagrams of this socket, for [`take_errors`].
/// Without that, the errors of a socket that talks to many peers are lost.
///
/// # Errors
/// The kernel does not know the option.
pub fn watch_errors(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

/// Hands over at most `limit` addresses that ICMP says cannot be reached (RFC 3261 §18.4).
pub fn take_errors(socket: &UdpSocket, limit: usize, mut take: impl FnMut(SocketAddr)) {
    for _ in 0..limit {
        // The beginning of our datagram comes back, too; it is of no use.
        let mut slices: [IoSliceMut<'_>; 0] = [];
        let mut control = nix::cmsg_space!(nix::libc::sock_extended_err, nix::libc::sockaddr_in6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags);
        let Ok(message) = message else { return };
        let Ok(mut told) = message.cmsgs() else { continue };
        let gone = told.any(|told| match told {
            ControlMessageOwned::Ipv4RecvErr(error, _)
            | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                is_unreachable(errno_of(error.ee_errno))
            }
            _ => false,
        });
        if gone && let Some(address) = message.address.and_then(|a| socket_address(&a)) {
            take(address);
        }
    }
}

/// Lets the kernel throw away what is sound, RTP of the payload types PCMU, PCMA, G.722 and comfort
/// noise (RFC 3551 §6), or takes that back. Key presses, reports and all else still come.
///
/// # Errors
/// The kernel does not take the filter.
pub fn ignore_sound(socket: &UdpSocket, ignore: bool) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    if ignore { socket.attach_filter(&sound_filter()) } else { socket.detach_filter() }
}

/// The filter: classic BPF, which sees a datagram from its UDP header on.
fn sound_filter() -> [socket2::SockFilter; 11] {
    use nix::libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
    /// The first two bytes of RTP (RFC 3550 §5.1), behind the UDP header.
    const VERSION: u32 = 8;
    const PAYLOAD_TYPE: u32 = 9;
    const SOUND: [u32; 4] = [0, 8, 9, 13];
    let step = |code: u32, jt: u8, jf: u8, k: u32| {
        socket2::SockFilter::new(u16::try_from(code).expect("codes have 16 bits"), jt, jf, k)
    };
    let load = |at| step(BPF_LD | BPF_B | BPF_ABS, 0, 0, at);
    // Jumps are counted from the next step on: to the last one, which takes nothing of the
    // datagram, or to the one before, which takes all.
    let jump = |if_so, if_not, value| step(BPF_JMP | BPF_JEQ | BPF_K, if_so, if_not, value);
    let [pcmu, pcma, g722, noise] = SOUND;
    [
        load(VERSION),
        step(BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xC0),
        jump(0, 6, 0x80),
        load(PAYLOAD_TYPE),
        step(BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x7F),
        jump(4, 0, pcmu),
        jump(3, 0, pcma),
        jump(2, 0, g722),
        jump(1, 0, noise),
        step(BPF_RET | BPF_K, 0, 0, u32::MAX),
        step(BPF_RET | BPF_K, 0, 0, 0),
    ]
}

/// Whether this system has calls for many datagrams at once. Some sandboxes of containers know no
/// such call; there, each datagram takes one of its own.
static BATCHES: LazyLock<bool> = LazyLock::new(|| {
    let answer = bind(SocketAddr::from(([127, 0, 0, 1], 0))).map(|socket| {
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(1, None);
        let (socket, nothing) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let nobody: [[IoSlice<'_>; 1]; 0] = [];
        let sent = sendmmsg(socket, &mut headers, &nobody, [], NO_CONTROL, nothing).err();
        let mut room = [[IoSliceMut::new(&mut [])]];
        let received = recvmmsg(socket, &mut headers, room.iter_mut(), nothing, None).err();
        // Nothing is sent and nothing waits, which every system that has the calls says.
        [sent, received].into_iter().flatten().find(|errno| *errno != Errno::EAGAIN)
    });
    match answer {
        Ok(Some(errno)) => {
            tracing::warn!(%errno, "no system calls for many datagrams: each takes its own");
            false
        }
        // The sockets that matter tell their own errors.
        Ok(None) | Err(_) => true,
    }
});

/// No control messages go with what is sent.
const NO_CONTROL: &[ControlMessage<'_>] = &[];

fn errno_of(number: u32) -> Errno {
    Errno::from_raw(i32::try_from(number).unwrap_or(0))
}

/// Whether an error means that this address cannot be reached from this socket, and not only that
/// this datagram did not leave now.
pub fn is_unreachable(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENETDOWN
            | Errno::EPERM
            | Errno::EACCES
            | Errno::EINVAL
            | Errno::EADDRNOTAVAIL
            | Errno::EAFNOSUPPORT
    )
}

/// A datagram to send, in up to two pieces that need not lie together.
pub struct Outgoing<'a> {
    /// Where to.
    pub destination: SocketAddr,
    /// The first piece.
    pub head: &'a [u8],
    /// The second piece; may be empty.
    pub body: &'a [u8],
}

/// Sends many datagrams through sockets, and counts what the kernel would not take.
pub struct BatchSender {
    /// Whether many leave by one system call.
    batches: bool,
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Datagrams that the kernel refused, its buffer being full or the address unreachable.
    pub dropped: u64,
}

impl BatchSender {
    /// An empty sender.
    pub fn new() -> Self {
        Self::with(*BATCHES)
    }

    fn with(batches: bool) -> Self {
        Self {
            batches,
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: Vec::with_capacity(BATCH),
            sent: 0,
            dropped: 0,
        }
    }

    /// Sends all of `datagrams`, in order. What cannot be sent now is dropped, counted and told
    /// to `refused` by its place: SIP sends again by itself, and late audio is worse than none.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = Outgoing<'a>>,
        mut refused: impl FnMut(usize, Errno),
    ) {
        // On the stack, since the slices borrow from this call's datagrams: thousands of packets
        // a second cost no allocation.
        let mut slices = [[IoSlice::new(&[]); 2]; BATCH];
        let mut datagrams = datagrams.into_iter();
        let mut first = 0;
        loop {
            self.addresses.clear();
            for (slice, datagram) in slices.iter_mut().zip(datagrams.by_ref()) {
                *slice = [IoSlice::new(datagram.head), IoSlice::new(datagram.body)];
                self.addresses.push(Some(SockaddrStorage::from(datagram.destination)));
            }
            self.send_batch(socket, &slices[..self.addresses.len()], |place, errno| {
                refused(first + place, errno);
            });
            if self.addresses.len() < BATCH {
                return;
            }
            first += BATCH;
        }
    }

    fn send_batch(
        &mut self,
        socket: &UdpSocket,
        slices: &[[IoSlice<'_>; 2]],
        mut refused: impl FnMut(usize, Errno),
    ) {
        let mut passed = 0;
        let mut tried = false;
        while passed < slices.len() {
            match self.hand_over(socket, &slices[passed..], passed) {
                // It stops before the first one that it refuses, and says why when asked again.
                Ok(taken) => {
                    self.sent += taken as u64;
                    passed += taken;
                    tried = false;
                }
                Err(Errno::EINTR) => {}
                // What ICMP said of an earlier datagram is told once, to whoever comes next.
                Err(errno) if is_unreachable(errno) && !tried => tried = true,
                Err(errno) => {
                    self.dropped += 1;
                    refused(passed, errno);
                    passed += 1;
                    tried = false;
                }
            }
        }
    }
}

impl BatchSender {
    /// Hands the first of `slices`, as many as it takes, to the kernel, which go to the addresses
    /// from `place` on; returns how many.
    fn hand_over(
        &mut self,
        socket: &UdpSocket,
        slices: &[[IoSlice<'_>; 2]],
        place: usize,
    ) -> nix::Result<usize> {
        let (socket, addresses) = (socket.as_raw_fd(), &self.addresses[place..]);
        if !self.batches {
            let address = addresses[0].as_ref();
            return sendmsg(socket, &slices[0], NO_CONTROL, MsgFlags::empty(), address).map(|_| 1);
        }
        let none = MsgFlags::empty();
        let sent = sendmmsg(socket, &mut self.headers, slices, addresses, NO_CONTROL, none)?;
        Ok(sent.count())
    }
}

impl Default for BatchSender {
    fn default() -> Self {
        Self::new()
    }
}

/// Receives many datagrams with one system call.
pub struct BatchReceiver {
    /// Whether many come by one system call.
    batches: bool,
    headers: MultiHeaders<SockaddrStorage>,
    /// Room for a batch.
    room: Vec<u8>,
    /// Room for one datagram, bytes.
    each: usize,
    /// Of the last batch: whence each datagram came, and its length.
    received: Vec<(Option<SocketAddr>, usize)>,
}

impl BatchReceiver {
    /// A receiver with room for `batch` datagrams, at most [`BATCH`], of at most `each` bytes.
    pub fn new(batch: usize, each: usize) -> Self {
        Self::with(*BATCHES, batch, each)
    }

    fn with(batches: bool, batch: usize, each: usize) -> Self {
        let (batch, each) = (batch.min(BATCH), each.max(1));
        Self {
            batches,
            headers: MultiHeaders::preallocate(batch, None),
            room: vec![0; each * batch],
            each,
            received: Vec::with_capacity(batch),
        }
    }

    /// Hands each waiting datagram to `take` until the socket is empty or `limit` were taken.
    /// Returns how many that was. Of a datagram that finds no room, nothing is handed over but that
    /// it came.
    pub fn drain(
        &mut self,
        socket: &UdpSocket,
        limit: usize,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> usize {
        let whole = self.room.len() / self.each;
        let (mut taken, mut batch) = (0, FIRST_BATCH.min(whole));
        while taken < limit {
            if self.batches {
                self.receive(socket, batch);
            } else {
                self.receive_each(socket, batch);
            }
            let datagrams = self.room.chunks_exact(self.each).zip(&self.received);
            for (datagram, (source, length)) in datagrams {
                if let Some(source) = source {
                    take(*source, &datagram[..*length]);
                }
            }
            taken += self.received.len();
            if self.received.len() < batch {
                break;
            }
            batch = whole;
        }
        taken
    }

    /// Receives at most `batch` datagrams.
    fn receive(&mut self, socket: &UdpSocket, batch: usize) {
        self.received.clear();
        let mut rooms = self.room.chunks_exact_mut(self.each);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let result = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices[..batch].iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        // EAGAIN is an empty socket. What ICMP said of a datagram is told here once, without its
        // address; `take_errors` has that, and what is here to be read is read at the next call.
        let Ok(results) = result else { return };
        self.received.extend(results.map(|message| told(&message)));
    }

    /// As [`Self::receive`], by a system call for each.
    fn receive_each(&mut self, socket: &UdpSocket, batch: usize) {
        self.received.clear();
        for room in self.room.chunks_exact_mut(self.each).take(batch) {
            let mut room = [IoSliceMut::new(room)];
            let message = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut room,
                None,
                MsgFlags::MSG_DONTWAIT,
            );
            let Ok(message) = message else { return };
            self.received.push(told(&message));
        }
    }
}

/// Whence a datagram came, and how much of it was received.
fn told(message: &RecvMsg<'_, '_, SockaddrStorage>) -> (Option<SocketAddr>, usize) {
    let is_cut = message.flags.contains(MsgFlags::MSG_TRUNC);
    let length = if is_cut { 0 } else { message.bytes };
    (message.address.and_then(|a| socket_address(&a)), length)
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    match address.family()? {
        nix::sys::socket::AddressFamily::Inet => {
            Some(SocketAddr::V4((*address.as_sockaddr_in()?).into()))
        }
        nix::sys::socket::AddressFamily::Inet6 => {
            Some(SocketAddr::V6((*address.as_sockaddr_in6()?).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> UdpSocket {
        bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    fn to(destination: SocketAddr) -> Outgoing<'static> {
        Outgoing { destination, head: b"x", body: b"y" }
    }

    /// Where nobody listens: its socket is gone.
    fn closed() -> SocketAddr {
        socket().local_addr().unwrap()
    }

    fn received(socket: &UdpSocket) -> usize {
        BatchReceiver::new(BATCH, RTP_DATAGRAM).drain(socket, 1_000, |_, _| {})
    }

    /// Goal: what is refused is told by its place, and all the rest leaves, in batches and by a
    /// call for each.
    #[test]
    fn refused_datagrams_are_told_by_their_places() {
        [*BATCHES, false].into_iter().for_each(refused_are_told);
    }

    fn refused_are_told(batches: bool) {
        let (ours, theirs) = (socket(), socket());
        let open = theirs.local_addr().unwrap();
        // Not ours to reach from loopback; port 0 cannot be sent to.
        let (elsewhere, nowhere) = ("192.0.2.9:9".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
        let places = [0, 5, 6, BATCH - 1, BATCH, 2 * BATCH - 1];
        let all = (0..2 * BATCH).map(|place| match place {
            place if !places.contains(&place) => to(open),
            6 => to(nowhere),
            _ => to(elsewhere),
        });
        let mut sender = BatchSender::with(batches);
        let mut refused = Vec::new();
        sender.send(&ours, all, |place, errno| {
            assert!(is_unreachable(errno), "{errno}");
            refused.push(place);
        });
        assert_eq!(refused, places);
        assert_eq!(received(&theirs), 2 * BATCH - places.len());
        assert_eq!((sender.sent, sender.dropped), (2 * BATCH as u64 - 6, 6));
    }

    /// Goal: sound is thrown away, keys, reports and what is no RTP still come; and sound comes
    /// again when somebody listens.
    #[test]
    fn sound_is_ignored_and_nothing_else() {
        let (ours, theirs) = (socket(), socket());
        let to = ours.local_addr().unwrap();
        let rtp = |kind: u8| vec![0x80, kind, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xD5, 0xD5];
        // With the marker, sound of type 8 is 136, and an event of type 101 is 229.
        let kinds = [0, 8, 9, 13, 136, 101, 96, 229, 200, 201, 18, 3];
        let arrives = |expected: &[u8]| {
            for kind in kinds {
                theirs.send_to(&rtp(kind), to).unwrap();
            }
            theirs.send_to(&[0x40, 8, 1, 2], to).unwrap();
            let mut came = Vec::new();
            let mut receiver = BatchReceiver::new(BATCH, RTP_DATAGRAM);
            receiver.drain(&ours, 1_000, |_, bytes| came.push(bytes[1]));
            assert_eq!(came.split_last(), Some((&8, expected)), "what is no RTP comes last");
        };
        arrives(&kinds);
        ignore_sound(&ours, true).unwrap();
        arrives(&[101, 96, 229, 200, 201, 18, 3]);
        ignore_sound(&ours, false).unwrap();
        arrives(&kinds);
    }

    /// Goal: what finds no room is not taken for a shorter datagram, and holds up no other.
    #[test]
    fn a_datagram_without_room_comes_empty() {
        [*BATCHES, false].into_iter().for_each(without_room_is_empty);
    }

    fn without_room_is_empty(batches: bool) {
        let (ours, theirs) = (socket(), socket());
        let to = ours.local_addr().unwrap();
        for length in [RTP_DATAGRAM + 1, RTP_DATAGRAM, 12, 60_000, 1] {
            theirs.send_to(&vec![0x80; length], to).unwrap();
        }
        let mut lengths = Vec::new();
        let mut receiver = BatchReceiver::with(batches, BATCH, RTP_DATAGRAM);
        receiver.drain(&ours, 1_000, |_, bytes| lengths.push(bytes.len()));
        assert_eq!(lengths, [0, RTP_DATAGRAM, 12, 0, 1]);
    }

    /// Goal: without calls for many, a long queue is read to its end and no further than asked.
    #[test]
    fn a_queue_is_read_one_by_one() {
        let (ours, theirs) = (socket(), socket());
        let all = (0..3 * BATCH).map(|_| to(ours.local_addr().unwrap()));
        BatchSender::with(false).send(&theirs, all, |_, errno| panic!("{errno}"));
        let mut receiver = BatchReceiver::with(false, BATCH, RTP_DATAGRAM);
        let mut taken = 0;
        receiver.drain(&ours, FIRST_BATCH, |_, _| taken += 1);
        assert_eq!(taken, FIRST_BATCH);
        receiver.drain(&ours, 1_000, |_, bytes| taken += usize::from(bytes == b"xy"));
        assert_eq!(taken, 3 * BATCH);
    }

    /// Goal: a closed port is told with its address, and costs no other peer a datagram.
    #[test]
    fn a_closed_port_is_told_by_its_address() {
        let (ours, theirs) = (socket(), socket());
        watch_errors(&ours).unwrap();
        let (open, closed) = (theirs.local_addr().unwrap(), closed());
        let mut sender = BatchSender::new();
        let fine = |_: usize, errno: Errno| panic!("{errno}");
        sender.send(&ours, [to(closed), to(open)], fine);
        sender.send(&ours, [to(open)], fine);
        assert_eq!(received(&theirs), 2);
        let mut told = Vec::new();
        take_errors(&ours, 10, |address| told.push(address));
        assert_eq!(told, [closed]);
        theirs.send_to(b"z", ours.local_addr().unwrap()).unwrap();
        assert_eq!(received(&ours), 1, "an error that was taken hides nothing");
        take_errors(&ours, 10, |address| panic!("{address} is told twice"));
    }
}
