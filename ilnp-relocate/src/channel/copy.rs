//! A copy stream: octets both ways in records, so that an end, a cut and a failure are three things.
//!
//! ```text
//!   0                              the end: nothing follows in this direction
//!   1 to 65532, octets             data
//!   2^31 + n, n octets of UTF-8    this side gives up, and why; at most 512
//! ```
//!
//! A number is four octets, most significant first. A stream that ends without an end was cut.

use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf,
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::compat::Compat;

use super::frame::HEADER;
use super::{ChannelError, Opening};

/// The octets of a yamux stream.
pub(super) type Octets = Compat<yamux::Stream>;

/// The most data in a record: with its header it fills one frame of yamux.
pub(super) const LARGEST: usize = 64 * 1024 - HEADER;
/// The longest reason for giving up, in octets.
const LONGEST_REASON: usize = 512;
const GIVES_UP: u32 = 1 << 31;
/// How long the reason for giving up may take to go out.
const PARTING: Duration = Duration::from_secs(1);

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// So many octets of data follow.
    Data(usize),
    /// No more data in this direction.
    End,
    /// So many octets of a reason follow.
    GivesUp(usize),
}

impl Record {
    pub(super) fn parse(header: [u8; HEADER]) -> Result<Self, CopyError> {
        let number = u32::from_be_bytes(header);
        let length = usize::try_from(number & !GIVES_UP).unwrap_or(usize::MAX);
        match (number & GIVES_UP != 0, length) {
            (false, 0) => Ok(Self::End),
            (false, 1..=LARGEST) => Ok(Self::Data(length)),
            (true, 0..=LONGEST_REASON) => Ok(Self::GivesUp(length)),
            _ => Err(CopyError::Malformed(number)),
        }
    }

    pub(super) fn header(self) -> [u8; HEADER] {
        match self {
            Self::Data(length) => super::frame::header(length),
            Self::End => [0; HEADER],
            Self::GivesUp(length) => {
                let mut header = super::frame::header(length);
                header[0] |= 0x80;
                header
            }
        }
    }
}

/// One connection of a hypervisor, as it crosses to the other site. When it is dropped before both
/// directions have ended, the other side sees a cut.
#[derive(Debug)]
pub struct CopyStream {
    pub(super) opening: Opening,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    /// Why the connection is gone, once it is.
    pub(super) ended: watch::Receiver<Option<ChannelError>>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl CopyStream {
    pub(super) fn new(
        opening: Opening,
        octets: Octets,
        ended: watch::Receiver<Option<ChannelError>>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let (input, output) = tokio::io::split(octets);
        let input = BufReader::with_capacity(LARGEST + HEADER, input);
        Self {
            opening,
            reader: Reader { input, left: 0 },
            writer: Writer {
                output,
                whole: true,
            },
            ended,
            permit,
        }
    }

    /// What it belongs to.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Wants nothing to do with it, and tells the other side why.
    pub async fn refuse(self, reason: &str) {
        self.writer.give_up(reason).await;
    }
}

/// The direction from the other site.
#[derive(Debug)]
pub(super) struct Reader {
    input: BufReader<ReadHalf<Octets>>,
    /// Octets that are left of the present record.
    left: usize,
}

impl Reader {
    /// The next octets, which [`consume`](Self::consume) takes off; `None` at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<&[u8]>, CopyError> {
        if self.left == 0 {
            let mut header = [0; HEADER];
            self.input
                .read_exact(&mut header)
                .await
                .map_err(|_| CopyError::Cut)?;
            match Record::parse(header)? {
                Record::Data(length) => self.left = length,
                Record::End => return Ok(None),
                Record::GivesUp(length) => {
                    let mut reason = vec![0; length];
                    self.input
                        .read_exact(&mut reason)
                        .await
                        .map_err(|_| CopyError::Cut)?;
                    let reason = String::from_utf8_lossy(&reason);
                    return Err(CopyError::GaveUp(reason.escape_debug().to_string()));
                }
            }
        }
        let octets = self.input.fill_buf().await.map_err(|_| CopyError::Cut)?;
        if octets.is_empty() {
            return Err(CopyError::Cut);
        }
        Ok(Some(&octets[..octets.len().min(self.left)]))
    }

    pub(super) fn consume(&mut self, octets: usize) {
        self.left -= octets;
        self.input.consume(octets);
    }

    /// After the end, waits until the other side gives up, or is done with both directions.
    pub(super) async fn after_the_end(mut self) -> CopyError {
        match self.piece().await {
            Ok(_) => CopyError::Malformed(0),
            Err(error) => error,
        }
    }
}

/// The direction to the other site.
#[derive(Debug)]
pub(super) struct Writer {
    output: WriteHalf<Octets>,
    /// Whether all records were written as a whole.
    whole: bool,
}

impl Writer {
    /// Writes the data that lies in `record` behind room for a header.
    pub(super) async fn data(&mut self, record: &mut [u8]) -> Result<(), CopyError> {
        let length = record.len() - HEADER;
        record[..HEADER].copy_from_slice(&Record::Data(length).header());
        self.write(record).await
    }

    /// Tells that nothing more follows.
    pub(super) async fn end(&mut self) -> Result<(), CopyError> {
        self.write(&Record::End.header()).await
    }

    /// Tells why this side gives up, if that is possible in short time.
    pub(super) async fn give_up(mut self, reason: &str) {
        if !self.whole {
            return;
        }
        let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
        let mut record = Record::GivesUp(reason.len()).header().to_vec();
        record.extend_from_slice(reason.as_bytes());
        // The other side will see a cut instead.
        let _ = tokio::time::timeout(PARTING, self.write(&record)).await;
    }

    /// Lets go of the stream after both directions have ended.
    pub(super) async fn close(mut self) {
        // Both sides know already that all is well.
        let _ = tokio::time::timeout(PARTING, self.output.shutdown()).await;
    }

    async fn write(&mut self, record: &[u8]) -> Result<(), CopyError> {
        self.whole = false;
        self.output
            .write_all(record)
            .await
            .map_err(|_| CopyError::Cut)?;
        self.whole = true;
        Ok(())
    }
}

/// Why a copy stream ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The connection is gone, or the other side has dropped the stream.
    #[error("the stream was cut")]
    Cut,
    /// The other side gives up.
    #[error("the other site gives up: {0}")]
    GaveUp(String),
    /// The other side sends what is no record.
    #[error("the other site sends {0:#010x} where a record should begin")]
    Malformed(u32),
}
