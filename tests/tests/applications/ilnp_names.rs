//! Names of hosts that speak ILNP.

use std::net::IpAddr;

use ilnp_dns::stub::Ipv4;
use ilnp_hostd::names::install::Way;
use tests::machine::sh;

use crate::home::{CLASSIC, Home, IPV4, Kind, handle};
use crate::program::Program;

fn names() -> [&'static str; 2] {
    ["vm1.example.org", "www.example.org"]
}

/// Every program gets the handle and nothing else, and reaches the correspondent by it.
fn everybody_uses_the_handle(home: &Home) {
    let handle = IpAddr::V6(handle());
    for program in Program::all(home.machine.directory()) {
        for name in names() {
            if let Some(addresses) = program.addresses(name) {
                assert_eq!(addresses, [handle], "{} {name}", program.name);
            }
            if let Some(address) = program.reaches(name) {
                assert_eq!(address, handle, "{} {name}", program.name);
            }
        }
    }
}

#[test]
fn every_program_uses_the_handle() {
    let home = Home::start();
    assert_eq!(home.tended.way, Some(Way::ResolvConf));
    everybody_uses_the_handle(&home);
}

#[test]
fn every_program_uses_the_handle_through_systemd_resolved() {
    let home = Home::with(Kind {
        resolved: true,
        ..Kind::default()
    });
    assert_eq!(home.tended.way, Some(Way::Resolved));
    everybody_uses_the_handle(&home);
    let said = sh("resolvectl query vm1.example.org").unwrap();
    assert!(said.contains(&handle().to_string()), "{said}");
    assert!(!said.contains(IPV4), "{said}");
}

#[test]
fn without_the_stub_resolver_every_program_is_where_it_was() {
    let mut home = Home::start();
    home.without_stub();
    let classic: IpAddr = CLASSIC.parse().unwrap();
    for program in Program::all(home.machine.directory()) {
        if let Some(address) = program.reaches("vm1.example.org") {
            assert_eq!(address, classic, "{}", program.name);
        }
    }
}

#[test]
fn a_host_without_locators_reaches_everybody_as_before() {
    let home = Home::with(Kind {
        detached: true,
        ..Kind::default()
    });
    let classic: IpAddr = CLASSIC.parse().unwrap();
    for program in Program::all(home.machine.directory()) {
        if let Some(address) = program.reaches("vm1.example.org") {
            assert_eq!(address, classic, "{}", program.name);
        }
    }
}

/// Why A records are hidden: RFC 6724 §2.1 prefers IPv4 (precedence 35) to fc00::/7 (3). musl
/// follows it; the glibc of Debian 12 still has the table of RFC 3484.
#[test]
fn with_a_records_kept_musl_leaves_the_handle() {
    let home = Home::with(Kind {
        ipv4: Ipv4::Keep,
        ..Kind::default()
    });
    let (handle, ipv4): (IpAddr, IpAddr) = (handle().into(), IPV4.parse().unwrap());
    for program in Program::all(home.machine.directory()) {
        let first = if program.name.contains("musl") {
            [ipv4, handle]
        } else {
            [handle, ipv4]
        };
        if let Some(addresses) = program.addresses("vm1.example.org") {
            assert_eq!(addresses, first, "{}", program.name);
        }
    }
}

#[test]
fn logs_show_the_name() {
    let _home = Home::start();
    let handle = handle();
    let reverse = format!("getent hosts {handle}");
    // Nobody asked for the name yet: there is nothing to tell, and no hang.
    assert!(sh(&reverse).is_err());
    sh("getent ahosts vm1.example.org").unwrap();
    let said = sh(&reverse).unwrap();
    assert!(said.contains("vm1.example.org"), "{said}");
    let said = sh("ping -c 1 vm1.example.org").unwrap();
    let from = format!("from vm1.example.org ({handle})");
    assert!(said.contains(&from), "{said}");
    let python =
        format!("python3 -c 'import socket; print(socket.getnameinfo((\"{handle}\", 80), 0)[0])'");
    assert_eq!(sh(&python).unwrap().trim(), "vm1.example.org");
    let said = sh(&format!("busybox nslookup {handle}")).unwrap();
    assert!(said.contains("vm1.example.org"), "{said}");
}

#[test]
fn programs_that_speak_dns_themselves_get_the_handle() {
    let _home = Home::start();
    let handle = handle().to_string();
    for line in [
        "dig +short vm1.example.org AAAA",
        "dig +tcp +short vm1.example.org AAAA",
        "dig +noedns +short vm1.example.org AAAA",
        "kdig +short vm1.example.org AAAA",
        "host -t AAAA vm1.example.org",
        "busybox nslookup vm1.example.org",
    ] {
        let said = sh(line).unwrap();
        assert!(said.contains(&handle), "{line}: {said}");
        assert!(
            !said.contains(CLASSIC) && !said.contains(IPV4),
            "{line}: {said}"
        );
    }
    // The records themselves are everybody's to see.
    let said = sh("dig +short vm1.example.org NID; dig +short vm1.example.org L64").unwrap();
    assert_eq!(said, "10 214:4fff:fe20:ee64\n10 2001:db8:a:0\n");
}
