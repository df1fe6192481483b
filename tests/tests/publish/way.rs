//! Which way updates go.

use std::net::{Ipv6Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use ilnp_dns::publish::Publication;
use nix::sched::{CloneFlags, unshare};
use tests::name_servers::Key;
use tests::session;

use super::host::{Host, at, publication};
use super::{APEX, AWAY, HOME, HOST};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn an_update_goes_from_the_address_that_it_tells_of() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test makes a network namespace: run it as root");
    let ip = |words: &str| session::output(Command::new("ip").args(words.split(' '))).unwrap();
    ip("link set lo up");
    let home = "2001:db8:a:0:214:4fff:fe20:ee64";
    let away = "2001:db8:b:0:214:4fff:fe20:ee64";
    ip(&format!("address add {home}/128 dev lo nodad"));

    let server = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    let came_from = || server.recv_from(&mut [0; 2000]).unwrap().1.ip().to_string();
    let address = server.local_addr().unwrap();
    let key = Key::generate(HOST).unwrap();
    let host = Host::start(Publication {
        zone: Some(format!("{APEX}.").parse().unwrap()),
        ..publication(&[address], &key)
    });

    host.want(at(&[HOME]));
    assert_eq!(came_from(), home);
    // What gets no answer is left to the kernel, and so is an address that is not there yet.
    let chosen = Ipv6Addr::LOCALHOST.to_string();
    assert_eq!(came_from(), chosen);
    host.want(at(&[AWAY, HOME]));
    assert_eq!(came_from(), chosen);

    ip(&format!("address add {away}/128 dev lo nodad"));
    host.want(at(&[AWAY]));
    // Those of before may be on their way.
    assert!((0..3).any(|_| came_from() == away));
}
