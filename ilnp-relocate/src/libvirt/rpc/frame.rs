//! Frames of libvirt's RPC: a length that counts itself, a header of six words, a body.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;

/// The program that manages domains.
const REMOTE: u32 = 0x2000_8086;
/// The program that asks whether the other end is still there.
const KEEPALIVE: u32 = 0x6b65_6570;

/// libvirt's own limit of a message is 32 MiB; a call of a migration has some thousand octets.
const LONGEST: u32 = 8 << 20;
const LENGTH: usize = 4;
const HEADER: usize = 24;

/// The calls that a migration consists of at the target (`remote_protocol.x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::libvirt) enum Procedure {
    /// Hello, goodbye, and what the daemon is able to do: changes nothing.
    Session,
    /// Starts a QEMU that waits for a guest.
    Prepare,
    /// The source has sent everything, or has given up.
    Finish,
    /// Anything else, with its number.
    Other(u32),
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::libvirt) enum Kind {
    Call,
    Reply,
    /// Events, streams, messages with file descriptors.
    Other,
}

/// A frame as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::libvirt) struct Frame {
    /// Header and body, without the length.
    octets: Vec<u8>,
}

/// Reads frames until the other end closes or says what is no frame.
pub(super) async fn read_all(mut from: OwnedReadHalf, frames: mpsc::Sender<Frame>) {
    loop {
        match Frame::read(&mut from).await {
            Ok(Some(frame)) => {
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "libvirt's connection has ended");
                return;
            }
        }
    }
}

impl Frame {
    /// The next frame; `None` when the other end has closed.
    pub(in crate::libvirt) async fn read(
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<Self>> {
        let length = match from.read_u32().await {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > LONGEST {
            return Err(io::Error::other(format!(
                "a message of {length} octets is no call of a migration"
            )));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let Some(length) = length.checked_sub(LENGTH).filter(|rest| *rest >= HEADER) else {
            return Err(io::Error::other("this is not libvirt's protocol"));
        };
        // Grows with what arrives: a length alone reserves nothing.
        let mut octets = Vec::new();
        let got = from
            .take(u64::try_from(length).map_err(io::Error::other)?)
            .read_to_end(&mut octets)
            .await?;
        if got < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self { octets }))
    }

    pub(in crate::libvirt) async fn write(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let length = u32::try_from(self.octets.len() + LENGTH).map_err(io::Error::other)?;
        to.write_u32(length).await?;
        to.write_all(&self.octets).await?;
        to.flush().await
    }

    pub(in crate::libvirt) fn procedure(&self) -> Procedure {
        match (self.word(0), self.word(2)) {
            (KEEPALIVE, _) | (REMOTE, 1 | 2 | 60 | 66) => Procedure::Session,
            (REMOTE, 303) => Procedure::Prepare,
            (REMOTE, 306) => Procedure::Finish,
            (_, number) => Procedure::Other(number),
        }
    }

    pub(in crate::libvirt) fn kind(&self) -> Kind {
        match (self.word(0), self.word(3)) {
            // Asks and answers are both messages without an answer.
            (KEEPALIVE, 2) | (REMOTE, 0) => Kind::Call,
            (REMOTE, 1) => Kind::Reply,
            _ => Kind::Other,
        }
    }

    /// Whether a reply says that it was done.
    pub(in crate::libvirt) fn succeeded(&self) -> bool {
        self.word(5) == 0
    }

    pub(in crate::libvirt) fn body(&self) -> &[u8] {
        self.octets.get(HEADER..).unwrap_or_default()
    }

    /// The same call with another body.
    pub(in crate::libvirt) fn with_body(&self, body: &[u8]) -> Self {
        let mut octets = self.octets.clone();
        octets.truncate(HEADER);
        octets.extend_from_slice(body);
        Self { octets }
    }

    /// The reply to this call that it was not done.
    pub(super) fn refusal(&self, body: &[u8]) -> Self {
        let mut reply = self.with_body(body);
        for (index, word) in [(3_usize, 1_u32), (5, 1)] {
            if let Some(place) = reply.octets.get_mut(index * 4..index * 4 + 4) {
                place.copy_from_slice(&word.to_be_bytes());
            }
        }
        reply
    }

    fn word(&self, index: usize) -> u32 {
        self.octets
            .get(index * 4..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |word| u32::from_be_bytes(*word))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn call(procedure: u32, body: &[u8]) -> Frame {
        let mut octets = Vec::new();
        for word in [REMOTE, 1, procedure, 0, 7, 0] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        octets.extend_from_slice(body);
        Frame { octets }
    }

    #[tokio::test]
    async fn a_frame_comes_back_as_it_went() {
        let frame = call(303, b"body");
        let mut wire = Vec::new();
        frame.write(&mut wire).await.unwrap();
        let mut rest = wire.as_slice();
        assert_eq!(Frame::read(&mut rest).await.unwrap(), Some(frame.clone()));
        assert_eq!(Frame::read(&mut rest).await.unwrap(), None);
        assert_eq!(frame.procedure(), Procedure::Prepare);
        assert_eq!(frame.kind(), Kind::Call);
        let refusal = frame.refusal(b"why");
        assert_eq!(refusal.kind(), Kind::Reply);
        assert!(!refusal.succeeded());
        assert_eq!(refusal.body(), b"why");
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_are_errors() {
        for length in [0_u32, 4, 27, LONGEST + 1, u32::MAX] {
            let wire = length.to_be_bytes();
            assert!(Frame::read(&mut wire.as_slice()).await.is_err(), "{length}");
        }
    }

    #[tokio::test]
    async fn a_cut_frame_is_an_error() {
        let mut wire = Vec::new();
        call(306, b"body").write(&mut wire).await.unwrap();
        for length in 4..wire.len() {
            let mut cut = &wire[..length];
            assert!(Frame::read(&mut cut).await.is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_a_frame_or_an_error(octets: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut rest = octets.as_slice();
            if let Ok(Some(frame)) = runtime.block_on(Frame::read(&mut rest)) {
                let _ = (frame.procedure(), frame.kind(), frame.succeeded(), frame.body());
            }
        }
    }
}
