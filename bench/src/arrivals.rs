//! Datagrams with the moment at which the kernel had them: who reads them late does not count.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

/// Datagrams in one system call.
const BATCH: usize = 64;
/// The largest datagram that is looked at whole; none here is larger.
const DATAGRAM_BYTES: usize = 4096;
/// Kernel buffer for a receiver that the scheduler leaves alone for a while, in bytes.
const KERNEL_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Opens a loopback socket whose datagrams are stamped.
///
/// # Errors
/// The kernel does not stamp datagrams.
pub fn bind() -> Result<UdpSocket> {
    let socket = server::udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context("asking for stamps")?;
    // Only root may go beyond the system's limit; without it the usual buffer must do.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &KERNEL_BUFFER_BYTES);
    Ok(socket)
}

/// Reads sockets of [`bind`].
pub struct Arrivals {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<Vec<u8>>,
}

impl Arrivals {
    /// A reader. It is made on the thread that uses it.
    pub fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: vec![vec![0; DATAGRAM_BYTES]; BATCH],
        }
    }

    /// Hands each waiting datagram to `take`: when the kernel had it (nanoseconds of UTC), who
    /// sent it, and what it says.
    ///
    /// # Errors
    /// A datagram without a stamp.
    pub fn drain(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(i64, SocketAddr, &[u8]),
    ) -> Result<()> {
        loop {
            let mut found = Vec::new();
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let (headers, flags) = (&mut self.headers, MsgFlags::MSG_DONTWAIT);
            let Ok(results) = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None)
            else {
                // Nothing waits.
                return Ok(());
            };
            for message in results {
                let stamp =
                    message.cmsgs().context("reading a stamp")?.find_map(|control| at_ns(&control));
                let source = message.address.as_ref().and_then(source_of);
                found.push((stamp.context("a datagram has no stamp")?, source, message.bytes));
            }
            for (buffer, (at, source, length)) in self.buffers.iter().zip(&found) {
                if let Some(source) = source {
                    take(*at, *source, &buffer[..*length]);
                }
            }
            if found.len() < BATCH {
                return Ok(());
            }
        }
    }
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new()
    }
}

fn at_ns(control: &ControlMessageOwned) -> Option<i64> {
    match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(at.tv_sec() * 1_000_000_000 + at.tv_nsec()),
        _ => None,
    }
}

fn source_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()))
}
