//! Updates: signed, granted, on disk before they are answered.

use ilnp_dns::message::Rcode;
use ilnp_dns::record::RecordType;

use crate::world::{World, l64, replace_l64};

const HOST: &str = "vm1.example.org.";

#[test]
fn an_update_is_seen_at_once_and_after_a_crash() {
    let world = World::new();
    let mut server = world.start();
    let locators = [l64(2), l64(3)];
    for round in 0..3 {
        let answer = world.send(&server, &replace_l64(HOST, &locators), "vm1");
        assert_eq!(answer.rcode, Rcode::NOERROR);
        let expected = [l64(100 + round)];
        let answer = world.send(&server, &replace_l64(HOST, &expected), "vm1");
        assert_eq!(answer.rcode, Rcode::NOERROR);
        server.kill();
        server = world.start();
        world.wait_for(&server, HOST, RecordType::L64, &expected);
    }
    // Two changes a round, one serial each.
    let soa = &world.ask(&server, "example.org.", RecordType::SOA).answers[0];
    let serial = soa.rdata[soa.rdata.len() - 20..].first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*serial), 7);
}

#[test]
fn what_is_not_granted_changes_nothing() {
    let world = World::new();
    let server = world.start();
    for (owner, key) in [
        (HOST, "xfer"),
        ("vm2.example.org.", "vm1"),
        ("example.org.", "vm1"),
    ] {
        let answer = world.send(&server, &replace_l64(owner, &[l64(9)]), key);
        assert_eq!(answer.rcode, Rcode::REFUSED, "{owner} {key}");
    }
    world.wait_for(&server, HOST, RecordType::L64, &[l64(0x0000_0001)]);
}
