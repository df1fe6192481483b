//! Name servers, networks and applications that do not behave.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ilnp_dns::message::{Message, Opcode, Rcode};
use ilnp_dns::record::RecordType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::support::{LONG, Running, VM1, addresses, query, with_edns};
use crate::upstream::{Asked, Records, Upstream};

const VM1_CLASSIC: &str = "2001:db8:a:0:214:4fff:fe20:ee64";

fn is_ilnp(asked: &Asked) -> bool {
    matches!(
        asked.rtype(),
        RecordType::NID | RecordType::L64 | RecordType::LP
    )
}

/// An address where queries get lost.
async fn black_hole() -> (UdpSocket, TcpListener, SocketAddr) {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = tcp.local_addr().unwrap();
    (UdpSocket::bind(address).await.unwrap(), tcp, address)
}

/// An address where nobody listens.
async fn closed_port() -> SocketAddr {
    black_hole().await.2
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
    let first = std::sync::atomic::AtomicBool::new(true);
    let upstream = Upstream::start(move |asked| {
        let mut asked = asked.clone();
        let l64 = asked.rtype() == RecordType::L64 && asked.name() == "vm1.example.org.";
        if l64 && first.swap(false, std::sync::atomic::Ordering::Relaxed) {
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
    let (_udp, _tcp, silent) = black_hole().await;
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
    let (_udp, _tcp, silent) = black_hole().await;
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

#[tokio::test]
async fn requests_that_are_none_are_refused_or_not_answered() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let right = query("vm1.example.org.", RecordType::TXT).to_wire(512);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = right.clone();
        change(&mut octets);
        octets
    };
    let transfer = query("example.org.", RecordType::AXFR).to_wire(512);
    for (request, expected) in [
        (vec![], None),
        (right[..11].to_vec(), None),
        (with(&|octets| octets[2] |= 0x80), None),
        (right[..12].to_vec(), Some(Rcode::FORMERR)),
        (right[..20].to_vec(), Some(Rcode::FORMERR)),
        (with(&|octets| octets[5] = 0), Some(Rcode::FORMERR)),
        (with(&|octets| octets[5] = 2), Some(Rcode::FORMERR)),
        (with(&|octets| octets[12] = 0xc0), Some(Rcode::FORMERR)),
        (with(&|octets| octets[12] = 0x40), Some(Rcode::FORMERR)),
        (
            with(&|octets| octets[2] = Opcode::UPDATE.0 << 3),
            Some(Rcode::NOTIMP),
        ),
        (
            with(&|octets| octets[2] = Opcode::NOTIFY.0 << 3),
            Some(Rcode::NOTIMP),
        ),
        (transfer, Some(Rcode::REFUSED)),
    ] {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(stub.address).await.unwrap();
        socket.send(&request).await.unwrap();
        // What comes first is the answer to the request, or to the sound one behind it.
        let mut marker = query("classic.example.org.", RecordType::TXT);
        marker.id = 0x7777;
        if expected.is_none() {
            socket.send(&marker.to_wire(512)).await.unwrap();
        }
        let mut buffer = [0; 512];
        let length = timeout(LONG, socket.recv(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        let response = Message::from_wire(&buffer[..length]).unwrap();
        match expected {
            Some(rcode) => assert_eq!(
                (response.id, response.rcode),
                (0x1234, rcode),
                "{request:x?}"
            ),
            None => assert_eq!(response.id, 0x7777, "{request:x?}"),
        }
    }
}

async fn read_response(stream: &mut TcpStream) -> Message {
    let length = timeout(LONG, stream.read_u16()).await.unwrap().unwrap();
    let mut octets = vec![0; length.into()];
    stream.read_exact(&mut octets).await.unwrap();
    Message::from_wire(&octets).unwrap()
}

#[tokio::test]
async fn a_connection_takes_many_requests_at_once() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let mut stream = TcpStream::connect(stub.address).await.unwrap();
    let mut octets = Vec::new();
    for id in 0..50 {
        let mut request = query("vm1.example.org.", RecordType::AAAA);
        request.id = id;
        let request = request.to_wire(512);
        octets.extend(u16::try_from(request.len()).unwrap().to_be_bytes());
        octets.extend(request);
    }
    // In pieces that have nothing to do with the messages.
    for piece in octets.chunks(7) {
        stream.write_all(piece).await.unwrap();
    }
    let mut answered = Vec::new();
    for _ in 0..50 {
        let response = read_response(&mut stream).await;
        assert_eq!(addresses(&response), [VM1]);
        answered.push(response.id);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_connection_with_nonsense_is_closed_and_the_others_go_on() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let mut good = TcpStream::connect(stub.address).await.unwrap();
    for nonsense in [&b"\xff\xff\xff"[..], b"\x00\x03abc", b"\x00"] {
        let mut bad = TcpStream::connect(stub.address).await.unwrap();
        bad.write_all(nonsense).await.unwrap();
        bad.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset, and without a word.
        let _ = timeout(LONG, bad.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
    }
    let request = query("vm1.example.org.", RecordType::AAAA).to_wire(512);
    good.write_u16(request.len().try_into().unwrap())
        .await
        .unwrap();
    good.write_all(&request).await.unwrap();
    assert_eq!(addresses(&read_response(&mut good).await), [VM1]);
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let upstream = Upstream::with(Records::example()).await;
    let stub = Running::start(&[upstream.address]).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(stub.address).await.unwrap());
    }
    // UDP at once; TCP when the idle ones are closed.
    assert_eq!(
        addresses(&stub.ask("vm1.example.org.", RecordType::AAAA).await),
        [VM1]
    );
    let mut late = TcpStream::connect(stub.address).await.unwrap();
    let request = query("vm1.example.org.", RecordType::AAAA).to_wire(512);
    late.write_u16(request.len().try_into().unwrap())
        .await
        .unwrap();
    late.write_all(&request).await.unwrap();
    assert_eq!(addresses(&read_response(&mut late).await), [VM1]);
}
