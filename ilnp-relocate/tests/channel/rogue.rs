//! A peer with a good certificate that keeps to no rule.

use std::future::poll_fn;

use ilnp_relocate::channel::{ChannelError, Connection, CopyError, Listener, Relay, RelayError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

use super::stranger::{self, Credentials};
use super::world::{World, listen, soon};

const ORDERS: &[u8] = br#"{"orders":{}}"#;
const COPY: &[u8] =
    br#"{"copy":{"relocation":"0123456789abcdef0123456789abcdef","stream":"memory"}}"#;

/// Streams that say whatever a test wants.
struct Rogue {
    streams: Vec<Compat<yamux::Stream>>,
}

fn frame(contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap();
    [&length.to_be_bytes(), contents].concat()
}

/// Connects, shows a good certificate, and opens a stream for each of `words`, which it begins with.
async fn meet(world: &World, listener: &Listener, words: &[Vec<u8>]) -> (Rogue, Connection) {
    let credentials = Credentials::read(&world.path("a.pem"), &world.path("a.key"));
    let hello = br#"{"protocol":1,"site":"a"}"#;
    let dialling = stranger::meet(world, listener.addresses()[0], credentials, hello);
    let (stream, connection) = tokio::join!(dialling, listener.accept());
    let mut multiplexer = yamux::Connection::new(
        stream.compat(),
        yamux::Config::default(),
        yamux::Mode::Client,
    );
    let mut streams = Vec::new();
    for _ in words {
        let stream = poll_fn(|cx| multiplexer.poll_new_outbound(cx))
            .await
            .unwrap();
        streams.push(stream.compat());
    }
    tokio::spawn(async move {
        while let Some(Ok(_)) = poll_fn(|cx| multiplexer.poll_next_inbound(cx)).await {}
    });
    for (stream, words) in streams.iter_mut().zip(words) {
        stream.write_all(words).await.unwrap();
    }
    (Rogue { streams }, connection.unwrap())
}

/// What becomes of a connection over which a stream begins so.
async fn ends(streams: &[Vec<u8>]) -> String {
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let (_rogue, connection) = meet(&world, &listener, streams).await;
        let reason = connection.closed().await;
        assert!(matches!(reason, ChannelError::Protocol { .. }), "{reason}");
        reason.to_string()
    })
    .await
}

#[tokio::test]
async fn an_order_that_is_too_large_is_not_waited_for() {
    let reason = ends(&[[&frame(ORDERS)[..], &[0xff; 4]].concat()]).await;
    assert!(
        reason.contains("site a breaks the protocol: an order"),
        "{reason}"
    );
    assert!(
        reason.contains("4294967295 octets, of at most 262144"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_stream_of_no_kind_ends_the_connection() {
    let reason = ends(&[frame(br#"{"mail":{}}"#)]).await;
    assert!(reason.contains("unknown variant `mail`"), "{reason}");
    let reason = ends(&[frame(ORDERS), frame(ORDERS)]).await;
    assert!(reason.contains("two streams of orders"), "{reason}");
    let reason = ends(&[frame(&[b' '; 1025])]).await;
    assert!(
        reason.contains("a frame of 1025 octets, of at most 1024"),
        "{reason}"
    );
}

#[tokio::test]
async fn more_streams_than_allowed_end_the_connection() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let (_rogue, connection) = meet(&world, &listener, &vec![frame(COPY); 100]).await;
        connection.closed().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_record_ends_the_copy_alone() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let bad = [&frame(COPY)[..], b"\x00\x00\x00\x02ok", &[0x7f; 4]].concat();
        let mut heard = frame(ORDERS);
        heard.extend(frame(br#""still here""#));
        let (mut rogue, connection) = meet(&world, &listener, &[bad, heard]).await;

        let copy = connection.accept().await.unwrap();
        let (_hypervisor, agent) = UnixStream::pair().unwrap();
        let error = Relay::default().join(agent, copy).await.unwrap_err();
        let malformed = CopyError::Malformed(0x7f7f_7f7f);
        assert!(
            matches!(&error, RelayError::Copy(error) if *error == malformed),
            "{error}"
        );
        assert_eq!(connection.receive::<String>().await.unwrap(), "still here");
        rogue.streams.clear();
    })
    .await;
}

#[tokio::test]
async fn what_a_peer_gives_as_a_reason_is_shown_as_text_alone() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let reason = b"\x1b[2Jgone\n\xff";
        let mut words = frame(COPY);
        words.extend_from_slice(&[0x80, 0, 0, u8::try_from(reason.len()).unwrap()]);
        words.extend_from_slice(reason);
        let (_rogue, connection) = meet(&world, &listener, &[words]).await;
        let copy = connection.accept().await.unwrap();
        let (_hypervisor, agent) = UnixStream::pair().unwrap();
        let error = Relay::default()
            .join(agent, copy)
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the other site gives up: \\u{1b}[2Jgone\\n\u{fffd}");
    })
    .await;
}
