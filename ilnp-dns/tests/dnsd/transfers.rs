//! Transfers of a large zone.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use ilnp_dns::exchange::unix_now;
use ilnp_dns::message::{Message, Rcode};
use ilnp_dns::record::{Record, RecordType};
use ilnp_dns::tsig::sign_request;

use crate::world::{PATIENCE, Server, World, ZONE, l64, question, replace_l64};

/// Asks for a transfer; its messages with the signature of each one checked.
fn transfer(world: &World, server: &Server, request: &Message) -> Vec<Message> {
    let mut octets = request.to_wire(65_535);
    let mut verifier = sign_request(&mut octets, &world.key("xfer"), unix_now());
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &octets].concat()).unwrap();
    let mut messages: Vec<Message> = Vec::new();
    while !is_whole(&messages) {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut octets = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut octets).unwrap();
        verifier.verify(&octets, unix_now()).unwrap();
        messages.push(Message::from_wire(&octets).unwrap());
        assert_eq!(messages.last().unwrap().rcode, Rcode::NOERROR);
    }
    messages
}

fn records(messages: &[Message]) -> Vec<&Record> {
    messages.iter().flat_map(|one| &one.answers).collect()
}

/// The SOA record that a transfer begins with ends it, too.
fn is_whole(messages: &[Message]) -> bool {
    let records = records(messages);
    records.len() > 1 && records.first() == records.last()
}

#[test]
fn a_zone_of_any_size_is_transferred() {
    let world = World::new();
    let mut zone = ZONE.to_owned();
    for number in 0..20_000 {
        writeln!(
            zone,
            "h{number} L64 10 2001:0db8:0000:{:04x}",
            number % 0x1_0000
        )
        .unwrap();
    }
    world.write("example.org.zone", &zone);
    let server = world.start();
    let messages = transfer(&world, &server, &question("example.org.", RecordType::AXFR));
    assert!(messages.len() > 10);
    assert_eq!(records(&messages).len(), 20_000 + 6);

    // What changed since, and nothing else.
    for number in [7, 8] {
        let update = replace_l64("vm1.example.org.", &[l64(number)]);
        assert_eq!(world.send(&server, &update, "vm1").rcode, Rcode::NOERROR);
    }
    let mut request = question("example.org.", RecordType::IXFR);
    request.authorities.push(records(&messages)[0].clone());
    let changes = transfer(&world, &server, &request);
    let changes = records(&changes);
    let types: Vec<_> = changes.iter().map(|record| record.rtype).collect();
    let (soa, l64) = (RecordType::SOA, RecordType::L64);
    assert_eq!(types, [soa, soa, l64, soa, l64, soa, l64, soa, l64, soa]);
}

#[test]
fn a_transfer_needs_the_key() {
    let world = World::new();
    let server = world.start();
    for rtype in [RecordType::AXFR, RecordType::IXFR] {
        let request = question("example.org.", rtype);
        assert_eq!(world.send(&server, &request, "vm1").rcode, Rcode::REFUSED);
        let answer = world.ask(&server, "example.org.", rtype);
        assert_eq!(answer.rcode, Rcode::REFUSED);
        assert_eq!(answer.answers, []);
    }
}
