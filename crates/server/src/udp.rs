//! UDP sockets that send and receive in batches: one system call for many datagrams.
//! Moves bytes; knows neither SIP nor RTP.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrLike as _, SockaddrStorage, recvmmsg, sendmmsg,
};

/// Datagrams in one system call. Larger batches gain nothing (docs/BENCHMARKS.md).
pub const BATCH: usize = 64;

/// Room for one datagram: the largest UDP payload there is.
const DATAGRAM_BYTES: usize = 65_535;

/// Kernel buffers asked for, in bytes: a burst of 64 calls' packets fits many times over.
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Binds a non-blocking UDP socket with roomy kernel buffers.
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
    socket.bind(&address.into())?;
    Ok(socket.into())
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
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: Vec::with_capacity(BATCH),
            sent: 0,
            dropped: 0,
        }
    }

    /// Sends all of `datagrams`, in order. What cannot be sent now is dropped and counted: SIP
    /// sends again by itself, and late audio is worse than none.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = Outgoing<'a>>,
    ) {
        // On the stack, since the slices borrow from this call's datagrams: thousands of packets
        // a second cost no allocation.
        let mut slices = [[IoSlice::new(&[]); 2]; BATCH];
        let mut datagrams = datagrams.into_iter();
        loop {
            self.addresses.clear();
            for (slice, datagram) in slices.iter_mut().zip(datagrams.by_ref()) {
                *slice = [IoSlice::new(datagram.head), IoSlice::new(datagram.body)];
                self.addresses.push(Some(SockaddrStorage::from(datagram.destination)));
            }
            self.send_batch(socket, &slices[..self.addresses.len()]);
            if self.addresses.len() < BATCH {
                return;
            }
        }
    }

    fn send_batch(&mut self, socket: &UdpSocket, slices: &[[IoSlice<'_>; 2]]) {
        let mut passed = 0;
        while passed < slices.len() {
            let no_control: &[nix::sys::socket::ControlMessage<'_>] = &[];
            let result = sendmmsg(
                socket.as_raw_fd(),
                &mut self.headers,
                &slices[passed..],
                &self.addresses[passed..],
                no_control,
                MsgFlags::empty(),
            );
            let taken = match result {
                Ok(results) => results.count(),
                Err(Errno::EINTR) => continue,
                Err(_) => 0,
            };
            self.sent += taken as u64;
            passed += taken;
            if passed < slices.len() {
                // The kernel stops at the first one it refuses; go on behind that one.
                self.dropped += 1;
                passed += 1;
            }
        }
    }
}

impl Default for BatchSender {
    fn default() -> Self {
        Self::new()
    }
}

/// Receives many datagrams with one system call.
pub struct BatchReceiver {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<Vec<u8>>,
}

impl BatchReceiver {
    /// A receiver with room for `batch` datagrams of any size.
    pub fn new(batch: usize) -> Self {
        Self {
            headers: MultiHeaders::preallocate(batch, None),
            buffers: vec![vec![0; DATAGRAM_BYTES]; batch],
        }
    }

    /// Hands each waiting datagram to `take` until the socket is empty or `limit` were taken.
    /// Returns how many that was.
    pub fn drain(
        &mut self,
        socket: &UdpSocket,
        limit: usize,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> usize {
        let mut taken = 0;
        while taken < limit {
            let lengths = self.receive(socket);
            for (buffer, (source, length)) in self.buffers.iter().zip(&lengths) {
                if let Some(source) = source {
                    take(*source, &buffer[..*length]);
                }
            }
            taken += lengths.len();
            if lengths.len() < self.buffers.len() {
                break;
            }
        }
        taken
    }

    fn receive(&mut self, socket: &UdpSocket) -> Vec<(Option<SocketAddr>, usize)> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let result = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        // EAGAIN is an empty socket; an ICMP error of an earlier datagram is told once and passed
        // over, since the transaction layer notices silence by itself.
        let Ok(results) = result else { return Vec::new() };
        results
            .map(|message| (message.address.and_then(|a| socket_address(&a)), message.bytes))
            .collect()
    }
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

/// The descriptor to wait on.
pub fn descriptor(socket: &UdpSocket) -> BorrowedFd<'_> {
    socket.as_fd()
}
