//! What the fuzz targets do with their octets.
//!
//! Each function takes any octets and panics when a promise is broken. `fuzz/` runs them under
//! libFuzzer; the test at the end of this file runs them on every file below `fuzz/corpus/`.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a panic is how a broken promise is told"
)]

mod stub;
mod tsig;
mod zone;

use core::fmt::Display;
use core::str::FromStr;

use crate::message::Message;
use crate::rdata::{L32, L64, Lp, Nid};

pub use stub::{stub_reply, stub_request};
pub use tsig::{tsig, tsig_key};
pub use zone::{dns_update, zone_file};

/// A name below `fuzz/corpus/`, and the function that takes its files.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("dns_message", dns_message),
    ("dns_rdata", dns_rdata),
    ("dns_update", dns_update),
    ("stub_reply", stub_reply),
    ("stub_request", stub_request),
    ("tsig", tsig),
    ("tsig_key", tsig_key),
    ("zone_file", zone_file),
];

/// A message: what is read is written, and then reads the same.
pub fn dns_message(data: &[u8]) {
    let Ok(message) = Message::from_wire(data) else {
        return;
    };
    let written = message.to_wire(usize::from(u16::MAX));
    let again = Message::from_wire(&written).unwrap();
    // Names in RDATA may be longer than they were when compressed.
    if !again.truncated && again.additionals.len() == message.additionals.len() {
        assert_eq!(again, message);
    }
}

/// NID, L32, L64 and LP records, as RDATA and as text: what is read is written.
pub fn dns_rdata(data: &[u8]) {
    let text = str::from_utf8(data).unwrap_or_default();
    rdata(Nid::from_wire(data).ok(), text, Nid::to_wire, data);
    rdata(L32::from_wire(data).ok(), text, L32::to_wire, data);
    rdata(L64::from_wire(data).ok(), text, L64::to_wire, data);
    rdata(Lp::from_wire(data).ok(), text, Lp::to_wire, data);
}

fn rdata<T>(read: Option<T>, text: &str, to_wire: fn(&T) -> Vec<u8>, data: &[u8])
where
    T: Display + FromStr,
{
    if let Some(read) = read {
        assert_eq!(to_wire(&read), data);
        let again = read.to_string().parse().ok().unwrap();
        assert_eq!(to_wire(&again), data);
    }
    if let Ok(parsed) = text.parse::<T>() {
        let again = parsed.to_string().parse().ok().unwrap();
        assert_eq!(to_wire(&parsed), to_wire(&again));
    }
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
