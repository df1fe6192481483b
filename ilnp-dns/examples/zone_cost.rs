//! Prints what look-ups and updates cost in zones of more and more names:
//! `cargo run --release -p ilnp-dns --example zone_cost`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement is for people to read, and stops when it goes wrong"
)]

use core::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::name::Name;
use ilnp_dns::record::{Class, Record, RecordType};
use ilnp_dns::zone::{Extras, Grant, Grants, Zone, file};

fn main() {
    println!("  names   load  L64 look-up    NXDOMAIN      NODATA   AAAA made      update");
    for names in [1_000, 10_000, 100_000, 1_000_000] {
        let start = Instant::now();
        let zone = zone(names);
        let load = start.elapsed();
        let found = look_ups(&zone, RecordType::L64, |n| host(n, names));
        let unknown = look_ups(&zone, RecordType::L64, |n| format!("x{n}"));
        let nodata = look_ups(&zone, RecordType::TXT, |n| host(n, names));
        let made = look_ups(&zone, RecordType::AAAA, |n| host(n, names));
        let update = updates(zone, names);
        println!(
            "{names:7} {load:6.1?} {found:12?}{unknown:12?}{nodata:12?}{made:12?}{update:12?}"
        );
    }
}

const TURNS: u32 = 200_000;
const BATCH: usize = 100;

/// What one of many takes: the median of batches, so that what else runs here counts less.
fn time<T>(turns: Vec<T>, mut turn: impl FnMut(&T)) -> Duration {
    let mut times: Vec<Duration> = Vec::new();
    for batch in turns.chunks(BATCH) {
        let start = Instant::now();
        batch.iter().for_each(&mut turn);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2] / u32::try_from(BATCH).unwrap()
}

fn look_ups(zone: &Zone, rtype: RecordType, host: impl Fn(u32) -> String) -> Duration {
    let question = |n| Question {
        name: name(&host(n)),
        rtype,
        class: Class::IN,
    };
    time((0..TURNS).map(question).collect(), |question| {
        let found = black_box(zone).look_up(question, Extras::default());
        assert_ne!(black_box(found).rcode, Rcode::REFUSED);
    })
}

fn updates(zone: Zone, names: u32) -> Duration {
    let (mut zone, key, grants) = (zone, origin(), grants());
    let messages = (0..TURNS).map(|n| update(&host(n, names), n)).collect();
    time(messages, |message| {
        let (next, change) = zone.update(message, &grants, Some(&key)).unwrap();
        black_box(change);
        zone = next;
    })
}

/// A host, each one far from the one before.
fn host(turn: u32, names: u32) -> String {
    format!("h{}", turn.wrapping_mul(2_654_435_761) % names)
}

fn zone(names: u32) -> Zone {
    let mut text = "@ 60 SOA ns ns 1 2 3 4 5\n@ 60 NS ns\nns 60 AAAA 2001:db8::53\n".to_owned();
    for host in 0..names {
        let (high, low) = (host >> 16, host & 0xffff);
        text.push_str(&format!("h{host} 60 NID 10 0214:4fff:{high:x}:{low:x}\n"));
        text.push_str(&format!("h{host} 5 L64 10 2001:0db8:{high:x}:{low:x}\n"));
    }
    file::read(text.as_bytes(), &origin()).unwrap()
}

fn update(host: &str, turn: u32) -> Message {
    let deletion = Record {
        name: name(host),
        rtype: RecordType::L64,
        class: Class::ANY,
        ttl: 0,
        rdata: Bytes::new(),
    };
    let addition = Record {
        class: Class::IN,
        ttl: 5,
        rdata: [&[0; 6], &turn.to_be_bytes()[..]].concat().into(),
        ..deletion.clone()
    };
    let mut message = Message::request(0, Opcode::UPDATE);
    message.questions = vec![Question {
        name: origin(),
        rtype: RecordType::SOA,
        class: Class::IN,
    }];
    message.authorities = vec![deletion, addition];
    message
}

fn grants() -> Grants {
    Grants(vec![Grant {
        key: origin(),
        name: name("*"),
        types: vec![RecordType::L64],
    }])
}

fn name(host: &str) -> Name {
    format!("{host}.example.org.").parse().unwrap()
}

fn origin() -> Name {
    "example.org.".parse().unwrap()
}
