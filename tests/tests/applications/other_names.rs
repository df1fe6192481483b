//! Everything else passes through: what programs see is what they saw before.

use std::net::IpAddr;

use tests::machine::sh;

use crate::home::{CLASSIC, Home, IPV4, Kind, NAME_SERVER};
use crate::program::Program;

#[test]
fn every_program_gets_the_classic_addresses() {
    for resolved in [false, true] {
        // Each machine needs a thread of its own.
        let test = std::thread::spawn(move || {
            let home = Home::with(Kind {
                resolved,
                ..Kind::default()
            });
            let (ipv6, ipv4): (IpAddr, IpAddr) = (CLASSIC.parse().unwrap(), IPV4.parse().unwrap());
            for program in Program::all(home.machine.directory()) {
                for name in ["classic.example.org", "a.wild.example.org"] {
                    let both: &[IpAddr] = match name {
                        "classic.example.org" => &[ipv6, ipv4],
                        _ => &[ipv6],
                    };
                    if let Some(addresses) = program.addresses(name) {
                        assert_eq!(addresses, both, "{} {name}", program.name);
                    }
                    if let Some(address) = program.reaches(name) {
                        assert_eq!(address, ipv6, "{} {name}", program.name);
                    }
                }
            }
        });
        test.join().unwrap();
    }
}

#[test]
fn every_other_type_is_answered_as_the_name_server_does() {
    let _home = Home::start();
    for question in [
        "example.org SOA",
        "example.org NS",
        "example.org MX",
        "_http._tcp.example.org SRV",
        "text.example.org TXT",
        "classic.example.org A",
        "classic.example.org AAAA",
        "www.example.org CNAME",
        "vm1.example.org NID",
        "vm1.example.org L64",
        "nobody.example.org AAAA",
        "text.example.org AAAA",
        "vm1.example.org TYPE65280",
    ] {
        for options in ["", "+tcp", "+noedns", "+dnssec", "+cd +ad", "+norecurse"] {
            let ask = |server: &str| {
                let line = format!(
                    "dig @{server} +noall +comments +answer +authority +additional \
                     +tries=1 +time=3 +nocookie {options} {question}"
                );
                let said = sh(&line).unwrap();
                // Everything but the number of the query.
                let lines = said.lines().map(|line| match line.split_once(", id: ") {
                    Some((before, _)) => before.to_owned(),
                    None => line.to_owned(),
                });
                lines.collect::<Vec<_>>()
            };
            assert_eq!(ask("::1"), ask(NAME_SERVER), "{question} {options}");
        }
    }
}

#[test]
fn a_name_that_does_not_exist_is_refused_at_once() {
    let home = Home::start();
    for name in ["nobody.example.org", "text.example.org"] {
        let start = std::time::Instant::now();
        assert!(sh(&format!("getent ahosts {name}")).is_err());
        assert!(sh(&format!("busybox wget -q -O - http://{name}/")).is_err());
        assert!(start.elapsed().as_secs() < 2, "{name}");
    }
    drop(home);
}
