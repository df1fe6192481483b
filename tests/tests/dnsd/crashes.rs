//! Nothing that was acknowledged is lost.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tests::dns::{compose, exchange, rcode, rtype};
use tests::load::updates::{Done, Updater};
use tests::name_servers::{Key, NameServer, Role, Setup, Software};

use crate::fixture::{Fixture, TEXT, ZONE};

const KILLS: usize = 200;
/// More hosts than updates in flight: no two updates of a host are.
const HOSTS: usize = 12;
const WINDOW: usize = 8;
/// A server that was killed does not answer.
const PATIENCE: Duration = Duration::from_millis(100);

#[test]
fn two_hundred_crashes_lose_no_acknowledged_update() {
    let keys: Vec<Key> = (0..HOSTS)
        .map(|number| Key::generate(&format!("m{number}.{ZONE}")).unwrap())
        .collect();
    let mut setup = Setup::new().zone(ZONE, Role::primary(TEXT));
    setup.keys.clone_from(&keys);
    let mut server = Software::Dnsd.start(&setup).unwrap();
    let updater = Updater::new(server.address(), ZONE, &keys).unwrap();
    let mut updater = updater.impatient(PATIENCE);
    let mut random = StdRng::seed_from_u64(9);
    let mut acknowledged = vec![0; HOSTS];
    let mut serial = 0;
    let mut total = 0;
    for number in 0..KILLS {
        let moment = Duration::from_micros(random.random_range(0..30_000));
        let done = crash(&mut server, &mut updater, moment);
        total += done.len();
        for Done { host, locator } in done {
            acknowledged[host] = locator.max(acknowledged[host]);
        }
        server
            .start_again()
            .unwrap_or_else(|error| panic!("after {number} crashes: {error}"));
        for (key, &least) in keys.iter().zip(&acknowledged) {
            let found = locator(&server, &key.name);
            // What was in flight may have been done, too.
            assert!(
                found >= least,
                "crash {number}: {} is {found:x}, not {least:x}",
                key.name
            );
        }
        let found = serial_of(&server);
        assert!(
            found >= serial,
            "crash {number}: serial {found} after {serial}"
        );
        serial = found;
    }
    assert!(total > KILLS, "only {total} updates were acknowledged");
}

/// Kills the server that many moments after the first updates, and returns what it acknowledged.
fn crash(server: &mut NameServer, updater: &mut Updater, moment: Duration) -> Vec<Done> {
    let mut done = vec![];
    std::thread::scope(|scope| {
        let updating = scope.spawn(|| updater.run(WINDOW, |_| false, &mut done));
        std::thread::sleep(moment);
        server.kill().unwrap();
        let ended = updating.join().unwrap().unwrap_err();
        // It fell silent, or its port was closed; none was refused.
        assert!(!ended.to_string().contains("response code"), "{ended}");
    });
    done
}

/// Zero without one.
fn locator(server: &NameServer, host: &str) -> u64 {
    let question = compose::query(1, host, rtype::L64);
    let answer = exchange::udp(server.address(), &question).unwrap();
    let data = answer.data(rtype::L64);
    assert!(data.len() <= 1, "{answer:?}");
    data.first()
        .map_or(0, |data| u64::from_be_bytes(data[2..].try_into().unwrap()))
}

fn serial_of(server: &NameServer) -> u32 {
    let question = compose::query(1, ZONE, rtype::SOA);
    let answer = exchange::udp(server.address(), &question).unwrap();
    let soa = answer.data(rtype::SOA)[0];
    u32::from_be_bytes(soa[soa.len() - 20..soa.len() - 16].try_into().unwrap())
}

#[test]
fn a_restart_keeps_everything() {
    let mut fixture = Fixture::start();
    for step in 1..=20 {
        assert_eq!(fixture.move_host(step), rcode::NOERROR);
    }
    let before = fixture.records();
    fixture.server.stop().unwrap();
    // Read once, when the zone was new.
    let file = fixture.server.directory().join(format!("{ZONE}.zone"));
    std::fs::write(file, TEXT.replace("a text", "another text")).unwrap();
    fixture.server.start_again().unwrap();
    assert_eq!(fixture.records(), before);
}
