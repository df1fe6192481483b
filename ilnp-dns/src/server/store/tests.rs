use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;

use super::journal::FOLD;
use super::*;
use crate::message::{Message, Opcode, Question};
use crate::record::{Class, Record, RecordType};
use crate::zone::{Grant, Grants, file};

const ZONE: &[u8] = b"$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nA TXT a\nb TXT b\n";

fn origin() -> Name {
    "example.org.".parse().unwrap()
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(directory: &Path) -> Store {
    Store::open(&directory.join("zones.redb")).unwrap()
}

fn record(owner: &str, class: Class, ttl: u32, text: &str) -> Record {
    let length = u8::try_from(text.len()).unwrap();
    let rdata = [&[length], text.as_bytes()].concat();
    Record {
        name: owner.parse().unwrap(),
        rtype: RecordType::TXT,
        class,
        ttl,
        rdata: if class == Class::ANY {
            Bytes::new()
        } else {
            rdata.into()
        },
    }
}

/// Replaces the TXT records of a name by one, or by none.
fn change(zone: &Zone, owner: &str, text: Option<&str>) -> (Zone, Change) {
    let mut message = Message::request(1, Opcode::UPDATE);
    message.questions.push(Question {
        name: origin(),
        rtype: RecordType::SOA,
        class: Class::IN,
    });
    message.authorities = vec![record(owner, Class::ANY, 0, "")];
    let added = text.map(|text| record(owner, Class::IN, 5, text));
    message.authorities.extend(added);
    let key: Name = "k.".parse().unwrap();
    let grant = Grant {
        key: key.clone(),
        name: "*.example.org.".parse().unwrap(),
        types: vec![RecordType::ANY],
    };
    zone.update(&message, &Grants(vec![grant]), Some(&key))
        .unwrap()
}

fn commit(store: &Store, zone: &Zone, changes: &[Change], progress: &mut Progress) {
    let commit = Commit {
        zone,
        changes,
        progress,
    };
    store.commit(&mut [commit]).unwrap();
}

/// What a zone holds, in an order that does not depend on how it came to be.
fn contents(zone: &Zone) -> String {
    file::write(zone)
}

#[test]
fn a_zone_is_read_as_it_was_written() {
    let directory = directory();
    let zone = file::read(ZONE, &origin()).unwrap();
    let store = open(directory.path());
    assert!(store.load(&origin()).unwrap().is_none());
    store.create(&zone).unwrap();
    drop(store);
    let stored = open(directory.path()).load(&origin()).unwrap().unwrap();
    assert_eq!(contents(&stored.zone), contents(&zone));
    assert_eq!(stored.history, []);
}

#[test]
fn changes_are_replayed_folded_and_forgotten() {
    let directory = directory();
    let mut zone = file::read(ZONE, &origin()).unwrap();
    let store = open(directory.path());
    let mut progress = store.create(&zone).unwrap();
    // Some rounds of everything: new names, changed ones, others that go.
    let rounds = 2 * FOLD + 100;
    let mut waiting = Vec::new();
    for round in 0..rounds {
        let owner = format!("h{}.example.org.", round % 500);
        let text = format!("{round}");
        let text = (!round.is_multiple_of(7)).then_some(text.as_str());
        let (after, change) = change(&zone, &owner, text);
        zone = after;
        waiting.extend((!change.is_empty()).then_some(change));
        if waiting.len() == 64 || round == rounds - 1 {
            commit(&store, &zone, &waiting, &mut progress);
            waiting.clear();
        }
    }
    let (after, last) = change(&zone, "a.example.org.", None);
    commit(&store, &after, std::slice::from_ref(&last), &mut progress);

    let stored = store.load(&origin()).unwrap().unwrap();
    assert_eq!(contents(&stored.zone), contents(&after));
    assert_eq!(stored.progress.changes, progress.changes);
    assert_eq!(stored.progress.touched, progress.touched);
    let kept = stored.history.len() as u64;
    assert!((FOLD..=2 * FOLD).contains(&kept), "{kept}");
    assert_eq!(stored.history.last(), Some(&last));
}

#[test]
fn zones_do_not_mix() {
    let directory = directory();
    let store = open(directory.path());
    for zone in ["example.org.", "a.example.org.", "EXAMPLE.net."] {
        let origin: Name = zone.parse().unwrap();
        store.create(&file::read(ZONE, &origin).unwrap()).unwrap();
    }
    let other = "example.NET.".parse().unwrap();
    let stored = store.load(&other).unwrap().unwrap();
    assert_eq!(stored.zone.records().count(), 4);
    assert!(
        store
            .load(&"b.example.org.".parse().unwrap())
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let directory = directory();
    let path = directory.path().join("zones.redb");
    std::fs::write(&path, "something else").unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("zones.redb"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}
