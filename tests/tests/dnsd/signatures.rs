//! Updates whose signature is missing, wrong, or of another time (RFC 8945 §5.2).

use tests::dns::answer::Answer;
use tests::dns::tsig::{Signer, now};
use tests::dns::{compose, exchange, rcode, rtype};
use tests::name_servers::Key;

use crate::fixture::{Fixture, HOST, TRANSFER, ZONE};

fn message(locator: u64) -> Vec<u8> {
    let changes = [
        compose::delete(HOST, rtype::L64),
        compose::add(HOST, rtype::L64, &compose::preferred(10, locator)),
    ];
    compose::update(4, ZONE, &[], &changes)
}

/// Sends what must be refused with a code in the header and one in the TSIG record, and sees that
/// nothing has changed.
fn refused(fixture: &Fixture, message: &[u8], code: u16, error: Option<u16>) -> Answer {
    let before = fixture.records();
    let answer = exchange::udp(fixture.address(), message).unwrap();
    assert_eq!(
        (answer.rcode(), answer.tsig_error()),
        (code, error),
        "{answer:?}"
    );
    assert_eq!(fixture.records(), before);
    answer
}

#[test]
fn an_unsigned_update_is_refused() {
    let fixture = Fixture::start();
    refused(&fixture, &message(1), rcode::REFUSED, None);
}

#[test]
fn a_key_that_is_not_known_is_told() {
    let fixture = Fixture::start();
    let mut unknown = message(1);
    let key = Key::generate("nobody").unwrap();
    Signer::new(&key).unwrap().sign(&mut unknown);
    refused(&fixture, &unknown, rcode::NOTAUTH, Some(rcode::BADKEY));

    // The right name, with another algorithm than the key has.
    let mut key = Key::with_algorithm(HOST, "hmac-sha512").unwrap();
    key.secret.clone_from(&fixture.server.key(HOST).secret);
    let mut other = message(1);
    Signer::new(&key).unwrap().sign(&mut other);
    refused(&fixture, &other, rcode::NOTAUTH, Some(rcode::BADKEY));
}

#[test]
fn a_wrong_signature_is_told() {
    let fixture = Fixture::start();
    let mut forged = message(1);
    let key = Key::generate(HOST).unwrap();
    Signer::new(&key).unwrap().sign(&mut forged);
    refused(&fixture, &forged, rcode::NOTAUTH, Some(rcode::BADSIG));

    let mut altered = message(1);
    fixture.host.sign(&mut altered);
    let place = altered
        .windows(8)
        .position(|octets| octets == 1_u64.to_be_bytes());
    altered[place.unwrap() + 7] = 2;
    refused(&fixture, &altered, rcode::NOTAUTH, Some(rcode::BADSIG));
}

#[test]
fn an_update_of_another_time_is_told_the_time() {
    let fixture = Fixture::start();
    for time in [now() - 301, now() + 302, 0] {
        let mut late = message(1);
        let mac = fixture.host.sign_at(&mut late, time);
        let answer = refused(&fixture, &late, rcode::NOTAUTH, Some(rcode::BADTIME));
        // Signed, and with the server's time behind it (§5.2.3).
        let octets = exchange::udp_octets(fixture.address(), &late, exchange::PATIENCE);
        fixture
            .host
            .verify(&octets.unwrap().unwrap(), &mac)
            .unwrap();
        let tsig = answer.sections[2].last().unwrap();
        let told = tsig.rdata.last_chunk::<6>().unwrap();
        let told = told
            .iter()
            .fold(0, |time, &octet| (time << 8) | u64::from(octet));
        assert!(told.abs_diff(now()) < 10, "{told}");
    }
    // Within the fudge nothing is wrong.
    let mut early = message(1);
    fixture.host.sign_at(&mut early, now() + 200);
    let answer = exchange::udp(fixture.address(), &early).unwrap();
    assert_eq!(answer.rcode(), rcode::NOERROR);
}

#[test]
fn an_update_that_is_sent_again_later_changes_nothing() {
    let fixture = Fixture::start();
    let (mut first, mut second) = (message(1), message(2));
    fixture.host.sign_at(&mut first, now() - 2);
    fixture.host.sign_at(&mut second, now() - 1);
    for update in [&first, &second] {
        let answer = exchange::udp(fixture.address(), update).unwrap();
        assert_eq!(answer.rcode(), rcode::NOERROR);
    }
    // Whoever heard the first one cannot take the host back to where it was.
    refused(&fixture, &first, rcode::NOTAUTH, Some(rcode::BADTIME));
    assert_eq!(fixture.locator(), 2);
}

#[test]
fn the_key_of_another_purpose_may_not_update() {
    let fixture = Fixture::start();
    let signer = Signer::new(fixture.server.key(TRANSFER)).unwrap();
    let mut update = message(1);
    signer.sign(&mut update);
    refused(&fixture, &update, rcode::REFUSED, Some(rcode::NOERROR));
}

#[test]
fn signed_requests_get_signed_answers() {
    let fixture = Fixture::start();
    let mut question = compose::query(3, HOST, rtype::L64);
    let mut none = compose::query(3, "no.example.org", rtype::L64);
    let mut update = message(3);
    for request in [&mut question, &mut none, &mut update] {
        let mac = fixture.host.sign(request);
        let octets = exchange::udp_octets(fixture.address(), request, exchange::PATIENCE);
        fixture
            .host
            .verify(&octets.unwrap().unwrap(), &mac)
            .unwrap();
    }
    let plain = compose::query(3, HOST, rtype::L64);
    let answer = exchange::udp(fixture.address(), &plain).unwrap();
    assert_eq!(answer.tsig_error(), None);
}
