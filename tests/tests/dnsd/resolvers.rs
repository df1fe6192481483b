//! Resolvers in front of the server.

use std::time::Duration;

use tests::dns::{class, compose, rcode, rtype};
use tests::name_servers::tools::{await_answer, dig};
use tests::name_servers::{Role, Setup, Software};

use crate::fixture::{Fixture, ZONE};

const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn resolvers_pass_every_type_on() {
    let fixture = Fixture::start();
    for software in [Software::Unbound, Software::Bind] {
        let setup = Setup::new().zone(ZONE, Role::Stub(fixture.address()));
        let resolver = software.start(&setup).unwrap();
        for (host, rtype, wanted) in [
            ("vm1", "NID", vec!["10 214:4fff:fe20:ee64"]),
            ("vm1", "L64", vec!["10 2001:db8:a:0"]),
            ("vm3", "LP", vec!["10 site.example.org."]),
            ("vm3", "L32", vec!["10 10.1.2.0"]),
            ("h9.mob", "L64", vec!["10 2001:db8:e:0"]),
            ("vm2", "L64", vec!["10 2001:db8:b:0", "20 2001:db8:c:0"]),
            ("vm1", "AAAA", vec!["2001:db8:a:0:214:4fff:fe20:ee64"]),
            ("vm1", "TXT", vec![]),
        ] {
            let name = format!("{host}.{ZONE}");
            await_answer(&resolver, &name, rtype, &wanted, LIMIT)
                .unwrap_or_else(|error| panic!("{error}\n{}", resolver.log_end()));
        }
        let said = dig(&resolver, &["no.example.org", "L64"]).unwrap();
        assert!(said.contains("NXDOMAIN"), "{said}");
    }
}

#[test]
fn records_with_a_ttl_of_zero_do_not_stay_in_caches() {
    // A cache that counts in seconds may keep them until its clock ticks.
    const TICK: Duration = Duration::from_secs(2);
    let fixture = Fixture::start();
    let name = format!("vm2.{ZONE}");
    for software in [Software::Unbound, Software::Bind] {
        let setup = Setup::new().zone(ZONE, Role::Stub(fixture.address()));
        let resolver = software.start(&setup).unwrap();
        for digit in b'1'..=b'3' {
            let changes = [
                compose::delete(&name, rtype::TXT),
                compose::record(&name, rtype::TXT, class::IN, 0, &[1, digit]),
            ];
            let answer = fixture.update(&fixture.admin, &[], &changes);
            assert_eq!(answer.rcode(), rcode::NOERROR);
            let wanted = format!("\"{}\"", char::from(digit));
            await_answer(&resolver, &name, "TXT", &[&wanted], TICK)
                .unwrap_or_else(|error| panic!("{error}\n{}", resolver.log_end()));
        }
    }
}
