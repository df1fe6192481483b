//! Servers that are down for a while.

use std::time::{Duration, Instant};

use tests::name_servers::tools::await_answer;
use tests::name_servers::{Key, Software};

use super::host::{Host, at, publication};
use super::{AWAY, HOME, HOST, PRIMARIES, primary};

const SOON: Duration = Duration::from_secs(1);

#[test]
fn a_primary_that_comes_back_is_brought_up_to_date() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let mut server = primary(software, &key);
        let host = Host::start(publication(&[server.address()], &key));
        host.publish(&at(&[HOME]));
        server.kill().unwrap();

        let moved = Instant::now();
        host.want(at(&[AWAY]));
        assert_eq!(host.problem().0, "unreachable");
        let status = host.status().primaries[0].clone();
        assert_eq!(status.confirmed.unwrap().host, at(&[HOME]));
        assert!(status.trying.unwrap().since >= moved);

        server.start_again().unwrap();
        host.wait(|status| status.primaries[0].trying.is_none());
        await_answer(&server, HOST, "L64", &["10 2001:db8:b:0"], SOON).unwrap();
        let confirmed = host.status().primaries[0].confirmed.clone().unwrap();
        assert!(confirmed.host == at(&[AWAY]) && confirmed.since > moved);
    }
}

#[test]
fn one_primary_does_not_wait_for_the_other() {
    let key = Key::generate(HOST).unwrap();
    let [mut down, up] = [Software::Knot, Software::Bind].map(|software| primary(software, &key));
    down.kill().unwrap();
    let host = Host::start(publication(&[down.address(), up.address()], &key));
    host.want(at(&[HOME]));
    host.wait(|status| status.primaries[1].confirmed.is_some());
    await_answer(&up, HOST, "L64", &["10 2001:db8:a:0"], SOON).unwrap();
    assert!(host.status().primaries[0].confirmed.is_none());

    down.start_again().unwrap();
    host.wait(|status| status.primaries[0].confirmed.is_some());
    await_answer(&down, HOST, "L64", &["10 2001:db8:a:0"], SOON).unwrap();
}
