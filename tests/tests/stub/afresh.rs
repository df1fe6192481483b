//! Look-ups past the caches, for a correspondent that is lost.

use std::time::Duration;

use experiments::topology::Namespace;
use ilnp_dns::resolve::{Records, Resolver};
use tests::name_servers::tools::nsupdate;
use tests::name_servers::{Key, Role, Setup, Software};

use crate::support::{APEX, ZONE, block_on, clock};

fn locators(records: &Records) -> Vec<String> {
    let found = records.found();
    let locators = found.iter().flat_map(|found| &found.locators);
    locators.map(|l| l.locator.to_string()).collect()
}

/// A namespace in which every server has port 53 of an address of its own.
fn place(name: &str) -> Namespace {
    let namespace = Namespace::create(name.to_owned()).unwrap();
    let add = |last| format!("address add 127.0.0.{last}/8 dev lo");
    namespace.ip(&[2, 3, 4].map(add)).unwrap();
    namespace
}

#[test]
fn the_servers_of_the_zone_are_asked_past_the_caches() {
    let namespace = place("stub-afresh");
    let key = Key::generate("vm1.example.org").unwrap();
    let at = |address: &str| Setup::at(address.parse().unwrap()).inside(&namespace);
    let old = ["2001:db8:a::/64"];
    let new = ["2001:db8:c::/64"];
    for software in [Software::Unbound, Software::Bind] {
        let setup = at("127.0.0.2:53").key(&key).zone(APEX, Role::primary(ZONE));
        let mut primary = Software::Bind.start(&setup).unwrap();
        let setup = at("127.0.0.3:53").zone(APEX, Role::Stub(primary.address()));
        let caching = software.start(&setup).unwrap();

        let resolver = Resolver::new(vec![caching.address()], clock);
        let name = "vm1.example.org.".parse().unwrap();
        let resolve = || {
            namespace
                .inside(|| block_on(resolver.resolve(&name)))
                .unwrap()
        };
        let afresh = || {
            namespace
                .inside(|| block_on(resolver.resolve_afresh(&name)))
                .unwrap()
        };
        assert_eq!(locators(&resolve()), old);
        let moved = "zone example.org\nupdate delete vm1.example.org L64\n\
                     update add vm1.example.org 3600 L64 10 2001:0db8:000c:0000";
        nsupdate(&primary, Some("vm1.example.org"), moved).unwrap();
        assert_eq!(
            locators(&resolve()),
            old,
            "{software:?}: cached for an hour"
        );
        assert_eq!(locators(&afresh()), new, "{software:?}");
        // What was found is what new sessions get.
        assert_eq!(locators(&resolve()), new);

        // Without the zone's servers, the upstreams are better than nothing.
        primary.kill().unwrap();
        let start = std::time::Instant::now();
        assert_eq!(locators(&afresh()), old);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn the_newest_of_the_zones_servers_is_believed() {
    let namespace = place("stub-newest");
    let at = |address: &str| Setup::at(address.parse().unwrap()).inside(&namespace);
    let zone = ZONE.replace(
        "ns A 127.0.0.2",
        "ns A 127.0.0.2\n@ NS ns2\nns2 A 127.0.0.4",
    );
    let newer = zone
        .replace("hostmaster 1 ", "hostmaster 2 ")
        .replace("000a", "000c");
    let mut servers = Vec::new();
    for (address, text) in [("127.0.0.2:53", &zone), ("127.0.0.4:53", &newer)] {
        let setup = at(address).zone(APEX, Role::primary(text));
        servers.push(Software::Bind.start(&setup).unwrap());
    }
    // The resolver asks the one that is behind.
    let setup = at("127.0.0.3:53").zone(APEX, Role::Stub(servers[0].address()));
    let caching = Software::Unbound.start(&setup).unwrap();
    let resolver = Resolver::new(vec![caching.address()], clock);
    let name = "www.example.org.".parse().unwrap();
    for _ in 0..5 {
        let records = namespace
            .inside(|| block_on(resolver.resolve_afresh(&name)))
            .unwrap();
        assert_eq!(locators(&records), ["2001:db8:c::/64"]);
    }
}
