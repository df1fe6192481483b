//! Zones: their files, and updates of them.

use crate::message::{Message, Question};
use crate::name::Name;
use crate::record::{Class, Record, RecordType};
use crate::zone::{Extras, Grant, Grants, Zone, file};

/// What the updates change.
const FILE: &str = "
@ 60 SOA ns ns 1 2 3 4 5
@ 60 NS ns
ns 60 AAAA 2001:db8::53
a 5 NID 10 0214:4fff:fe20:ee64
a 5 L64 10 2001:0db8:000a:0000
a 5 LP 10 b
b 5 L64 10 2001:0db8:000b:0000
*.b 5 TXT x
c 5 CNAME a
d 5 DNAME b
e 5 NS ns.e
ns.e 5 AAAA 2001:db8::54
";

fn origin() -> Name {
    "e.".parse().unwrap()
}

/// A master file: what is read is written, and then reads the same.
pub fn zone_file(data: &[u8]) {
    if let Ok(zone) = file::read(data, &origin()) {
        let again = file::read(file::write(&zone).as_bytes(), &origin()).unwrap();
        assert_eq!(contents(&zone), contents(&again));
    }
}

/// A message that is an update: all of it is done or nothing, and what is done can be undone.
/// Look-ups of all that it names succeed before and behind.
pub fn dns_update(data: &[u8]) {
    let Ok(message) = Message::from_wire(data) else {
        return;
    };
    let old = file::read(FILE.as_bytes(), &origin()).unwrap();
    let before = contents(&old);
    let updated = old.update(&message, &grants(), Some(&origin()));
    assert_eq!(contents(&old), before);
    look_up_all(&old, &message);
    let Ok((new, change)) = updated else {
        return;
    };
    look_up_all(&new, &message);
    let after = contents(&new);
    assert_eq!(change.is_empty(), before == after);
    assert_eq!(contents(&old.apply(&change).unwrap()), after);
    assert_eq!(contents(&new.apply(&change.inverse()).unwrap()), before);
    let again = file::read(file::write(&new).as_bytes(), &origin()).unwrap();
    assert_eq!(contents(&again), after);
    assert_eq!(again.names(), new.names());
}

fn grants() -> Grants {
    let grant = |name: &str| Grant {
        key: origin(),
        name: name.parse().unwrap(),
        types: vec![RecordType::ANY],
    };
    Grants(vec![grant("e."), grant("*.e.")])
}

fn look_up_all(zone: &Zone, message: &Message) {
    for record in message.answers.iter().chain(&message.authorities) {
        let question = Question {
            name: record.name.clone(),
            rtype: record.rtype,
            class: Class::IN,
        };
        let found = zone.look_up(&question, Extras::default());
        let sections = [found.answers, found.authorities, found.glue, found.extras];
        for view in sections.iter().flatten() {
            assert!(!view.rdatas.is_empty());
        }
    }
}

/// All records, in an order of their own.
fn contents(zone: &Zone) -> Vec<(Name, u16, u32, Vec<u8>)> {
    let key = |record: Record| {
        let Record {
            name, rtype, ttl, ..
        } = record;
        (name, rtype.0, ttl, record.rdata.to_vec())
    };
    let mut records: Vec<_> = zone.records().map(key).collect();
    records.sort();
    records
}
