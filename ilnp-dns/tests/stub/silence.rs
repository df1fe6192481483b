//! Name servers and networks that do not answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ilnp_dns::message::{Message, Rcode};
use ilnp_dns::record::RecordType;
use tokio::net::UdpSocket;

use crate::support::{Running, VM1, addresses, query, with_edns};
use crate::upstream::{Records, Upstream, is_ilnp, sockets};

/// An address where nobody listens.
async fn closed_port() -> SocketAddr {
    sockets().await.2
}

#[tokio::test]
async fn types_that_a_network_drops_hold_answers_back_for_a_moment_only() {
    let records = Records::example();
    let upstream = Upstream::start(move |asked| match is_ilnp(asked) {
        true => vec![],
        false => vec![records.answer(asked)],
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    for (try_, at_most) in [(0, 1000), (1, 1000), (2, 1000), (3, 250), (4, 250)] {
        // Each name has its own look-ups.
        let name = format!("{try_}.vm1.example.org.");
        let start = Instant::now();
        let response = stub.ask(&name, RecordType::AAAA).await;
        let took = start.elapsed();
        assert_eq!(response.rcode, Rcode::NXDOMAIN);
        assert!(took < Duration::from_millis(at_most), "{try_}: {took:?}");
    }
}

#[tokio::test]
async fn an_ilnp_name_is_answered_though_its_classic_answer_is_lost() {
    let records = Records::example();
    let upstream = Upstream::start(move |asked| match asked.rtype() {
        RecordType::AAAA => vec![],
        _ => vec![records.answer(asked)],
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    let start = Instant::now();
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn one_empty_reply_is_doubted() {
    let records = Records::example().ttl(RecordType::L64, 0);
    let first = AtomicBool::new(true);
    let upstream = Upstream::start(move |asked| {
        let mut asked = asked.clone();
        let l64 = asked.rtype() == RecordType::L64 && asked.name() == "vm1.example.org.";
        if l64 && first.swap(false, Ordering::Relaxed) {
            let mut response = records.response(&asked.message);
            response.answers.clear();
            return vec![response.to_wire(512)];
        }
        asked.tcp = true;
        vec![records.answer(&asked)]
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    assert_eq!(upstream.asked_for(RecordType::L64), 2);
}

#[tokio::test]
async fn no_upstream_means_a_prompt_servfail() {
    let (_udp, _tcp, silent) = sockets().await;
    let closed = closed_port().await;
    let cases = [
        (vec![], RecordType::AAAA, 500),
        (vec![closed], RecordType::AAAA, 500),
        (vec![closed], RecordType::TXT, 500),
        (vec![silent], RecordType::AAAA, 2500),
        (vec![silent], RecordType::TXT, 2500),
        (vec![silent, closed], RecordType::AAAA, 2500),
    ];
    let all = cases.map(|(upstreams, rtype, at_most)| async move {
        let stub = Running::start(&upstreams).await;
        let start = Instant::now();
        let request = with_edns(query("vm1.example.org.", rtype), true);
        let response = stub.send(&request).await;
        let took = start.elapsed();
        assert_eq!(response.rcode, Rcode::SERVFAIL);
        assert!(response.edns.is_some());
        let at_most = Duration::from_millis(at_most);
        assert!(took < at_most, "{upstreams:?}: {took:?}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_as_soon() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let response = stub.ask("classic.example.org.", RecordType::AAAA).await;
    assert_eq!(response.rcode, Rcode::NOERROR);
    let address = upstream.address;
    upstream.stop().await;
    let _silent = UdpSocket::bind(address).await.unwrap();
    let start = Instant::now();
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(response.rcode, Rcode::SERVFAIL);
    assert!(start.elapsed() < Duration::from_millis(2500));
}

#[tokio::test]
async fn a_server_that_takes_long_is_waited_for() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stub = Running::start(&[server.local_addr().unwrap()]).await;
    let answers = async {
        let mut buffer = [0; 512];
        let start = Instant::now();
        loop {
            let (length, client) = server.recv_from(&mut buffer).await.unwrap();
            let asked = Message::from_wire(&buffer[..length]).unwrap();
            let name = asked.questions[0].name.to_string();
            // What it knows it tells at once. The rest takes three seconds.
            if name == "." {
                let response = Records::default().response(&asked).to_wire(512);
                server.send_to(&response, client).await.unwrap();
            } else if start.elapsed() > Duration::from_millis(1600) {
                tokio::time::sleep_until((start + Duration::from_secs(3)).into()).await;
                let response = Records::example().response(&asked).to_wire(512);
                server.send_to(&response, client).await.unwrap();
            }
        }
    };
    tokio::select! {
        response = stub.ask("classic.example.org.", RecordType::TXT) => {
            assert_eq!(response.rcode, Rcode::NOERROR);
        }
        () = answers => {}
    }
}

#[tokio::test]
async fn ipv4_addresses_stay_hidden_though_their_answer_is_lost_or_wrong() {
    let records = Records::example();
    let upstream = Upstream::start(move |asked| {
        let mut response = records.response(&asked.message);
        match asked.rtype() {
            RecordType::A if asked.name() == "vm1.example.org." => return vec![],
            RecordType::A => {
                response.answers.clear();
                response.rcode = Rcode::NXDOMAIN;
            }
            _ => {}
        }
        vec![response.to_wire(512)]
    })
    .await;
    let stub = Running::start(&[upstream.address]).await;
    for name in ["vm1.example.org.", "vm2.example.org."] {
        let start = Instant::now();
        let response = stub.ask(name, RecordType::A).await;
        assert_eq!(
            (response.rcode, response.answers.len()),
            (Rcode::NOERROR, 0)
        );
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn the_next_upstream_is_asked_and_the_silent_one_remembered() {
    let (_udp, _tcp, silent) = sockets().await;
    let refusing = Upstream::start(|asked| {
        let mut response = Records::default().response(&asked.message);
        response.rcode = Rcode::REFUSED;
        vec![response.to_wire(512)]
    })
    .await;
    let working = Upstream::with(Records::example()).await;
    let stub = Running::start(&[silent, refusing.address, working.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
    let start = Instant::now();
    let response = stub.ask("classic.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), ["2001:db8::1"]);
    assert!(
        start.elapsed() < Duration::from_millis(250),
        "{:?}",
        start.elapsed()
    );
    let status = stub.resolver.upstreams();
    let answers: Vec<_> = status.iter().map(|status| status.answers).collect();
    assert_eq!(answers, [Some(false), Some(true), Some(true)]);
}

#[tokio::test]
async fn a_refusal_of_every_upstream_is_passed_on() {
    for rcode in [
        Rcode::SERVFAIL,
        Rcode::REFUSED,
        Rcode::FORMERR,
        Rcode::NOTIMP,
    ] {
        let upstream = Upstream::start(move |asked| {
            let mut response = Records::default().response(&asked.message);
            response.rcode = rcode;
            vec![response.to_wire(512)]
        })
        .await;
        let stub = Running::start(&[upstream.address, upstream.address]).await;
        for rtype in [RecordType::AAAA, RecordType::TXT] {
            let response = stub.ask("vm1.example.org.", rtype).await;
            assert_eq!(response.rcode, rcode);
        }
    }
}

#[tokio::test]
async fn other_upstreams_can_be_set() {
    let old = Upstream::with(Records::default()).await;
    let new = Upstream::with(Records::example()).await;
    let stub = Running::start(&[old.address]).await;
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(response.rcode, Rcode::NXDOMAIN);
    stub.resolver.set_upstreams(vec![new.address]);
    let response = stub.ask("vm1.example.org.", RecordType::AAAA).await;
    assert_eq!(addresses(&response), [VM1]);
}
