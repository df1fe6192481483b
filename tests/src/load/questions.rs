//! Questions for a name server, as many as it answers.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt};

use crate::dns::answer::outline;
use crate::dns::exchange::socket;

/// Messages for one system call: the generator should cost less than the server.
const BATCH: usize = 32;
/// Room for an answer.
const ANSWER: usize = 1232;
/// After this silence, what is in flight is lost.
const SILENCE: Duration = Duration::from_millis(100);

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Answers as expected.
    pub right: u64,
    /// Others.
    pub wrong: u64,
    /// Questions without an answer.
    pub lost: u64,
}

/// Asks the questions in turn, `window` of them in flight, for as long as `span`. An answer is
/// right with this response code and number of answers.
///
/// # Errors
/// As the socket does.
pub fn ask(
    server: SocketAddr,
    questions: &[Vec<u8>],
    expected: (u16, u16),
    window: usize,
    span: Duration,
) -> anyhow::Result<Outcome> {
    let socket = socket(server)?;
    socket.set_read_timeout(Some(SILENCE))?;
    setsockopt(&socket, RcvBuf, &(4 << 20))?;
    let mut outcome = Outcome::default();
    let mut coming = questions.iter().cycle();
    let mut in_flight = 0;
    let mut buffers = vec![[0; ANSWER]; BATCH];
    let end = Instant::now() + span;
    while Instant::now() < end {
        let free = window - in_flight;
        let batch: Vec<&[u8]> = (coming.by_ref().take(free.min(BATCH)))
            .map(Vec::as_slice)
            .collect();
        in_flight += send(&socket, &batch)?;
        let received = receive(&socket, &mut buffers, |answer| match outline(answer) {
            Some(found) if found == expected => outcome.right += 1,
            _ => outcome.wrong += 1,
        })?;
        if received == 0 {
            outcome.lost += u64::try_from(in_flight)?;
            in_flight = 0;
        }
        in_flight = in_flight.saturating_sub(received);
    }
    Ok(outcome)
}

fn send(socket: &UdpSocket, batch: &[&[u8]]) -> anyhow::Result<usize> {
    if batch.is_empty() {
        return Ok(0);
    }
    let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|octets| [IoSlice::new(octets)]).collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(batch.len(), None);
    let addresses = vec![None; batch.len()];
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        &slices,
        &addresses,
        [],
        MsgFlags::empty(),
    );
    Ok(sent?.count())
}

fn receive(
    socket: &UdpSocket,
    buffers: &mut [[u8; ANSWER]],
    mut each: impl FnMut(&[u8]),
) -> anyhow::Result<usize> {
    let mut slices: Vec<[IoSliceMut<'_>; 1]> = (buffers.iter_mut())
        .map(|buffer| [IoSliceMut::new(buffer)])
        .collect();
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), None);
    let received = recvmmsg(
        socket.as_raw_fd(),
        &mut headers,
        slices.iter_mut(),
        MsgFlags::MSG_WAITFORONE,
        None,
    );
    let mut count = 0;
    match received {
        Ok(messages) => {
            for message in messages {
                count += 1;
                message.iovs().take(1).for_each(&mut each);
            }
        }
        Err(Errno::EAGAIN | Errno::ECONNREFUSED) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(count)
}
