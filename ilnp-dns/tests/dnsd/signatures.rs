//! Requests whose signature does not hold, and requests that come twice.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;

use ilnp_dns::exchange::unix_now;
use ilnp_dns::key::TsigKey;
use ilnp_dns::message::{Message, Rcode};
use ilnp_dns::record::RecordType;
use ilnp_dns::tsig::sign_request;

use crate::world::{PATIENCE, Server, World, l64, question, replace_l64};

const HOST: &str = "vm1.example.org.";

/// Sends octets by UDP and gives those that come back.
fn send(server: &Server, octets: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(octets, server.address).unwrap();
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn signed(number: u32, key: &Arc<TsigKey>, at: u64) -> Vec<u8> {
    let mut octets = replace_l64(HOST, &[l64(number)]).to_wire(65_535);
    sign_request(&mut octets, key, at);
    octets
}

/// The error in the TSIG record at the end of a message without other additional records.
fn tsig_error(octets: &[u8], key: &TsigKey) -> u16 {
    // Behind the header, the zone section, the owner, type, class, TTL, length, algorithm, timers.
    let mut at = 12 + 17 + key.name().wire().len() + 10 + 13 + 8;
    let mac = u16::from_be_bytes([octets[at], octets[at + 1]]);
    at += 2 + usize::from(mac) + 2;
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn rcode(octets: &[u8]) -> Rcode {
    Message::from_wire(octets).unwrap().rcode
}

#[test]
fn what_is_signed_wrongly_or_late_changes_nothing() {
    let world = World::new();
    let server = world.start();
    let key = world.key("vm1");
    world.write(
        "wrong.key",
        "key \"vm1\" { algorithm hmac-sha256; secret \"d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=\"; };",
    );
    let wrong = Arc::new(TsigKey::read(&world.path().join("wrong.key")).unwrap());
    world.write_key("nobody");
    let nobody = world.key("nobody");

    let now = unix_now();
    for (octets, key, error) in [
        (signed(9, &wrong, now), &wrong, Rcode::BADSIG),
        (signed(9, &nobody, now), &nobody, Rcode::BADKEY),
        (signed(9, &key, now - 1000), &key, Rcode::BADTIME),
        (signed(9, &key, now + 1000), &key, Rcode::BADTIME),
    ] {
        let answer = send(&server, &octets);
        assert_eq!(rcode(&answer), Rcode::NOTAUTH, "{error:?}");
        assert_eq!(tsig_error(&answer, key), error.0);
    }
    let unsigned = replace_l64(HOST, &[l64(9)]).to_wire(65_535);
    assert_eq!(rcode(&send(&server, &unsigned)), Rcode::REFUSED);
    world.wait_for(&server, HOST, RecordType::L64, &[l64(1)]);
}

#[test]
fn an_update_that_comes_again_is_not_done_again() {
    let world = World::new();
    let server = world.start();
    let key = world.key("vm1");
    let now = unix_now();
    // In one second.
    let (first, last) = (signed(2, &key, now), signed(3, &key, now));
    for octets in [&first, &first, &last, &last] {
        assert_eq!(rcode(&send(&server, octets)), Rcode::NOERROR);
    }
    let answer = send(&server, &first);
    assert_eq!(rcode(&answer), Rcode::NOTAUTH);
    assert_eq!(tsig_error(&answer, &key), Rcode::BADTIME.0);
    world.wait_for(&server, HOST, RecordType::L64, &[l64(3)]);
}

#[test]
fn a_copy_among_updates_that_share_a_commit_is_not_done_again() {
    let world = World::new();
    let server = world.start();
    let key = world.key("vm1");
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut next = 2;
    for _ in 0..20 {
        // While the first is written, the others wait together.
        let [head, copied, newest] = [0, 1, 2].map(|step| signed(next + step, &key, unix_now()));
        for octets in [&head, &copied, &newest, &copied] {
            socket.send_to(octets, server.address).unwrap();
        }
        for _ in 0..4 {
            let mut buffer = [0; 1500];
            let length = socket.recv(&mut buffer).unwrap();
            assert!([Rcode::NOERROR, Rcode::NOTAUTH].contains(&rcode(&buffer[..length])));
        }
        world.wait_for(&server, HOST, RecordType::L64, &[l64(next + 2)]);
        next += 3;
    }
}

#[test]
fn an_update_older_than_those_that_are_remembered_is_refused() {
    let world = World::new();
    let server = world.start();
    let key = world.key("vm1");
    let old = signed(2, &key, unix_now() - 10);
    assert_eq!(rcode(&send(&server, &old)), Rcode::NOERROR);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for round in 0..50 {
        for number in 0..100 {
            let octets = signed(100 * round + number, &key, unix_now());
            socket.send_to(&octets, server.address).unwrap();
        }
        for _ in 0..100 {
            let mut buffer = [0; 1500];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(rcode(&buffer[..length]), Rcode::NOERROR);
        }
    }
    let answer = send(&server, &old);
    assert_eq!(rcode(&answer), Rcode::NOTAUTH);
    assert_eq!(tsig_error(&answer, &key), Rcode::BADTIME.0);
    world.wait_for(&server, HOST, RecordType::L64, &[l64(4999)]);
}

#[test]
fn octets_that_are_no_message_get_formerr_or_nothing() {
    let world = World::new();
    let server = world.start();
    let query = question(HOST, RecordType::L64).to_wire(512);
    let mut loop_ = query[..12].to_vec();
    loop_.extend(b"\xc0\x0c\x00\x6a\x00\x01");
    let mut two_questions = query.clone();
    two_questions[5] = 2;
    two_questions.extend_from_slice(&query[12..]);
    let mut trailing = query.clone();
    trailing.push(0);
    for octets in [&loop_, &query[..20].to_vec(), &two_questions, &trailing] {
        assert_eq!(rcode(&send(&server, octets)), Rcode::FORMERR, "{octets:?}");
    }
    // Less than a header, and a response: the answer to the query behind them comes first.
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut response = query.clone();
    response[2] |= 0x80;
    for octets in [&query[..11], &response, &[], &query] {
        socket.send_to(octets, server.address).unwrap();
    }
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(rcode(&buffer[..length]), Rcode::NOERROR);
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let world = World::new();
    world.write(
        "example.org.zone",
        "$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nvm1 L64 10 x\n",
    );
    for arguments in [&["--check", "--config"][..], &["--config"]] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ilnp-dnsd"))
            .args(arguments)
            .arg(world.path().join("dnsd.toml"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        let file = Path::new(world.path()).join("example.org.zone");
        assert!(said.contains(&format!("{}:4:", file.display())), "{said}");
    }
}

#[test]
fn a_zone_of_another_class_is_not_served() {
    let world = World::new();
    world.write(
        "example.org.zone",
        "$TTL 5\n@ CH SOA ns h 1 2 3 4 5\n@ CH NS ns\n",
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ilnp-dnsd"))
        .arg("--config")
        .arg(world.path().join("dnsd.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("of class CH, expected IN"), "{said}");
}
