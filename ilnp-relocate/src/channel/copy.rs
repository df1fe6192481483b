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
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    ReadHalf, WriteHalf,
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
    pub(super) reader: Reader<ReadHalf<Octets>>,
    pub(super) writer: Writer<WriteHalf<Octets>>,
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
        Self {
            opening,
            reader: Reader::new(input),
            writer: Writer::new(output),
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
pub(super) struct Reader<I> {
    input: BufReader<I>,
    /// Octets that are left of the present record.
    left: usize,
}

impl<I: AsyncRead + Unpin> Reader<I> {
    pub(super) fn new(input: I) -> Self {
        let input = BufReader::with_capacity(LARGEST + HEADER, input);
        Self { input, left: 0 }
    }

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
pub(super) struct Writer<O> {
    output: O,
    /// Whether all records were written as a whole.
    whole: bool,
}

impl<O: AsyncWrite + Unpin> Writer<O> {
    pub(super) fn new(output: O) -> Self {
        Self {
            output,
            whole: true,
        }
    }

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
        // The other side will see a cut instead.
        let _ = tokio::time::timeout(PARTING, self.write(&last_words(reason))).await;
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

/// The record that tells why this side gives up.
fn last_words(reason: &str) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
    let mut record = Record::GivesUp(reason.len()).header().to_vec();
    record.extend_from_slice(reason.as_bytes());
    record
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::{CopyError, HEADER, LARGEST, Reader, Record, Writer, last_words};

    /// Everything that can be read, and how it ends.
    fn read(octets: &[u8]) -> (Vec<u8>, Result<(), CopyError>) {
        let mut reader = Reader::new(octets);
        let mut read = Vec::new();
        loop {
            match reader.piece().now_or_never().unwrap() {
                Ok(None) => return (read, Ok(())),
                Err(error) => return (read, Err(error)),
                Ok(Some(piece)) => {
                    read.extend_from_slice(piece);
                    let length = piece.len();
                    reader.consume(length);
                }
            }
        }
    }

    #[test]
    fn every_header_is_a_record_or_refused() {
        for length in [1, LARGEST] {
            let record = Record::Data(length);
            assert_eq!(Record::parse(record.header()), Ok(record));
        }
        assert_eq!(Record::parse([0; HEADER]), Ok(Record::End));
        for number in [0xfffd, 0x7fff_ffff, 0x8000_0201, u32::MAX] {
            let refused = Err(CopyError::Malformed(number));
            assert_eq!(Record::parse(number.to_be_bytes()), refused);
        }
    }

    #[test]
    fn the_longest_reason_is_cut_between_characters() {
        let (_, end) = read(&last_words(&"\u{e4}".repeat(400)));
        assert_eq!(end, Err(CopyError::GaveUp("\u{e4}".repeat(256))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_is_no_end(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            gives_up in any::<bool>(),
            at in any::<prop::sample::Index>(),
        ) {
            let mut written = Vec::new();
            let mut writer = Writer::new(&mut written);
            for chunk in &chunks {
                let mut record = [&[0; HEADER], &chunk[..]].concat();
                writer.data(&mut record).now_or_never().unwrap().unwrap();
            }
            let end = if gives_up {
                writer.write(&last_words("no room")).now_or_never().unwrap().unwrap();
                Err(CopyError::GaveUp("no room".to_owned()))
            } else {
                writer.end().now_or_never().unwrap().unwrap();
                Ok(())
            };
            let whole = chunks.concat();
            prop_assert_eq!(read(&written), (whole.clone(), end));

            let cut = &written[..at.index(written.len())];
            let (before, end) = read(cut);
            prop_assert!(whole.starts_with(&before));
            prop_assert_eq!(end, Err(CopyError::Cut));
        }
    }
}
