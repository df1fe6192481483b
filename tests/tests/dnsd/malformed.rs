//! Octets that are no message, and connections that say nothing.

use std::net::TcpStream;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tests::dns::answer::Answer;
use tests::dns::exchange::{Connection, tcp, udp_octets};
use tests::dns::{class, compose, rcode, rtype};

use crate::fixture::{Fixture, HOST, ZONE};

/// Most of what is malformed may be left unanswered; this much time is given to an answer.
const SHORT: Duration = Duration::from_millis(100);

/// The server still does what it is for.
fn is_well(fixture: &Fixture) {
    assert_eq!(fixture.ask(HOST, rtype::NID).data(rtype::NID).len(), 1);
    assert_eq!(fixture.move_host(77), rcode::NOERROR);
}

/// Sends what must change nothing, and returns the response code if there is an answer.
fn harmless(fixture: &Fixture, message: &[u8]) -> Option<u16> {
    let octets = udp_octets(fixture.address(), message, SHORT).unwrap()?;
    Some(Answer::read(&octets).unwrap().rcode())
}

#[test]
fn truncated_messages_are_format_errors() {
    let fixture = Fixture::start();
    let before = fixture.records();
    let change = compose::add(HOST, rtype::L64, &compose::preferred(10, 1));
    let mut update = compose::update(4, ZONE, &[], &[change]);
    fixture.host.sign(&mut update);
    for length in 0..update.len() {
        // A header with a whole question may be told why; shorter ones are left unanswered by some.
        let code = harmless(&fixture, &update[..length]);
        let is_told = code.is_none_or(|code| code == rcode::FORMERR);
        assert!(is_told, "{length} octets: {code:?}");
        assert!(code.is_some() || length < 12, "{length} octets: no answer");
    }
    assert_eq!(fixture.records(), before);
    is_well(&fixture);
}

#[test]
fn loops_of_pointers_are_format_errors() {
    let fixture = Fixture::start();
    // Each a name in the question that does not end: at itself, at each other, ahead, outside.
    for name in [
        &[0xc0, 12][..],
        &[0xc0, 14, 0xc0, 12],
        &[0xc0, 16, 0, 0, 0],
        &[0xff, 0xff],
    ] {
        let mut message = compose::header(1, 0, [1, 0, 0, 0]);
        message.extend(name);
        message.extend([0, 106, 0, 1]);
        assert_eq!(
            harmless(&fixture, &message),
            Some(rcode::FORMERR),
            "{name:?}"
        );
    }
    is_well(&fixture);
}

#[test]
fn counts_that_lie_are_format_errors() {
    let fixture = Fixture::start();
    let question = compose::query(1, HOST, rtype::L64);
    for place in [5, 7, 9, 11] {
        let mut message = question.clone();
        message[place] = 200;
        assert_eq!(
            harmless(&fixture, &message),
            Some(rcode::FORMERR),
            "{place}"
        );
    }
    let mut empty = compose::header(1, 0, [0; 4]);
    assert_eq!(harmless(&fixture, &empty), Some(rcode::FORMERR));
    // Answers are not answered, whatever else they are.
    empty[2] |= 0x80;
    assert_eq!(harmless(&fixture, &empty), None);
    // An opcode that nobody knows.
    let mut message = question;
    message[2] = 14 << 3;
    assert_eq!(harmless(&fixture, &message), Some(rcode::NOTIMP));
    is_well(&fixture);
}

#[test]
fn random_octets_do_no_harm() {
    let fixture = Fixture::start();
    let before = fixture.records();
    let change = compose::add(HOST, rtype::L64, &compose::preferred(10, 1));
    // Some octets, as the identifier, are not signed: it must fail for another reason, too.
    let unmet = compose::record("no.example.org", rtype::ANY, class::ANY, 0, &[]);
    let mut update = compose::update(4, ZONE, &[unmet], &[change]);
    fixture.host.sign(&mut update);
    let socket = tests::dns::exchange::socket(fixture.address()).unwrap();
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..5000 {
        let mut message = update.clone();
        for _ in 0..random.random_range(1..4) {
            let place = random.random_range(0..message.len());
            message[place] ^= random.random_range(1..=255_u8);
        }
        socket.send(&message).unwrap();
    }
    for _ in 0..1000 {
        let message: Vec<u8> = (0..random.random_range(0..600))
            .map(|_| random.random())
            .collect();
        socket.send(&message).unwrap();
    }
    assert_eq!(fixture.records(), before);
    is_well(&fixture);
}

#[test]
fn an_update_larger_than_any_zone_needs_is_refused() {
    let fixture = Fixture::start();
    let change = |number| compose::add(HOST, rtype::L64, &compose::preferred(10, number));
    // As many as a message can have: about 65,000 octets.
    let changes: Vec<_> = (0..1700).map(change).collect();
    let mut update = compose::update(4, ZONE, &[], &changes);
    fixture.host.sign(&mut update);
    let code = tcp(fixture.address(), &update).unwrap().rcode();
    assert!([rcode::NOERROR, rcode::REFUSED].contains(&code), "{code}");
    is_well(&fixture);
}

#[test]
fn connections_may_say_little_or_nonsense() {
    let fixture = Fixture::start();
    // A length and nothing more; a length of nothing; a half message.
    for octets in [&[0, 40][..], &[0, 0], &[0, 20, 1, 2, 3], &[0xff; 64]] {
        let mut connection = Connection::open(fixture.address()).unwrap();
        connection.send_octets(octets).unwrap();
        drop(connection);
    }
    // Two questions at once, the second of them in pieces (RFC 7766 §6.2.1.1).
    let question = compose::query(9, HOST, rtype::NID);
    let mut connection = Connection::open(fixture.address()).unwrap();
    connection.send(&question).unwrap();
    let mut framed = u16::try_from(question.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    framed.extend(&question);
    for octet in framed {
        connection.send_octets(&[octet]).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(Answer::read(&connection.receive().unwrap()).unwrap().id, 9);
    }
    is_well(&fixture);
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    const SILENT: u64 = 1000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let wanted = SILENT + 200;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard.max(wanted)).unwrap();
    let fixture = Fixture::start();
    let silent: Vec<_> = (0..SILENT)
        .map(|number| {
            TcpStream::connect(fixture.address())
                .unwrap_or_else(|error| panic!("{number}: {error}"))
        })
        .collect();
    is_well(&fixture);
    let question = compose::query(9, HOST, rtype::NID);
    let answer = tcp(fixture.address(), &question).unwrap();
    assert_eq!(answer.data(rtype::NID).len(), 1);
    assert!(!fixture.records().is_empty());
    drop(silent);
    is_well(&fixture);
}
