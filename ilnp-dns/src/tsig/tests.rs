use std::sync::Arc;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::{Algorithm, TsigKey};
use crate::message::{Message, Opcode, Rcode};
use crate::name::Name;

const NOW: u64 = 1_800_000_000;

/// An empty update of example.org. that dnspython 2.3.0 signed at [`NOW`], with the key "key." of
/// the octets "secret".
const DNSPYTHON: &[u8] = b"\
    000728000001000000000001076578616d706c65036f72670000060001036b65790000fa00ff00000000003d\
    0b686d61632d7368613235360000006b49d200012c00207ab10e32e24612be7f001c373f9d4090b49f06414e\
    82b9e7865f9adff26cb7cd000700000000";

fn key_of(name: &str, algorithm: Algorithm, secret: &[u8]) -> Arc<TsigKey> {
    let secret = Zeroizing::new(secret.to_vec());
    Arc::new(TsigKey::new(name.parse().unwrap(), algorithm, secret))
}

fn key() -> Arc<TsigKey> {
    key_of("Vm1.example.org.", Algorithm::HmacSha256, b"secret")
}

/// The server's key.
fn find(name: &Name) -> Option<Arc<TsigKey>> {
    let key = key();
    (key.name() == name).then_some(key)
}

fn request() -> Vec<u8> {
    Message::request(7, Opcode::UPDATE).to_wire(512)
}

fn response(rcode: Rcode) -> Vec<u8> {
    let mut message = Message::request(7, Opcode::UPDATE);
    message.response = true;
    message.rcode = rcode;
    message.to_wire(512)
}

fn signed_request(key: &Arc<TsigKey>, now: u64) -> (Vec<u8>, ResponseVerifier) {
    let mut wire = request();
    let verifier = sign_request(&mut wire, key, now);
    (wire, verifier)
}

/// The server's answer to a request that it refuses, and the client's verdict on it.
fn refused(key: &Arc<TsigKey>, signed: u64, now: u64) -> (Rcode, AnswerError) {
    let (wire, mut verifier) = signed_request(key, signed);
    let refused = verify_request(&wire, find, now).unwrap_err();
    let mut answer = response(refused.rcode());
    refused.attach(&mut answer);
    assert!(Message::from_wire(&answer).is_ok());
    (
        refused.rcode(),
        verifier.verify(&answer, signed).unwrap_err(),
    )
}

#[test]
fn a_request_and_its_answer_are_verified_with_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let key = key_of("k.", algorithm, b"secret");
        let (wire, mut verifier) = signed_request(&key, NOW);
        let mut signer = verify_request(&wire, |_name| Some(Arc::clone(&key)), NOW + 299)
            .unwrap()
            .unwrap();
        assert_eq!(signer.time_signed(), NOW);
        assert_eq!(signer.key().name(), key.name());

        let mut answer = response(Rcode::NOERROR);
        let unsigned = answer.len();
        signer.sign(&mut answer, NOW);
        assert_eq!(answer.len(), unsigned + signer.room());
        assert!(!verifier.is_complete());
        assert_eq!(verifier.verify(&answer, NOW), Ok(()));
        assert!(verifier.is_complete());
    }
}

#[test]
fn a_request_signed_by_another_implementation_is_verified() {
    let wire = data_encoding::HEXLOWER.decode(DNSPYTHON).unwrap();
    let key = key_of("key.", Algorithm::HmacSha256, b"secret");
    let mut message = wire[..29].to_vec();
    message[11] = 0;
    let _verifier = sign_request(&mut message, &key, NOW);
    assert_eq!(message, wire);
    assert!(verify_request(&wire, |_name| Some(key), NOW).is_ok_and(|signer| signer.is_some()));
}

#[test]
fn a_request_without_a_signature_is_told_apart() {
    assert!(verify_request(&request(), find, NOW).unwrap().is_none());
}

#[test]
fn names_of_keys_and_algorithms_are_compared_without_case() {
    let other = key_of("vM1.EXAMPLE.org.", Algorithm::HmacSha256, b"secret");
    let (wire, _verifier) = signed_request(&other, NOW);
    assert!(verify_request(&wire, find, NOW).is_ok());
    let lower = wire.to_ascii_uppercase();
    assert!(
        verify_request(&lower, find, NOW).is_err(),
        "the MAC is changed by this, too"
    );
}

#[test]
fn an_unknown_key_or_algorithm_is_badkey() {
    for (name, algorithm) in [
        ("other.", Algorithm::HmacSha256),
        ("vm1.example.org.", Algorithm::HmacSha512),
    ] {
        let key = key_of(name, algorithm, b"secret");
        let told = AnswerError::UnknownKey(key.name().to_string());
        assert_eq!(refused(&key, NOW, NOW), (Rcode::NOTAUTH, told));
    }
}

#[test]
fn another_secret_is_badsig() {
    let key = key_of("vm1.example.org.", Algorithm::HmacSha256, b"terces");
    let told = AnswerError::WrongSecret("vm1.example.org.".into());
    assert_eq!(refused(&key, NOW, NOW), (Rcode::NOTAUTH, told));
}

#[test]
fn another_clock_is_badtime_with_both_times_and_signed() {
    for (ours, theirs) in [(NOW, NOW + 301), (NOW, NOW - 301)] {
        let told = AnswerError::Clock { theirs, ours };
        assert_eq!(refused(&key(), ours, theirs), (Rcode::NOTAUTH, told));
    }
    // Without the signature anybody could say so.
    let (wire, mut verifier) = signed_request(&key(), NOW);
    let refused = verify_request(&wire, find, NOW + 301).unwrap_err();
    let mut answer = response(Rcode::NOTAUTH);
    refused.attach(&mut answer);
    let other = answer.len() - 1;
    answer[other] ^= 1;
    assert_eq!(verifier.verify(&answer, NOW), Err(AnswerError::Invalid));
}

#[test]
fn a_shortened_mac_is_badtrunc_and_a_stub_of_one_formerr() {
    for (length, rcode, said) in [
        (16, Rcode::NOTAUTH, "BADTRUNC"),
        (15, Rcode::FORMERR, "FORMERR"),
        (0, Rcode::FORMERR, "FORMERR"),
        (33, Rcode::FORMERR, "FORMERR"),
    ] {
        let (wire, _verifier) = signed_request(&key(), NOW);
        let (mut message, mut tsig) = record::Tsig::split(&wire).unwrap().unwrap();
        tsig.mac.resize(length, 0);
        tsig.append(&mut message);
        let refused = verify_request(&message, find, NOW).unwrap_err();
        assert_eq!(refused.rcode(), rcode, "{length}");
        assert!(refused.to_string().starts_with(said), "{refused}");
    }
}

#[test]
fn a_forwarder_may_change_the_identifier() {
    let (mut wire, _verifier) = signed_request(&key(), NOW);
    wire[0] ^= 0xff;
    assert!(verify_request(&wire, find, NOW).is_ok());
}

#[test]
fn answers_that_are_not_signed_or_signed_for_another_request_are_refused() {
    let (wire, mut verifier) = signed_request(&key(), NOW);
    assert_eq!(
        verifier.verify(&response(Rcode::NOERROR), NOW),
        Err(AnswerError::Unsigned(Rcode::NOERROR))
    );
    let (_other, mut another) = signed_request(&key(), NOW + 1);
    let mut answer = response(Rcode::NOERROR);
    let mut signer = verify_request(&wire, find, NOW).unwrap().unwrap();
    signer.sign(&mut answer, NOW);
    assert_eq!(another.verify(&answer, NOW), Err(AnswerError::Invalid));
    assert_eq!(
        verifier.verify(&answer[..20], NOW),
        Err(AnswerError::Malformed)
    );
    let late = AnswerError::Clock {
        theirs: NOW,
        ours: NOW + 301,
    };
    assert_eq!(verifier.verify(&answer, NOW + 301), Err(late));
    assert_eq!(
        verifier.verify(&answer, NOW),
        Ok(()),
        "the right one still counts"
    );
}

/// An answer of several messages, of which a server of old leaves some unsigned.
fn chain(signed: &[bool]) -> (ResponseVerifier, Vec<Vec<u8>>) {
    let (wire, verifier) = signed_request(&key(), NOW);
    let mut signer = verify_request(&wire, find, NOW).unwrap().unwrap();
    let mut first = response(Rcode::NOERROR);
    signer.sign(&mut first, NOW);

    let mut running = begun_after(&first);
    let mut messages = vec![first];
    for (number, signed) in (1_u16..).zip(&signed[1..]) {
        let mut message = response(Rcode(number));
        if *signed {
            let timers = record::Timers {
                signed: NOW,
                fudge: FUDGE,
            };
            let mut tsig = record::Tsig::unsigned(&key(), timers, 7);
            tsig.mac = mac::later(running, &message, timers);
            tsig.append(&mut message);
            running = begun_after(&message);
        } else {
            running.update(&message);
        }
        messages.push(message);
    }
    (verifier, messages)
}

/// The MAC that follows the one of `message`.
fn begun_after(message: &[u8]) -> ring::hmac::Context {
    let (_message, tsig) = record::Tsig::split(message).unwrap().unwrap();
    mac::running(&key(), &tsig.mac)
}

#[test]
fn a_chain_of_messages_is_verified() {
    for signed in [&[true; 3][..], &[true, false, false, true, true]] {
        let (mut verifier, messages) = chain(signed);
        for (message, signed) in messages.iter().zip(signed) {
            assert_eq!(verifier.verify(message, NOW), Ok(()));
            assert_eq!(verifier.is_complete(), *signed);
        }
    }
}

#[test]
fn every_message_of_a_chain_is_signed() {
    let (wire, mut verifier) = signed_request(&key(), NOW);
    let mut signer = verify_request(&wire, find, NOW).unwrap().unwrap();
    for number in 0..3 {
        let mut message = response(Rcode(number));
        signer.sign(&mut message, NOW + u64::from(number));
        assert_eq!(verifier.verify(&message, NOW), Ok(()));
        assert!(verifier.is_complete());
    }
}

#[test]
fn a_chain_with_a_message_missing_or_moved_is_refused() {
    let (mut verifier, messages) = chain(&[true; 3]);
    assert_eq!(verifier.verify(&messages[0], NOW), Ok(()));
    assert_eq!(
        verifier.verify(&messages[2], NOW),
        Err(AnswerError::Invalid)
    );
    let (mut verifier, messages) = chain(&[true, false, false, true]);
    for at in [0, 2, 1] {
        assert_eq!(verifier.verify(&messages[at], NOW), Ok(()));
    }
    assert_eq!(
        verifier.verify(&messages[3], NOW),
        Err(AnswerError::Invalid)
    );
}

#[test]
fn a_chain_may_have_99_unsigned_messages_in_a_row() {
    let (mut verifier, messages) = chain(&[true]);
    assert_eq!(verifier.verify(&messages[0], NOW), Ok(()));
    for _ in 0..99 {
        assert_eq!(verifier.verify(&response(Rcode::NOERROR), NOW), Ok(()));
    }
    assert_eq!(
        verifier.verify(&response(Rcode::NOERROR), NOW),
        Err(AnswerError::Unsigned(Rcode::NOERROR))
    );
}

proptest! {
    #[test]
    fn one_changed_octet_is_noticed(at in 2_usize..200, change in 1_u8..) {
        let (mut wire, _verifier) = signed_request(&key(), NOW);
        let at = at % wire.len();
        // The identifier is not signed, and the case of names does not count.
        prop_assume!(at >= 2 && !(wire[at].is_ascii_alphabetic() && change == 0x20));
        wire[at] ^= change;
        prop_assert!(!verify_request(&wire, find, NOW).is_ok_and(|signer| signer.is_some()));
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let (wire, mut verifier) = signed_request(&key(), NOW);
        let mixed = [&wire[..wire.len() - octets.len().min(wire.len())], &octets].concat();
        for octets in [octets, mixed] {
            let _result = verify_request(&octets, find, NOW);
            let _result = verifier.verify(&octets, NOW);
        }
    }
}
