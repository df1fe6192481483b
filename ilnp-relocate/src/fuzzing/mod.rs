//! What the fuzz targets do with their octets.
//!
//! Each function takes any octets and panics when a promise is broken. `fuzz/` runs them under
//! libFuzzer; the test at the end of this file runs them on every file below `fuzz/corpus/`.

use crate::channel::fuzzing::{frames, records, words};

/// A name below `fuzz/corpus/`, and the function that takes its files.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("channel_frames", channel_frames),
    ("channel_records", channel_records),
    ("channel_words", channel_words),
];

/// Frames of orders, as a peer sends them.
pub fn channel_frames(data: &[u8]) {
    frames(data);
}

/// Records of a copy, as a peer sends them.
pub fn channel_records(data: &[u8]) {
    records(data);
}

/// First words and openings of streams, as a peer says them.
pub fn channel_words(data: &[u8]) {
    words(data);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn any_octets_keep_the_promises(data in prop::collection::vec(any::<u8>(), 0..200)) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }

        /// Small lengths and many zeros: octets that come close to what a peer may say.
        #[test]
        fn likely_octets_keep_the_promises(
            data in prop::collection::vec(prop_oneof![Just(0), Just(0x80), 0_u8..4, any::<u8>()], 0..200),
        ) {
            for (_, target) in TARGETS {
                target(&data);
            }
        }
    }
}
