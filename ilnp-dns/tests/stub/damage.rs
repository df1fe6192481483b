//! Replies that are forged, damaged, too long or cut.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ilnp_dns::message::{Message, Rcode};
use ilnp_dns::record::RecordType;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::{LONG, Running, VM1, addresses, query};
use crate::upstream::{Records, Upstream, is_ilnp};

const VM1_CLASSIC: &str = "2001:db8:a:0:214:4fff:fe20:ee64";

#[tokio::test]
async fn forged_and_damaged_replies_are_passed_over() {
    let records = Records::example();
    let upstream = Upstream::start(move |asked| {
        let right = records.answer(asked);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut octets = right.clone();
            change(&mut octets);
            octets
        };
        let mut other = records.response(&asked.message);
        other.questions[0].name = "forged.example.org.".parse().unwrap();
        vec![
            vec![],
            vec![0; 11],
            vec![0xff; 65_000],
            asked.octets.clone(),
            with(&|octets| octets[0] ^= 1),
            with(&|octets| octets[2] ^= 0x28),
            with(&|octets| octets[5] = 2),
            // A question that points at itself.
            with(&|octets| octets[12..14].copy_from_slice(&[0xc0, 12])),
            right[..20].to_vec(),
            other.to_wire(512),
            right,
        ]
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    let response = stub.ask("classic.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), ["2001:db8::1"]);
}

#[tokio::test]
async fn replies_from_elsewhere_are_not_taken() {
    let forger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stub = Running::start(&[server.local_addr().unwrap()]).await;
    let answers = async {
        let mut buffer = [0; 512];
        let (length, client) = server.recv_from(&mut buffer).await.unwrap();
        let asked = Message::from_wire(&buffer[..length]).unwrap();
        let records = Records::example();
        let forged = Records::default().response(&asked).to_wire(512);
        forger.send_to(&forged, client).await.unwrap();
        let right = records.response(&asked).to_wire(512);
        server.send_to(&right, client).await.unwrap();
    };
    let (response, ()) = tokio::join!(stub.ask("classic.example.org.", RecordType::TXT), answers);
    assert_eq!(response.rcode, Rcode::NOERROR);
}

#[tokio::test]
async fn records_that_loop_or_lie_leave_the_classic_answer() {
    // Every record's owner is a pointer that points at itself.
    let looping = |octets: &mut Vec<u8>, question: usize| {
        let at = u8::try_from(question).unwrap();
        octets.extend([0xc0, at, 0, 104, 0, 1, 0, 0, 0, 5, 0, 10]);
        octets.extend([0; 10]);
    };
    let cut = |octets: &mut Vec<u8>, _: usize| octets.extend([0xc0, 12, 0, 104, 0, 1, 0, 0, 0]);
    for damage in [looping, cut] {
        let records = Records::example();
        let upstream = Upstream::start(move |asked| {
            if !is_ilnp(asked) {
                return vec![records.answer(asked)];
            }
            let mut response = records.response(&asked.message);
            response.answers.clear();
            response.authorities.clear();
            response.edns = None;
            let mut octets = response.to_wire(512);
            octets[7] = 1;
            let question = octets.len();
            damage(&mut octets, question);
            vec![octets]
        })
        .await;
        let stub = Running::start(&[upstream.address]).await;
        let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
        assert_eq!(addresses(&response), [VM1_CLASSIC]);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_udp_is_cut_and_told_by_tcp() {
    let mut records = Records::example();
    for n in 0..100 {
        records = records.has(
            "big.example.org.",
            RecordType::AAAA,
            &format!("2001:db8::{n:x}"),
        );
    }
    let whole = records.clone();
    // A server that takes no notice of how much a client can take.
    let upstream =
        Upstream::start(move |asked| vec![whole.response(&asked.message).to_wire(65_535)]).await;
    let stub = Running::start(&[upstream.address]).await;
    let request = query("big.example.org.", RecordType::AAAA).to_wire(512);

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(&request, stub.address).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    let cut = Message::from_wire(&buffer[..length]).unwrap();
    assert!(length <= 512 && cut.truncated && cut.recursion_available);

    let response = stub.send_octets(&request).await;
    assert_eq!(Message::from_wire(&response).unwrap().answers.len(), 100);
    assert!(upstream.asked().iter().any(|asked| asked.tcp));
}

#[tokio::test]
async fn long_ilnp_answers_are_asked_for_by_tcp() {
    let mut records = Records::example();
    for n in 0..100 {
        records = records.has(
            "vm1.example.org.",
            RecordType::L64,
            &format!("20 2001:db8:b:{n:x}"),
        );
    }
    let upstream = Upstream::with(records).await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    let learnt = stub.learnt();
    assert_eq!(learnt[0].locators.len(), 32);
    assert_eq!(learnt[0].locators[0].locator.to_string(), "2001:db8:a::/64");
}

#[tokio::test]
async fn an_upstream_that_closes_its_connections_means_servfail() {
    let records = Records::example();
    let upstream = Upstream::start(move |asked| {
        let mut cut = records.response(&asked.message);
        cut.truncated = true;
        match asked.tcp {
            true => vec![],
            false => vec![cut.to_wire(512)],
        }
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    let start = Instant::now();
    // Truncated over UDP, and so asked for by TCP.
    let response = stub.ask("classic.example.org.", RecordType::TXT).await;
    assert_eq!(response.rcode, Rcode::SERVFAIL);
    assert!(start.elapsed() < Duration::from_millis(2500));
}
