//! The data of a zone: look-ups and updates, as a server uses them.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod look_up;
mod update;

use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::name::Name;
use ilnp_dns::rdata::{L32, L64, Lp, Nid};
use ilnp_dns::record::{Class, Record, RecordType};
use ilnp_dns::zone::{Extras, Found, Grant, Grants, View, Zone};

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
        RecordType::LP => text.parse::<Lp>().unwrap().to_wire(),
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
