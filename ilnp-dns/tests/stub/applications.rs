//! Applications that ask for nonsense, or too much at once.

use std::net::Ipv4Addr;

use ilnp_dns::message::{Message, Opcode, Rcode};
use ilnp_dns::record::RecordType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::support::{LONG, Running, VM1, addresses, query};
use crate::upstream::{Records, Upstream};

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
