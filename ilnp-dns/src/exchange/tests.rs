use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use zeroize::Zeroizing;

use super::*;
use crate::key::Algorithm;
use crate::message::{Opcode, Question, Rcode};
use crate::record::{Class, RecordType};
use crate::tsig::verify_request;

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

fn question(opcode: Opcode, name: &str) -> Message {
    let mut message = Message::request(fresh_id(), opcode);
    message.questions.push(Question {
        name: name.parse().unwrap(),
        rtype: RecordType::SOA,
        class: Class::IN,
    });
    message
}

fn answer_to(request: &Message) -> Message {
    Message {
        response: true,
        ..request.clone()
    }
}

async fn udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Answers one datagram with what `answers` makes of it.
async fn serve(socket: &UdpSocket, answers: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) {
    let mut buffer = [0; 2000];
    let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
    for answer in answers(&buffer[..length]) {
        socket.send_to(&answer, client).await.unwrap();
    }
}

fn key(secret: &[u8]) -> Arc<TsigKey> {
    let secret = Zeroizing::new(secret.to_vec());
    let name = "vm1.example.org.".parse().unwrap();
    Arc::new(TsigKey::new(name, Algorithm::HmacSha256, secret))
}

/// What a server that knows `key` answers to an update.
fn signed_answer(request: &[u8], known: &Arc<TsigKey>, now: u64) -> Vec<u8> {
    let mut answer = answer_to(&Message::from_wire(request).unwrap());
    match verify_request(request, |_name| Some(Arc::clone(known)), now) {
        Ok(signer) => {
            let mut wire = answer.to_wire(512);
            signer.unwrap().sign(&mut wire, now);
            wire
        }
        Err(refused) => {
            answer.rcode = refused.rcode();
            let mut wire = answer.to_wire(512);
            refused.attach(&mut wire);
            wire
        }
    }
}

#[tokio::test]
async fn answers_to_other_questions_are_passed_over() {
    let (socket, server) = udp().await;
    let request = question(Opcode::QUERY, "a.example.org.");
    let right = answer_to(&request);
    let wrong = [
        Message {
            id: request.id ^ 1,
            ..right.clone()
        },
        Message {
            response: false,
            ..right.clone()
        },
        Message {
            opcode: Opcode::UPDATE,
            ..right.clone()
        },
        Message {
            questions: vec![],
            ..right.clone()
        },
        Message {
            id: right.id,
            ..answer_to(&question(Opcode::QUERY, "b.example.org."))
        },
    ];
    let mut sent: Vec<_> = wrong.iter().map(|wrong| wrong.to_wire(512)).collect();
    sent.extend([vec![], right.to_wire(512)[..11].to_vec()]);
    // The case of the name may be another.
    let echoed = Message {
        id: right.id,
        ..answer_to(&question(Opcode::QUERY, "A.example.org."))
    };
    sent.push(echoed.to_wire(512));

    let wire = request.to_wire(512);
    let (answer, ()) = tokio::join!(exchange(server, &wire, LONG), serve(&socket, |_| sent));
    assert_eq!(answer.unwrap(), echoed.to_wire(512));
}

#[tokio::test]
async fn an_error_may_leave_the_question_out() {
    let (socket, server) = udp().await;
    let request = question(Opcode::QUERY, "a.example.org.");
    let mut error = Message {
        questions: vec![],
        ..answer_to(&request)
    };
    error.rcode = Rcode::FORMERR;
    let wire = request.to_wire(512);
    let (answer, ()) = tokio::join!(
        exchange(server, &wire, LONG),
        serve(&socket, |_| vec![error.to_wire(512)])
    );
    assert_eq!(answer.unwrap(), error.to_wire(512));
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_by_tcp() {
    let (socket, server) = udp().await;
    let listener = TcpListener::bind(server).await.unwrap();
    let request = question(Opcode::QUERY, "a.example.org.");
    let whole = answer_to(&request);
    let truncated = Message {
        truncated: true,
        ..whole.clone()
    };
    let tcp = async {
        let (mut stream, _client) = listener.accept().await.unwrap();
        let mut asked = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut asked).await.unwrap();
        let answer = whole.to_wire(512);
        stream
            .write_u16(answer.len().try_into().unwrap())
            .await
            .unwrap();
        stream.write_all(&answer).await.unwrap();
    };
    let wire = request.to_wire(512);
    let (answer, (), ()) = tokio::join!(
        exchange(server, &wire, LONG),
        serve(&socket, |_| vec![truncated.to_wire(512)]),
        tcp
    );
    assert_eq!(answer.unwrap(), whole.to_wire(512));
}

#[tokio::test]
async fn a_closed_port_is_told_at_once_and_silence_after_the_limit() {
    let (socket, server) = udp().await;
    let wire = question(Opcode::QUERY, "a.").to_wire(512);
    let silent = exchange(server, &wire, SOON).await.unwrap_err();
    assert!(matches!(silent, ExchangeError::Timeout { .. }), "{silent}");
    drop(socket);
    let closed = exchange(server, &wire, LONG).await.unwrap_err();
    assert!(
        matches!(closed, ExchangeError::Unreachable { .. }),
        "{closed}"
    );
}

#[tokio::test]
async fn a_forged_error_does_not_end_the_waiting() {
    let (socket, server) = udp().await;
    let request = question(Opcode::UPDATE, "example.org.");
    let key = key(b"secret");
    let (answer, ()) = tokio::join!(
        exchange_signed(server, &request, &key, LONG),
        serve(&socket, |asked| {
            let forged = signed_answer(asked, &self::key(b"other"), unix_now());
            vec![forged, signed_answer(asked, &key, unix_now())]
        })
    );
    assert_eq!(answer.unwrap().rcode, Rcode::NOERROR);
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_are_told_apart() {
    let (socket, server) = udp().await;
    let request = question(Opcode::UPDATE, "example.org.");
    let key = key(b"secret");
    let late = unix_now() + 4000;
    for (known, now) in [(self::key(b"other"), unix_now()), (Arc::clone(&key), late)] {
        let (answer, ()) = tokio::join!(
            exchange_signed(server, &request, &key, SOON),
            serve(&socket, |asked| vec![signed_answer(asked, &known, now)])
        );
        match answer.unwrap_err() {
            ExchangeError::Signature {
                source: AnswerError::WrongSecret(_),
                ..
            } => {
                assert_ne!(now, late);
            }
            ExchangeError::Signature {
                source: AnswerError::Clock { theirs, .. },
                ..
            } => {
                assert_eq!(theirs, late);
            }
            other => panic!("{other}"),
        }
    }
}
