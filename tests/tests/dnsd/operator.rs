//! What an operator does: checks files, reloads, stops.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::dns::tsig::Signer;
use tests::dns::{compose, exchange, rcode, rtype};
use tests::name_servers::{Key, Software};

use crate::fixture::{Fixture, HOST, TEXT, ZONE, setup};

/// Runs `ilnp-dnsd --check` on a configuration with this zone file, and returns its exit status and
/// what it says.
fn check(zone: &str, more: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    fs::write(place.join("example.org.zone"), zone).unwrap();
    let text = format!(
        "listen = [\"127.0.0.1:5300\"]\nstate-dir = \"{}\"\n\
         [[zone]]\nname = \"{ZONE}\"\nfile = \"example.org.zone\"\n{more}",
        place.join("state").display()
    );
    let file = place.join("dnsd.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(tests::program("ilnp-dnsd"));
    let output = command
        .arg("--config")
        .arg(file)
        .arg("--check")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(!place.join("state").exists(), "--check makes nothing");
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn a_zone_file_with_a_mistake_is_told_with_its_place() {
    let head = "$TTL 5\n@ SOA ns hostmaster 1 3600 600 86400 5\n@ NS ns\nns A 127.0.0.1\n";
    assert_eq!(check(head, "").0, Some(0), "{:?}", check(head, ""));
    for (line, place) in [
        ("vm1 L64 10 2001:0db8::1", ":5:12"),
        ("vm1 L64 65536 2001:0db8:0:0", ":5:9"),
        ("vm1 NID 10 0214:4fff:fe20", ":5:12"),
        ("vm1 L32 10 10.1.2", ":5:12"),
        ("vm1 LP 10 vm1", ":5:5"),
        ("vm1 NONSENSE 10", ":5:5"),
        ("vm1 TXT \"open", ":5:9"),
        ("vm1 A ( 127.0.0.1", ":5:7"),
    ] {
        let (status, said) = check(&format!("{head}{line}\n"), "");
        assert_eq!(status, Some(2), "{line}: {said}");
        let wanted = format!("example.org.zone{place}");
        assert!(said.contains(&wanted), "{line}: no {wanted} in {said}");
    }
}

#[test]
fn a_configuration_with_a_mistake_is_told_with_its_place() {
    for (line, place) in [
        ("unknown = 1", "dnsd.toml:6:1"),
        ("transfer-key = \"nobody\"", "dnsd.toml:6:16"),
        ("notify = [\"host:53\"]", "dnsd.toml:6:11"),
    ] {
        let (status, said) = check(TEXT, line);
        assert_eq!(status, Some(2), "{line}: {said}");
        assert!(said.contains(place), "{line}: no {place} in {said}");
    }
}

#[test]
fn a_reload_takes_new_keys_and_grants_and_drops_old_ones() {
    let mut fixture = Fixture::start();
    let file = fixture.server.directory().join("dnsd.toml");
    let text = fs::read_to_string(&file).unwrap();
    let name = format!("new.{ZONE}");
    let key = Key::generate(&name).unwrap();
    key.write(fixture.server.directory()).unwrap();
    // The new host takes the place of the old one.
    fs::write(&file, text.replace(HOST, &name)).unwrap();
    fixture.server.signal(Signal::SIGHUP);

    let signer = Signer::new(&key).unwrap();
    let change = compose::add(&name, rtype::L64, &compose::preferred(10, 5));
    let end = Instant::now() + Duration::from_secs(5);
    while fixture
        .update(&signer, &[], std::slice::from_ref(&change))
        .rcode()
        != rcode::NOERROR
    {
        assert!(Instant::now() < end, "{}", fixture.server.log_end());
    }
    let answer = fixture.update(&fixture.host, &[], &[change]);
    assert_eq!(answer.rcode(), rcode::NOTAUTH, "its key is gone");
    // What the zone had stays.
    assert_eq!(fixture.ask(HOST, rtype::L64).data(rtype::L64).len(), 1);
}

#[test]
fn a_reload_of_a_wrong_file_changes_nothing() {
    let mut fixture = Fixture::start();
    let file = fixture.server.directory().join("dnsd.toml");
    fs::write(&file, "listen = 5\n").unwrap();
    fixture.server.signal(Signal::SIGHUP);
    let end = Instant::now() + Duration::from_secs(5);
    while !fixture.server.log().contains("dnsd.toml:1") {
        assert!(Instant::now() < end, "{}", fixture.server.log_end());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fixture.move_host(3), rcode::NOERROR);
}

#[test]
fn new_zones_come_with_a_reload() {
    let mut fixture = Fixture::start();
    let directory = fixture.server.directory().to_owned();
    let zone = "@ 5 SOA ns hostmaster 1 3600 600 86400 5\n@ 5 NS ns\nns 5 A 127.0.0.1\n";
    fs::write(directory.join("example.net.zone"), zone).unwrap();
    let file = directory.join("dnsd.toml");
    let text = fs::read_to_string(&file).unwrap();
    let more = "\n[[zone]]\nname = \"example.net\"\nfile = \"example.net.zone\"\n";
    fs::write(&file, text + more).unwrap();
    fixture.server.signal(Signal::SIGHUP);
    let question = compose::query(1, "ns.example.net", rtype::A);
    exchange::until(
        fixture.address(),
        &question,
        Duration::from_secs(5),
        |answer| answer.data(rtype::A).len() == 1,
    )
    .unwrap();
}

#[test]
fn a_second_server_on_the_same_files_says_why_it_does_not_start() {
    let first = Software::Dnsd.start(&setup(TEXT, &[])).unwrap();
    let mut second = Command::new(tests::program("ilnp-dnsd"));
    second
        .arg("--config")
        .arg(first.directory().join("dnsd.toml"));
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("state") || said.contains("in use"), "{said}");
}
