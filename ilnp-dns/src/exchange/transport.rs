//! A request and its answer over UDP or TCP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::Way;
use crate::raw::{HEADER, Raw};
use crate::tsig::AnswerError;

/// Octets of the largest message.
const MAX_MESSAGE: usize = 65_535;
/// The response bit and the opcode in the third octet of a header.
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;

/// Sends a datagram and waits for one that answers it and is accepted. The last that answers it
/// and is not goes to `refused`.
pub(super) async fn over_udp(
    Way { server, from }: Way,
    request: &[u8],
    mut accept: impl FnMut(&[u8]) -> Result<(), AnswerError>,
    refused: &mut Option<AnswerError>,
) -> io::Result<Vec<u8>> {
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (from.unwrap_or(Ipv6Addr::UNSPECIFIED), 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(server).await?;
    socket.send(request).await?;
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = &buffer[..length];
        if !answers(request, answer) {
            continue;
        }
        match accept(answer) {
            Ok(()) => return Ok(answer.to_vec()),
            Err(error) => *refused = Some(error),
        }
    }
}

/// Sends a request on a connection of its own.
pub(super) async fn over_tcp(
    Way { server, from }: Way,
    request: &[u8],
    mut accept: impl FnMut(&[u8]) -> Result<(), AnswerError>,
    refused: &mut Option<AnswerError>,
) -> io::Result<Vec<u8>> {
    let mut stream = match (server, from) {
        (SocketAddr::V6(_), Some(from)) => {
            let socket = TcpSocket::new_v6()?;
            socket.bind((from, 0).into())?;
            socket.connect(server).await?
        }
        _ => TcpStream::connect(server).await?,
    };
    let length = u16::try_from(request.len()).map_err(io::Error::other)?;
    // In one segment: some servers wait for the rest slowly.
    let framed = [&length.to_be_bytes(), request].concat();
    stream.write_all(&framed).await?;

    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if !answers(request, &answer) {
        return Err(io::Error::other("it answers another question"));
    }
    accept(&answer).map_err(|error| {
        *refused = Some(error.clone());
        io::Error::other(error)
    })?;
    Ok(answer)
}

/// Whether a message answers the request: the same identifier, opcode and question. A server that
/// could not read the question, or answers an update, may leave it out (RFC 2136 §3.8).
fn answers(request: &[u8], answer: &[u8]) -> bool {
    if request.len() < HEADER || answer.len() < HEADER || request[..2] != answer[..2] {
        return false;
    }
    let same_kind = answer[2] & RESPONSE != 0 && (answer[2] ^ request[2]) & OPCODE == 0;
    let no_question = answer[4..6] == [0, 0] && (answer[3] & 0xf != 0 || request[2] & OPCODE != 0);
    let asked = question(request);
    same_kind && (no_question || asked.is_some_and(|asked| is_question(answer, asked)))
}

/// The octets of the only question.
fn question(message: &[u8]) -> Option<&[u8]> {
    Raw::read(message).map(|raw| &raw.head[HEADER..])
}

/// Whether the only question of a message is this one, in any case of the name.
fn is_question(message: &[u8], asked: &[u8]) -> bool {
    question(message).is_some_and(|question| question.eq_ignore_ascii_case(asked))
}
