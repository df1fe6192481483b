//! What the fuzz targets do with their octets.
//!
//! Each function takes any octets and panics when a promise is broken. `fuzz/` runs them under
//! libFuzzer; the test at the end of this file runs them on every file below `fuzz/corpus/`.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a panic is how a broken promise is told"
)]

mod node;

use core::net::Ipv6Addr;
use core::time::Duration;

use crate::drop_reason::DropReason;
use crate::id::{HandlePrefix, IlVector, Locator, Nid};
use crate::relocation::{FromGuest, Line, Lines, ToGuest, encode};
use crate::time::Instant;
use crate::wire::icmp_error::{ErrorInward, ErrorOutward, error_inward, error_outward};
use crate::wire::reassembly::Limits;
use crate::wire::translate::{Outward, Prefixes, classic, inward, outward};
use crate::wire::{
    Headers, IcmpError, LocatorUpdate, Nonce, Packet, Reassembler, checksum, icmpv6, protocol,
};

pub use node::node;

/// A name below `fuzz/corpus/`, and the function that takes its files.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("headers", headers),
    ("locator_update", locator_update),
    ("icmp_error", icmp_error),
    ("translate", translate),
    ("reassembly", reassembly),
    ("node", node),
    ("relocation_lines", relocation_lines),
];

const HERE: IlVector = IlVector::new(
    Nid::from_bits(0x0214_4fff_fe20_ee64),
    Locator::from_bits(0x2001_0db8_1140_1000),
);
const THERE: IlVector = IlVector::new(
    Nid::from_bits(0x0216_6fff_fe22_ee66),
    Locator::from_bits(0x2001_0db8_4140_4000),
);
const HANDLES: Locator = HandlePrefix::DEFAULT.locator();

/// A packet: what its headers say lies within it, and it can be printed.
pub fn headers(data: &[u8]) {
    let packet = Packet::new(data.to_vec());
    assert!(packet.to_string().starts_with("IP6 "));
    for headers in [Headers::parse(data), Headers::parse_quoted(data)] {
        let Ok(headers) = headers else { continue };
        assert!(headers.upper <= headers.end && headers.end <= data.len());
        if let Some(found) = &headers.nonce {
            assert!(found.header.start <= found.option.start);
            assert!(found.option.end <= found.header.end && found.header.end <= headers.upper);
            assert_eq!(data[found.option.start], 0x8b);
        }
    }
}

/// A Locator Update: what is read is written again.
pub fn locator_update(data: &[u8]) {
    let Ok(update) = LocatorUpdate::parse(data) else {
        return;
    };
    let message = update.emit(HERE.address(), THERE.address());
    assert_eq!(message[4..], data[4..]);
    assert!(checksum::is_valid_icmpv6(
        &message,
        HERE.address(),
        THERE.address()
    ));
    let answer = update
        .acknowledgement()
        .emit(THERE.address(), HERE.address());
    assert_eq!(answer.len(), data.len());
}

/// An ICMPv6 message from the wire, and one of the kernel: what is translated can be read, has the
/// right checksum and quotes no Nonce to the kernel.
pub fn icmp_error(data: &[u8]) {
    if let Ok(error) = IcmpError::parse(data) {
        let _known = error.refused_nonce();
    }
    let arrived = with_message(data, THERE.address(), HERE.address());
    let headers = Headers::parse(&arrived.octets).unwrap();
    let prefixes = ErrorInward {
        own: HANDLES,
        correspondent: HANDLES,
        from_correspondent: true,
    };
    if let Ok(delivered) = error_inward(&arrived, &headers, &prefixes) {
        let headers = Headers::parse(&delivered.octets).unwrap();
        assert!(checksum::is_valid_icmpv6_packet(&delivered, &headers));
        if let Ok(error) = IcmpError::parse(headers.upper_layer(&delivered.octets)) {
            assert_eq!(error.quoted.nonce, None);
        }
    }
    let outward = ErrorOutward {
        source: HERE.locator,
        destination: THERE.locator,
        nonce: nonce(data.len()),
        quoted_source: THERE.locator,
        quoted_destination: HERE.locator,
        quoted_nonce: Some(nonce(data.len() / 2)),
    };
    if let Ok(sent) = error_outward(&arrived, &outward) {
        let headers = Headers::parse(&sent.octets).unwrap();
        assert!(checksum::is_valid_icmpv6_packet(&sent, &headers));
        assert!(sent.octets.len() <= icmpv6::MAX_ERROR_PACKET.max(arrived.octets.len()));
    }
}

/// What comes in at the port of a relocation, cut at the octet that the first one names: the cut
/// changes nothing, and what is read is written again, unless it was short with unusual escapes only.
pub fn relocation_lines(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else {
        return;
    };
    let (first, rest) = data.split_at(usize::from(cut).min(data.len()));
    let mut lines = Lines::default();
    let mut read = lines.push(first);
    read.extend(lines.push(rest));
    assert_eq!(read, Lines::default().push(data));
    for line in read {
        let Line::Whole(line) = line else { continue };
        if let Ok(request) = ToGuest::parse(&line)
            && let Ok(written) = encode(&request)
        {
            assert_eq!(ToGuest::parse(written.trim_ascii()), Ok(request));
        }
        // Fractions of milliseconds may differ in their last bit.
        if let Ok(said) = FromGuest::parse(&line)
            && let Ok(written) = encode(&said)
        {
            FromGuest::parse(written.trim_ascii()).unwrap();
        }
    }
}

/// A packet: out and in again restores it.
pub fn translate(data: &[u8]) {
    let packet = Packet::new(data.to_vec());
    let to_there = Outward {
        source: HERE.locator,
        destination: THERE.locator,
        nonce: nonce(data.len()),
    };
    let Ok(headers) = Headers::parse(data) else {
        assert!(outward(&packet, &to_there).is_err());
        assert!(classic(&packet, &before(HERE, THERE)).is_err());
        return;
    };
    let delivered = inward(&packet, &headers, &before(HERE, THERE)).unwrap();
    assert_eq!(Headers::parse(&delivered.octets).unwrap().nonce, None);
    assert_eq!(
        classic(&packet, &before(HERE, THERE)).unwrap().octets.len(),
        headers.end
    );

    let Ok(sent) = outward(&packet, &to_there) else {
        return;
    };
    let sent_headers = Headers::parse(&sent.octets).unwrap();
    let found = sent_headers.nonce.as_ref().unwrap();
    assert_eq!(found.nonce, to_there.nonce);
    let source = headers.source_vector();
    let back = before(source, headers.destination_vector());
    let restored = inward(&sent, &sent_headers, &back).unwrap();
    // A header with nothing but padding goes with the Nonce; an ICMPv6 checksum of 0xffff, which
    // no sender computes, comes back as 0.
    let octets = headers.packet(data);
    let lost = octets.len() - restored.octets.len();
    assert!(lost == 0 || found.alone);
    if lost == 0 && headers.protocol != protocol::ICMPV6 {
        assert_eq!(restored.octets, octets);
    }
}

/// Fragments, three octets each: what becomes whole is what was sent, and what is kept is bounded.
///
/// The octets of a fragment follow from their place in the packet, so that every fragment agrees
/// with every other as far as it goes.
pub fn reassembly(data: &[u8]) {
    let limits = Limits {
        packets: 3,
        octets: 2048,
        fragments: 16,
        lifetime: Duration::from_nanos(40),
    };
    let mut reassembler = Reassembler::new(limits);
    let (fragments, _) = data.as_chunks::<3>();
    for (now, fragment) in (0..).map(Instant::from_nanos).zip(fragments) {
        let packet = fragment_of(fragment);
        let headers = Headers::parse(&packet.octets).unwrap();
        match reassembler.push(now, &packet, &headers) {
            Ok(Some(whole)) => {
                let headers = Headers::parse(&whole.octets).unwrap();
                let part = headers.upper_layer(&whole.octets);
                assert_eq!(part, pattern(0, part.len()));
            }
            Ok(None) => assert!(reassembler.poll_timeout() > Some(now)),
            Err(reason) => {
                assert!(matches!(
                    reason,
                    DropReason::Malformed | DropReason::Fragment
                ));
            }
        }
    }
}

/// A fragment as three octets describe it: place, length, and packet and whether more follow.
fn fragment_of(&[place, length, flags]: &[u8; 3]) -> Packet {
    let offset = u16::from(place) * 8;
    let more = flags & 1;
    let [a, b] = (offset | u16::from(more)).to_be_bytes();
    let header = [253, 0, a, b, 0, 0, 0, flags >> 1];
    let part = pattern(offset.into(), length.into());
    let payload = [&header[..], &part].concat();
    packet(
        protocol::FRAGMENT,
        &payload,
        THERE.address(),
        HERE.address(),
    )
}

fn pattern(start: usize, length: usize) -> Vec<u8> {
    (start..start + length)
        .map(|place| (place % 251).to_le_bytes()[0])
        .collect()
}

fn with_message(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Packet {
    let mut message = message.to_vec();
    message.truncate(2000);
    let sum = checksum::icmpv6(&message, source, destination);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    packet(protocol::ICMPV6, &message, source, destination)
}

fn packet(next: u8, payload: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Packet {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let start = [0x60, 0, 0, 0, length[0], length[1], next, 64];
    let addresses = [source.octets(), destination.octets()];
    Packet::new([&start, addresses.as_flattened(), payload].concat())
}

fn before(source: IlVector, destination: IlVector) -> Prefixes {
    Prefixes {
        source: source.locator,
        destination: destination.locator,
    }
}

/// Both lengths of Nonces, by turns.
fn nonce(turn: usize) -> Nonce {
    let octets = [7; 12];
    let length = if turn.is_multiple_of(2) { 4 } else { 12 };
    Nonce::from_slice(&octets[..length]).unwrap()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn every_file_of_every_corpus_keeps_the_promises() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (name, target) in TARGETS {
            let directory = corpus.join(name);
            let files = std::fs::read_dir(&directory).unwrap();
            let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            assert!(!files.is_empty(), "{} is empty", directory.display());
            for file in files {
                println!("{}", file.display());
                target(&std::fs::read(file).unwrap());
            }
        }
    }
}
