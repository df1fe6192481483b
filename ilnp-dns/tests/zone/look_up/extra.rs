//! Additional data (RFC 6742 §3.2) and AAAA records that are made (RFC 6741 §8.4).

use super::*;

const HOST: &str = "vm1.example.org. 50 NID 10 0214:4fff:fe20:ee64
    vm1.example.org. 5 L64 10 2001:0db8:000a:0000
    vm1.example.org. 5 L64 20 2001:0db8:000b:0000
    vm1.example.org. 9 L32 10 10.1.2.0
    vm1.example.org. 9 LP 10 site1.example.org.
    vm1.example.org. 9 LP 20 site1.example.org.
    vm1.example.org. 9 LP 20 site2.example.com.
    site1.example.org. 4 L64 10 2001:0db8:000c:0000
    site1.example.org. 4 L32 10 10.1.3.0";

/// The extra data of an answer, without owner and TTL for those of the host itself.
fn extras_of(zone: &Zone, rtype: RecordType, extras: Extras) -> Vec<String> {
    let question = question("vm1.example.org.", rtype);
    let found = zone.look_up(&question, extras);
    let own = |text: String| text.trim_start_matches("vm1.example.org. ").to_owned();
    texts(&found.extras).into_iter().map(own).collect()
}

#[test]
fn an_answer_comes_with_the_other_ilnp_records() {
    let zone = zone(HOST);
    for (rtype, extras) in [
        (RecordType::NID, &["5 L64 x2", "9 LP x3", "9 L32 x1"][..]),
        (RecordType::L64, &["50 NID x1", "9 LP x3", "9 L32 x1"]),
        (RecordType::L32, &["50 NID x1", "5 L64 x2", "9 LP x3"]),
        (
            RecordType::LP,
            &[
                "site1.example.org. 4 L64 x1",
                "site1.example.org. 4 L32 x1",
                "5 L64 x2",
                "9 L32 x1",
            ],
        ),
        (
            RecordType::AAAA,
            &["50 NID x1", "5 L64 x2", "9 LP x3", "9 L32 x1"],
        ),
        (RecordType::TXT, &[]),
    ] {
        assert_eq!(
            extras_of(&zone, rtype, Extras::WithAddresses),
            extras,
            "{rtype}"
        );
    }
    assert!(extras_of(&zone, RecordType::AAAA, Extras::IlnpTypes).is_empty());
    assert_eq!(
        extras_of(&zone, RecordType::NID, Extras::IlnpTypes).len(),
        3
    );
}

#[test]
fn a_host_has_an_address_for_each_locator() {
    let zone = zone(HOST);
    let question = question("vm1.example.org.", RecordType::AAAA);
    let found = zone.look_up(&question, Extras::default());
    let [view] = &*found.answers else {
        panic!("{found:?}");
    };
    let address = |locator: &str| rdata(RecordType::AAAA, &format!("{locator}:214:4fff:fe20:ee64"));
    let addresses = ["2001:db8:a:0", "2001:db8:b:0", "2001:db8:c:0"].map(address);
    assert_eq!(*view.rdatas, addresses);
    assert_eq!(view.ttl, 4, "that of the record that changes first");
}

#[test]
fn addresses_that_are_given_are_not_made() {
    for (lines, given) in [
        ("vm1.example.org. 5 L64 10 2001:0db8:000a:0000", 0),
        ("vm1.example.org. 5 NID 10 0214:4fff:fe20:ee64", 0),
        (
            "vm1.example.org. 5 NID 10 0214:4fff:fe20:ee64\nvm1.example.org. 5 LP 1 vm1.sub.example.org.",
            0,
        ),
        ("vm1.example.org. 5 LP 10 site1.example.org.", 0),
        ("vm1.example.org. 5 AAAA 2001:db8::1", 1),
        (
            "vm1.example.org. 5 AAAA 2001:db8::1
            vm1.example.org. 5 NID 10 0214:4fff:fe20:ee64
            vm1.example.org. 5 L64 10 2001:0db8:000a:0000",
            1,
        ),
    ] {
        let zone = zone(lines);
        let (_, _, [found, authorities, ..]) = look_up(&zone, "vm1.example.org.", RecordType::AAAA);
        assert_eq!(found.len(), given, "{lines}");
        assert_eq!(authorities.len(), 1 - given);
        if given == 1 {
            assert_eq!(found, ["vm1.example.org. 5 AAAA x1"]);
        }
    }
}

#[test]
fn servers_come_with_their_addresses() {
    let zone = zone(
        "ns.example.org. 5 AAAA 2001:db8::53
        mail.example.org. 5 MX 10 ns.example.org.",
    );
    for (at, rtype) in [
        ("example.org.", RecordType::NS),
        ("mail.example.org.", RecordType::MX),
    ] {
        let (_, _, [_, _, glue, extras]) = look_up(&zone, at, rtype);
        assert_eq!(extras, ["ns.example.org. 5 AAAA x1"]);
        assert!(glue.is_empty());
    }
}
