use std::fs;

use proptest::prelude::*;

use super::{Entry, Journal, JournalError, parse};
use crate::custody::{Record, Standing};

fn entry() -> Entry {
    let standing = Standing::HandedOver {
        relocation: "00112233445566778899aabbccddeeff".parse().unwrap(),
        to: "b".parse().unwrap(),
    };
    let instance = "ffeeddccbbaa99887766554433221100".parse().unwrap();
    Entry::new("vm1", Some(instance), Record { epoch: 7, standing })
}

#[test]
fn what_was_written_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    assert_eq!(journal.read("vm1").unwrap(), None);
    journal.write(&entry()).unwrap();
    assert_eq!(journal.read("vm1").unwrap(), Some(entry()));
    let later = Entry::new("vm1", None, Record::default());
    journal.write(&later).unwrap();
    assert_eq!(journal.read("vm1").unwrap(), Some(later));
}

#[test]
fn a_damaged_file_is_an_error_at_every_octet() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.write(&entry()).unwrap();
    let path = journal.path("vm1");
    let whole = fs::read(&path).unwrap();
    let damaged = |octets: &[u8]| {
        fs::write(&path, octets).unwrap();
        let error = journal.read("vm1").unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("vm1.json"), "{error}");
    };
    for length in 0..whole.len() {
        damaged(&whole[..length]);
    }
    for at in 0..whole.len() {
        let mut octets = whole.clone();
        octets[at] ^= 1;
        damaged(&octets);
    }
    damaged(&[whole.as_slice(), b"\n"].concat());
}

#[test]
fn a_file_of_another_guest_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.write(&entry()).unwrap();
    fs::rename(journal.path("vm1"), journal.path("vm2")).unwrap();
    let error = journal.read("vm2").unwrap_err().to_string();
    assert!(error.contains("it is about the guest \"vm1\""), "{error}");
}

#[test]
fn a_crash_while_writing_leaves_the_old_entry() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.write(&entry()).unwrap();
    let beside = ilnp_service::durable::beside(&journal.path("vm1"));
    fs::write(beside, "half of a new en").unwrap();
    assert_eq!(journal.read("vm1").unwrap(), Some(entry()));
    let later = Entry::new("vm1", None, Record::default());
    journal.write(&later).unwrap();
    assert_eq!(journal.read("vm1").unwrap(), Some(later));
}

#[test]
fn two_agents_do_not_share_a_journal() {
    let directory = tempfile::tempdir().unwrap();
    let first = Journal::open(directory.path()).unwrap();
    let error = Journal::open(directory.path()).unwrap_err();
    assert!(matches!(error, JournalError::InUse(_)), "{error}");
    drop(first);
    Journal::open(directory.path()).unwrap();
}

/// As a program that a killed agent was starting holds it.
#[test]
fn a_lock_that_is_let_go_soon_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let first = Journal::open(directory.path()).unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(super::LOOK * 5);
        drop(first);
    });
    Journal::open(directory.path()).unwrap();
    holder.join().unwrap();
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(parse(&octets).is_err());
    }
}
