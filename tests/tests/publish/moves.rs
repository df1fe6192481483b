//! What others see of a host that moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ilnp_dns::exchange::{exchange, fresh_id};
use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::publish::Publication;
use ilnp_dns::record::{Class, RecordType};
use tests::name_servers::tools::{dig, nsupdate};
use tests::name_servers::{Key, NameServer, Role, Setup, Software};

use super::host::{Host, at, publication};
use super::{APEX, AWAY, HOME, HOST, PRIMARIES, ZONE, primary};

/// The name at which the site publishes its Locators.
const SITE: &str = "site1.example.org";
const LIMIT: Duration = Duration::from_secs(5);

/// What a primary has, as `dig +short` prints it.
fn answer(server: &NameServer, name: &str, rtype: &str) -> String {
    dig(server, &[name, rtype, "+short"]).unwrap()
}

#[test]
fn a_host_appears_and_moves_with_every_algorithm() {
    for software in PRIMARIES {
        for algorithm in ["hmac-sha256", "hmac-sha384", "hmac-sha512"] {
            let key = Key::with_algorithm(HOST, algorithm).unwrap();
            let server = primary(software, &key);
            let host = Host::start(publication(&[server.address()], &key));
            host.publish(&at(&[HOME]));
            assert_eq!(answer(&server, HOST, "NID"), "10 214:4fff:fe20:ee64\n");
            assert_eq!(answer(&server, HOST, "L64"), "10 2001:db8:a:0\n");
            assert_eq!(
                answer(&server, HOST, "AAAA"),
                "2001:db8:a:0:214:4fff:fe20:ee64\n"
            );
            let zone = host.status().primaries[0].zone.clone().unwrap();
            assert_eq!(zone.to_string(), format!("{APEX}."));

            // First both, then the new one alone.
            host.publish(&at(&[AWAY, HOME]));
            let both = answer(&server, HOST, "L64");
            let mut both: Vec<_> = both.lines().collect();
            both.sort_unstable();
            assert_eq!(both, ["10 2001:db8:b:0", "20 2001:db8:a:0"]);
            host.publish(&at(&[AWAY]));
            assert_eq!(answer(&server, HOST, "L64"), "10 2001:db8:b:0\n");
            assert_eq!(
                answer(&server, HOST, "AAAA"),
                "2001:db8:b:0:214:4fff:fe20:ee64\n"
            );
        }
    }
}

#[test]
fn times_to_live_are_those_that_are_configured() {
    let key = Key::generate(HOST).unwrap();
    let server = primary(Software::Bind, &key);
    let host = Host::start(Publication {
        ttl: 0,
        nid_ttl: 86_400,
        ..publication(&[server.address()], &key)
    });
    host.publish(&at(&[HOME]));
    for (rtype, ttl) in [("NID", "86400"), ("L64", "0"), ("AAAA", "0")] {
        let said = dig(&server, &[HOST, rtype, "+noall", "+answer"]).unwrap();
        assert_eq!(said.split_whitespace().nth(1), Some(ttl), "{said}");
    }
}

#[test]
fn a_move_of_a_site_is_one_update() {
    for software in PRIMARIES {
        let (key, site) = (Key::generate(HOST).unwrap(), Key::generate(SITE).unwrap());
        let setup = Setup::new().key(&key).key(&site);
        let setup = setup.zone(APEX, Role::primary(ZONE));
        let server = software.start(&setup).unwrap();
        let host = Host::start(Publication {
            lp: vec![format!("{SITE}.").parse().unwrap()],
            ..publication(&[server.address()], &key)
        });
        host.publish(&at(&[HOME]));
        let serial = || -> u32 {
            let soa = answer(&server, APEX, "SOA");
            soa.split(' ').nth(2).unwrap().parse().unwrap()
        };
        let before = serial();
        assert_eq!(answer(&server, HOST, "LP"), format!("10 {SITE}.\n"));

        let moved = format!(
            "zone {APEX}\nupdate delete {SITE} L64\n\
             update add {SITE} 5 L64 10 2001:0db8:000b:0000"
        );
        nsupdate(&server, Some(SITE), &moved).unwrap();
        assert_eq!(answer(&server, SITE, "L64"), "10 2001:db8:b:0\n");
        assert_eq!(serial(), before + 1, "{software:?}");
        assert_eq!(answer(&server, HOST, "L64"), "");
        // Hosts without ILNP find it where the server makes AAAA records.
        let address = match software {
            Software::Dnsd => "2001:db8:b:0:214:4fff:fe20:ee64\n",
            _ => "",
        };
        assert_eq!(answer(&server, HOST, "AAAA"), address);
    }
}

/// Asks one server until it is told to stop: how often, and each answer that was not one L64 or
/// AAAA record.
fn watch(server: &NameServer, rtype: RecordType, stop: &AtomicBool) -> (usize, Vec<Message>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let (mut asked, mut odd) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let mut query = Message::request(fresh_id(), Opcode::QUERY);
        query.questions.push(Question {
            name: format!("{HOST}.").parse().unwrap(),
            rtype,
            class: Class::IN,
        });
        let query = query.to_wire(512);
        let answer = runtime.block_on(exchange(server.address(), &query, LIMIT));
        let answer = Message::from_wire(&answer.unwrap()).unwrap();
        asked += 1;
        if answer.rcode != Rcode::NOERROR || answer.answers.len() != 1 {
            odd.push(answer);
        }
    }
    (asked, odd)
}

/// Tells those who watch to stop, whatever becomes of the test.
struct Stops(Arc<AtomicBool>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nobody_sees_a_host_without_its_records_while_it_moves() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = Arc::new(primary(software, &key));
        let host = Host::start(publication(&[server.address()], &key));
        host.publish(&at(&[HOME]));
        let stop = Arc::new(AtomicBool::new(false));
        let watchers = [RecordType::L64, RecordType::AAAA, RecordType::NID].map(|rtype| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            std::thread::spawn(move || watch(&server, rtype, &stop))
        });
        // Watchers have the server, which would outlive a test that failed.
        let stopped = Stops(stop);
        for number in 0..100 {
            host.publish(&at(&[&format!("2001:db8:{number:x}::/64")]));
        }
        drop(stopped);
        for watcher in watchers {
            let (asked, odd) = watcher.join().unwrap();
            assert!(asked > 0);
            assert!(odd.is_empty(), "{software:?}, of {asked}: {odd:?}");
        }
    }
}

#[test]
fn the_newest_of_many_changes_is_what_stays() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        let host = Host::start(publication(&[server.address()], &key));
        for number in 0..200 {
            host.want(at(&[&format!("2001:db8:{number:x}::/64")]));
            if number % 3 == 0 {
                std::thread::sleep(Duration::from_micros(300 * number));
            }
        }
        host.publish(&at(&[AWAY]));
        // One that was given up may arrive last; the newest is then published again.
        std::thread::sleep(Duration::from_secs(6));
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            assert_eq!(
                answer(&server, HOST, "L64"),
                "10 2001:db8:b:0\n",
                "{software:?}"
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}
