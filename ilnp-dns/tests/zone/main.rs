//! The data of a zone: look-ups and updates, as a server uses them.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod file;
mod lint;
mod look_up;
mod update;

use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::name::Name;
use ilnp_dns::rdata::{L32, L64, Lp, Nid};
use ilnp_dns::record::{Class, Record, RecordType};
use ilnp_dns::zone::{Extras, Found, Grant, Grants, View, Zone};
use proptest::prelude::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// RDATA of the types that the tests use, from text.
fn rdata(rtype: RecordType, text: &str) -> Bytes {
    match rtype {
        RecordType::A => text.parse::<Ipv4Addr>().unwrap().octets().to_vec(),
        RecordType::AAAA => text.parse::<Ipv6Addr>().unwrap().octets().to_vec(),
        RecordType::NID => text.parse::<Nid>().unwrap().to_wire(),
        RecordType::L64 => text.parse::<L64>().unwrap().to_wire(),
        RecordType::L32 => text.parse::<L32>().unwrap().to_wire(),
        RecordType::LP | RecordType::MX => text.parse::<Lp>().unwrap().to_wire(),
        RecordType::TXT | RecordType::DS => {
            [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
        }
        RecordType::SOA => soa(text.parse().unwrap()),
        _ => name(text).wire().to_vec(),
    }
    .into()
}

fn soa(serial: u32) -> Vec<u8> {
    let numbers = [serial, 3600, 600, 86400, 5];
    let numbers = numbers.map(u32::to_be_bytes);
    let server = name("ns.example.org.");
    [server.wire(), server.wire(), numbers.as_flattened()].concat()
}

/// A record from `owner TTL TYPE RDATA`.
fn record(line: &str) -> Record {
    let mut fields = line.splitn(4, ' ');
    let mut next = || fields.next().unwrap();
    let (owner, ttl, rtype) = (name(next()), next().parse().unwrap(), next());
    let rtype = RecordType::from_mnemonic(rtype).unwrap();
    Record {
        name: owner,
        rtype,
        class: Class::IN,
        ttl,
        rdata: rdata(rtype, next()),
    }
}

fn records(lines: &str) -> Vec<Record> {
    let lines = lines.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(record).collect()
}

/// `example.org.` with an SOA and an NS record, and with these.
fn zone(lines: &str) -> Zone {
    let apex = "example.org. 60 SOA 1\nexample.org. 60 NS ns.example.org.\n";
    Zone::from_records(
        name("example.org."),
        Class::IN,
        records(&[apex, lines].concat()),
    )
    .unwrap()
}

fn question(at: &str, rtype: RecordType) -> Question {
    Question {
        name: name(at),
        rtype,
        class: Class::IN,
    }
}

fn texts(views: &[View<'_>]) -> Vec<String> {
    let of = |view: &View<'_>| {
        format!(
            "{} {} {} x{}",
            view.owner,
            view.ttl,
            view.rtype,
            view.rdatas.len()
        )
    };
    views.iter().map(of).collect()
}

/// All records, in an order of their own.
fn sorted(zone: &Zone) -> Vec<String> {
    let mut records: Vec<String> = zone.records().map(|record| format!("{record:?}")).collect();
    records.sort();
    records
}

/// A name of `example.org.` out of few, so that records meet, or out of all.
fn any_name() -> impl Strategy<Value = Name> {
    let few = prop::sample::select(vec![
        "", "a.", "A.", "b.", "a.b.", "a.B.", "c.a.b.", "*.b.", "d.e.",
    ]);
    let few = few.prop_map(|labels| name(&format!("{labels}example.org.")));
    let any = prop::collection::vec(any::<u8>(), 1..64).prop_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        let wire = [&[length], &*label, name("example.org.").wire()].concat();
        Name::from_wire(&wire).unwrap()
    });
    prop_oneof![9 => few, 1 => any]
}

/// Valid RDATA of some types.
fn any_data() -> impl Strategy<Value = (RecordType, Bytes)> {
    let octets = |rtype, length| {
        let octets = prop::collection::vec(0..3_u8, length);
        octets.prop_map(move |octets| (rtype, octets)).boxed()
    };
    let named = |rtype, length| {
        let parts = (prop::collection::vec(0..3_u8, length), any_name());
        let joined = |(octets, name): (Vec<u8>, Name)| [&octets, name.wire()].concat();
        parts.prop_map(move |parts| (rtype, joined(parts))).boxed()
    };
    let text = prop::collection::vec(any::<u8>(), 0..40).prop_map(|text| {
        let length = u8::try_from(text.len()).unwrap();
        (RecordType::TXT, [&[length], &*text, &[0]].concat())
    });
    let data = prop_oneof![
        octets(RecordType::A, 4),
        octets(RecordType::AAAA, 16),
        octets(RecordType::NID, 10),
        octets(RecordType::L32, 6),
        octets(RecordType::L64, 10),
        octets(RecordType(4711), 3),
        named(RecordType::LP, 2),
        named(RecordType::MX, 2),
        named(RecordType::SRV, 6),
        named(RecordType::NS, 0),
        named(RecordType::CNAME, 0),
        named(RecordType::DNAME, 0),
        text,
    ];
    data.prop_map(|(rtype, octets)| (rtype, octets.into()))
}

fn any_record() -> impl Strategy<Value = Record> {
    (any_name(), 0..3_u32, any_data()).prop_map(|(name, ttl, (rtype, rdata))| Record {
        name,
        rtype,
        class: Class::IN,
        ttl,
        rdata,
    })
}
