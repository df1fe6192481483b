//! What the channel does with any octets of a peer.
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a broken promise is told"
)]

use futures_util::FutureExt as _;

use super::copy::{CopyError, LARGEST, Reader};
use super::hello::Hello;
use super::opening::Kind;
use super::{LARGEST_ORDER, frame};

/// First words and openings: what is understood is said in the same way.
pub(crate) fn words(data: &[u8]) {
    if let Ok(hello) = Hello::parse(data) {
        assert_eq!(Hello::parse(&hello.to_octets()), Ok(hello));
    }
    if let Ok(kind) = Kind::parse(data) {
        // An escape may have stood for less than what it is written as.
        if let Ok(octets) = kind.to_octets() {
            assert_eq!(Kind::parse(&octets), Ok(kind));
        }
    }
}

/// Frames, as orders come in: what is read is what was written, and never more than allowed.
pub(crate) fn frames(mut data: &[u8]) {
    loop {
        let before = data;
        match frame::read(&mut data, LARGEST_ORDER)
            .now_or_never()
            .unwrap()
        {
            Ok(Some(contents)) => {
                let mut written = Vec::new();
                frame::write(&mut written, &contents)
                    .now_or_never()
                    .unwrap()
                    .unwrap();
                assert!(contents.len() <= LARGEST_ORDER && before.starts_with(&written));
            }
            Ok(None) => return assert!(before.is_empty()),
            Err(_) => return,
        }
    }
}

/// Records of a copy: as much as is there, and an end only where one was written.
pub(crate) fn records(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut read = Vec::new();
    let end = loop {
        match reader.piece().now_or_never().unwrap() {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= LARGEST);
                read.extend_from_slice(piece);
                let length = piece.len();
                reader.consume(length);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let (expected, expected_end) = plainly(data);
    assert_eq!(read, expected);
    match (end, expected_end) {
        (Err(CopyError::GaveUp(_)), Err(None)) => {}
        (Err(CopyError::Cut | CopyError::Malformed(_)), Err(Some(()))) => {}
        (Ok(()), Ok(())) => {}
        (end, expected) => panic!("{end:?}, and {expected:?} was expected"),
    }
}

/// The same with all octets at hand. An end, somebody who gives up (`None`), or neither.
fn plainly(mut data: &[u8]) -> (Vec<u8>, Result<(), Option<()>>) {
    let mut read = Vec::new();
    while let Some((header, rest)) = data.split_first_chunk() {
        let number = u32::from_be_bytes(*header);
        let length = usize::try_from(number & 0x7fff_ffff).unwrap();
        match number {
            0 => return (read, Ok(())),
            1..=65_532 => {
                let there = length.min(rest.len());
                read.extend_from_slice(&rest[..there]);
                data = &rest[there..];
                if there < length {
                    break;
                }
            }
            0x8000_0000..=0x8000_0200 if rest.len() >= length => return (read, Err(None)),
            _ => break,
        }
    }
    (read, Err(Some(())))
}
