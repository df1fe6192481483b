//! Signatures as other servers make and check them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ilnp_dns::exchange::{exchange, exchange_signed, fresh_id, unix_now};
use ilnp_dns::key::TsigKey;
use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::record::{Class, RecordType};
use ilnp_dns::tsig::{AnswerError, sign_request};
use tests::name_servers::{Key, Role, Setup};

use super::{APEX, HOST, PRIMARIES, ZONE, primary};

const LIMIT: Duration = Duration::from_secs(5);
/// Hosts in a zone whose transfer takes several messages.
const HOSTS: usize = 5000;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_all().build().unwrap().block_on(future)
}

fn ask(opcode: Opcode, rtype: RecordType) -> Message {
    let mut message = Message::request(fresh_id(), opcode);
    message.questions.push(Question {
        name: format!("{APEX}.").parse().unwrap(),
        rtype,
        class: Class::IN,
    });
    message
}

fn load(key: &Key) -> Arc<TsigKey> {
    Arc::new(TsigKey::parse(&key.text()).unwrap())
}

#[test]
fn clocks_that_differ_are_told_with_both_times() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        for ours in [unix_now() - 4000, unix_now() + 4000] {
            let mut wire = ask(Opcode::UPDATE, RecordType::SOA).to_wire(512);
            let mut verifier = sign_request(&mut wire, &load(&key), ours);
            let answer = block_on(exchange(server.address(), &wire, LIMIT)).unwrap();
            assert_eq!(Message::from_wire(&answer).unwrap().rcode, Rcode::NOTAUTH);
            match verifier.verify(&answer, ours) {
                Err(AnswerError::Clock { theirs, ours: told }) => {
                    assert!(theirs.abs_diff(unix_now()) < 60, "{software:?}");
                    assert_eq!(told, ours);
                }
                other => panic!("{software:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn answers_to_signed_queries_are_verified() {
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let server = primary(software, &key);
        let query = ask(Opcode::QUERY, RecordType::SOA);
        let key = load(&key);
        let answer = block_on(exchange_signed(server.address(), &query, &key, LIMIT));
        assert_eq!(answer.unwrap().answers.len(), 1, "{software:?}");
    }
}

#[test]
fn a_transfer_of_many_messages_is_verified() {
    let hosts = (0..HOSTS).map(|number| format!("h{number} L64 10 2001:0db8:{number:04x}:0000\n"));
    let text = [ZONE.to_owned(), hosts.collect()].concat();
    for software in PRIMARIES {
        let key = Key::generate(HOST).unwrap();
        let mut role = Role::primary(&text);
        if let Role::Primary { transfer_key, .. } = &mut role {
            *transfer_key = Some(HOST.to_owned());
        }
        let server = software
            .start(&Setup::new().key(&key).zone(APEX, role))
            .unwrap();

        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut wire = ask(Opcode::QUERY, RecordType::AXFR).to_wire(512);
        let mut verifier = sign_request(&mut wire, &load(&key), unix_now());
        let length = u16::try_from(wire.len()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(&wire).unwrap();

        let (mut messages, mut records, mut starts) = (0, 0, 0);
        while starts < 2 {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut message = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut message).unwrap();
            verifier.verify(&message, unix_now()).unwrap();
            let message = Message::from_wire(&message).unwrap();
            messages += 1;
            records += message.answers.len();
            let soa = message
                .answers
                .iter()
                .filter(|one| one.rtype == RecordType::SOA);
            starts += soa.count();
        }
        assert!(
            verifier.is_complete() && messages > 1,
            "{software:?}: {messages}"
        );
        assert!(records > HOSTS, "{software:?}: {records}");
    }
}
