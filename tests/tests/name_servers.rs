//! The name servers that other tests lean on do what their descriptions say.

use std::time::Duration;

use tests::name_servers::tools::{await_answer, dig, knsupdate, nsupdate};
use tests::name_servers::{Key, Role, Setup, Software, fresh_address};

const ZONE: &str = "$TTL 5
@ SOA ns hostmaster 1 60 10 3600 5
@ NS ns
ns A 127.0.0.1
vm1 NID 10 0214:4fff:fe20:ee64
vm1 L64 10 2001:0db8:000a:0000
vm2 TXT \"not a host\"
";
const APEX: &str = "example.org";
const HOST: &str = "vm1.example.org";
const LIMIT: Duration = Duration::from_secs(10);

/// Replaces the host's Locator.
fn update(locator: &str) -> String {
    format!("zone {APEX}\nupdate delete {HOST} L64\nupdate add {HOST} 5 L64 10 {locator}")
}

#[test]
fn primaries_take_updates_and_tell_their_secondaries() {
    let (key, transfers) = (Key::generate(HOST).unwrap(), Key::generate("xfer").unwrap());
    for software in [Software::Bind, Software::Knot] {
        let copies = [Software::Bind, Software::Knot, Software::Nsd];
        let addresses = copies.map(|_| fresh_address());
        let mut role = Role::primary(ZONE);
        if let Role::Primary {
            notify,
            transfer_key,
            ..
        } = &mut role
        {
            notify.extend(addresses);
            *transfer_key = Some("xfer".to_owned());
        }
        let setup = Setup::new().key(&key).key(&transfers).zone(APEX, role);
        let mut primary = software.start(&setup).unwrap();
        let secondaries: Vec<_> = std::iter::zip(copies, addresses)
            .map(|(software, address)| {
                let role = Role::Secondary {
                    primary: primary.address(),
                    key: Some("xfer".to_owned()),
                };
                let setup = Setup::at(address).key(&transfers).zone(APEX, role);
                software.start(&setup).unwrap()
            })
            .collect();
        for secondary in &secondaries {
            let before = ["10 2001:db8:a:0"];
            await_answer(secondary, HOST, "L64", &before, LIMIT).unwrap();
        }

        nsupdate(&primary, Some(HOST), &update("2001:0db8:000b:0000")).unwrap();
        for secondary in &secondaries {
            let after = ["10 2001:db8:b:0"];
            await_answer(secondary, HOST, "L64", &after, LIMIT)
                .unwrap_or_else(|error| panic!("{error}\n{}", secondary.log_end()));
        }
        // Not its own name, not one of its types, and not signed.
        for (key, lines) in [
            (Some(HOST), "update add vm2.example.org 5 L64 10 1:2:3:4"),
            (Some(HOST), "update add vm1.example.org 5 TXT hello"),
            (None, "update delete vm1.example.org L64"),
        ] {
            let refused = nsupdate(&primary, key, &format!("zone {APEX}\n{lines}"));
            let said = refused.unwrap_err().to_string();
            // Knot looks for a key that may do it, and finds none.
            let is_refused = said.contains("REFUSED") || said.contains("NOTAUTH");
            assert!(is_refused, "{software:?}: {lines}: {said}");
        }
        knsupdate(&primary, Some(HOST), &update("2001:0db8:000c:0000")).unwrap();
        primary.kill().unwrap();
        primary.start_again().unwrap();
        await_answer(&primary, HOST, "L64", &["10 2001:db8:c:0"], LIMIT).unwrap();
    }
}

#[test]
fn resolvers_ask_the_server_of_a_zone() {
    let authority = Setup::new().zone(APEX, Role::primary(ZONE));
    let authority = Software::Nsd.start(&authority).unwrap();
    for software in [Software::Bind, Software::Unbound] {
        let setup = Setup::new().zone(APEX, Role::Stub(authority.address()));
        let resolver = software.start(&setup).unwrap();
        let wanted = ["10 214:4fff:fe20:ee64"];
        await_answer(&resolver, HOST, "NID", &wanted, LIMIT).unwrap();
        let said = dig(&resolver, &["no.example.org", "L64"]).unwrap();
        assert!(said.contains("NXDOMAIN"), "{software:?}: {said}");
    }
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let setup = Setup::new().zone(APEX, Role::primary("@ SOA nonsense\n"));
    let error = Software::Bind.start(&setup).unwrap_err().to_string();
    assert!(
        error.contains("nonsense") || error.contains("example.org.zone:1"),
        "{error}"
    );
}
