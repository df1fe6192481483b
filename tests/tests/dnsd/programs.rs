//! The programs of others ask, update and transfer.

use std::process::Command;
use std::time::Duration;

use tests::name_servers::NameServer;
use tests::name_servers::tools::{await_answer, dig, knsupdate, nsupdate};
use tests::session;

use crate::fixture::{Fixture, HOST, TRANSFER, ZONE};

const SOON: Duration = Duration::from_secs(2);

fn replace(locator: &str) -> String {
    format!("zone {ZONE}\nupdate delete {HOST} L64\nupdate add {HOST} 5 L64 10 {locator}")
}

fn at(server: &NameServer, program: &str, arguments: &[&str]) -> String {
    let ip = format!("@{}", server.address().ip());
    let port = server.address().port().to_string();
    let mut command = Command::new(program);
    session::output(command.args([&ip, "-p", &port]).args(arguments)).unwrap()
}

#[test]
fn nsupdate_and_knsupdate_change_a_host() {
    let fixture = Fixture::start();
    let server = &fixture.server;
    nsupdate(server, Some(HOST), &replace("2001:0db8:0001:0000")).unwrap();
    await_answer(server, HOST, "L64", &["10 2001:db8:1:0"], SOON).unwrap();
    knsupdate(server, Some(HOST), &replace("2001:0db8:0002:0000")).unwrap();
    await_answer(server, HOST, "L64", &["10 2001:db8:2:0"], SOON).unwrap();

    let prerequisite = format!("zone {ZONE}\nprereq yxrrset {HOST} L64 10 2001:0db8:0002:0000\n");
    let lines = prerequisite.clone() + &replace("2001:0db8:0003:0000");
    nsupdate(server, Some(HOST), &lines).unwrap();
    let lines = prerequisite + &replace("2001:0db8:0004:0000");
    let said = nsupdate(server, Some(HOST), &lines)
        .unwrap_err()
        .to_string();
    assert!(said.contains("NXRRSET"), "{said}");
    await_answer(server, HOST, "L64", &["10 2001:db8:3:0"], SOON).unwrap();

    let elsewhere = format!("zone {ZONE}\nupdate add vm2.{ZONE} 5 L64 10 1:2:3:4");
    let said = nsupdate(server, Some(HOST), &elsewhere)
        .unwrap_err()
        .to_string();
    assert!(said.contains("REFUSED"), "{said}");
}

#[test]
fn nsupdate_finds_the_zone_by_itself() {
    let fixture = Fixture::start();
    let line = format!("update add {HOST} 5 L64 20 2001:0db8:0009:0000");
    nsupdate(&fixture.server, Some(HOST), &line).unwrap();
    let both = ["10 2001:db8:a:0", "20 2001:db8:9:0"];
    await_answer(&fixture.server, HOST, "L64", &both, SOON).unwrap();
}

#[test]
fn dnspython_changes_a_host() {
    let fixture = Fixture::start();
    let (server, key) = (&fixture.server, fixture.server.key(HOST));
    let script = format!(
        "import dns.query, dns.update, dns.tsigkeyring\n\
         keys = dns.tsigkeyring.from_text({{'{HOST}': ('hmac-sha256', '{}')}})\n\
         update = dns.update.Update('{ZONE}', keyring=keys)\n\
         update.replace('vm1', 5, 'L64', '10 2001:0db8:0005:0000')\n\
         update.replace('vm1', 3600, 'NID', '10 0214:4fff:fe20:ee99')\n\
         for ask in (dns.query.udp, dns.query.tcp):\n    \
             print(ask(update, '{}', port={}, timeout=5).rcode())\n",
        key.secret,
        server.address().ip(),
        server.address().port()
    );
    // The package is for the interpreter of the distribution.
    let mut python = Command::new("/usr/bin/python3");
    let said = session::output(python.args(["-c", &script])).unwrap();
    assert_eq!(said, "0\n0\n");
    await_answer(server, HOST, "L64", &["10 2001:db8:5:0"], SOON).unwrap();
    await_answer(server, HOST, "NID", &["10 214:4fff:fe20:ee99"], SOON).unwrap();
}

#[test]
fn dig_kdig_and_drill_show_the_same_records() {
    let fixture = Fixture::start();
    let server = &fixture.server;
    for (rtype, by_dig, padded) in [
        ("NID", "10 214:4fff:fe20:ee64", "10 0214:4fff:fe20:ee64"),
        ("L64", "10 2001:db8:a:0", "10 2001:0db8:000a:0000"),
    ] {
        let said = dig(server, &[HOST, rtype, "+short"]).unwrap();
        assert_eq!(said.trim(), by_dig);
        let said = at(server, "kdig", &[HOST, rtype, "+short"]).to_lowercase();
        assert_eq!(said.trim(), padded);
        let said = at(server, "drill", &[HOST, rtype]);
        assert!(said.to_lowercase().contains(padded), "{said}");
    }
    let lp = format!("vm3.{ZONE}");
    let said = at(server, "kdig", &[&lp, "LP", "+short"]);
    assert_eq!(said.trim(), format!("10 site.{ZONE}."));
}

#[test]
fn tools_transfer_the_zone() {
    let fixture = Fixture::start();
    let server = &fixture.server;
    let key = server.key_file(TRANSFER).display().to_string();
    let said = dig(server, &["-k", &key, ZONE, "AXFR"]).unwrap();
    for record in [
        "L64\t10 2001:db8:d:0",
        "NID\t10 214:4fff:fe20:ee65",
        "LP\t10 site",
    ] {
        assert!(said.contains(record), "no {record} in {said}");
    }
    let key = server.key(TRANSFER);
    let key = format!("{}:{}:{}", key.algorithm, key.name, key.secret);
    let said = at(server, "kdig", &["-y", &key, ZONE, "AXFR"]);
    assert!(said.contains("2001:0DB8:000D:0000"), "{said}");

    let said = dig(server, &[ZONE, "AXFR"]).unwrap();
    assert!(said.contains("Transfer failed"), "without the key: {said}");
    let key = server.key_file(HOST).display().to_string();
    let said = dig(server, &["-k", &key, ZONE, "AXFR"]).unwrap();
    assert!(said.contains("Transfer failed"), "with another key: {said}");
}
