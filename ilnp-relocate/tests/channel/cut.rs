//! The wire is cut at every step of a conversation, or played back.

use std::time::{Duration, Instant};

use ilnp_relocate::channel::{ChannelError, Connection, Opening, Relay, RelayError, SILENCE};
use ilnp_relocate::hypervisor::Stream;
use ilnp_relocate::tls::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::tap::{Tap, Way};
use super::world::{World, listen, meet_through, opening, soon};

const COPIED: usize = 150_000;

/// What one side of a conversation has seen of it.
#[derive(Debug, Default)]
struct Seen {
    /// Orders that came.
    orders: Vec<String>,
    /// Whether the relay says that all is well.
    relayed: bool,
    /// What the hypervisor has read, and whether it saw the end of it.
    copied: Vec<u8>,
    ended: bool,
}

fn octets() -> Vec<u8> {
    (0..COPIED)
        .map(|at| (at ^ (at >> 8)).to_le_bytes()[0])
        .collect()
}

/// The source: an order, a copy, an order, and the answer.
async fn source(connection: &Connection, opening: &Opening) -> Seen {
    let mut seen = Seen::default();
    let _ = talk(&mut seen, connection, opening).await;
    return seen;

    async fn talk(
        seen: &mut Seen,
        connection: &Connection,
        opening: &Opening,
    ) -> Result<(), ChannelError> {
        connection.send(&"prepare").await?;
        seen.orders.push(connection.receive().await?);
        let copy = connection.open(opening.clone()).await?;
        let (mut hypervisor, agent) = UnixStream::pair().unwrap();
        let relaying = tokio::spawn(async move { Relay::default().join(agent, copy).await });
        let _ = hypervisor.write_all(&octets()).await;
        let _ = hypervisor.shutdown().await;
        seen.ended = hypervisor.read_to_end(&mut seen.copied).await.is_ok();
        seen.relayed = relaying.await.unwrap().is_ok();
        connection.send(&"commit").await?;
        seen.orders.push(connection.receive().await?);
        Ok(())
    }
}

/// The target: the answers, and the other end of the copy.
async fn target(connection: &Connection) -> Seen {
    let mut seen = Seen::default();
    let _ = talk(&mut seen, connection).await;
    return seen;

    async fn talk(seen: &mut Seen, connection: &Connection) -> Result<(), ChannelError> {
        seen.orders.push(connection.receive().await?);
        connection.send(&"prepared").await?;
        let copy = connection.accept().await?;
        let (mut hypervisor, agent) = UnixStream::pair().unwrap();
        let relaying = tokio::spawn(async move { Relay::default().join(agent, copy).await });
        seen.ended = hypervisor.read_to_end(&mut seen.copied).await.is_ok();
        drop(hypervisor);
        let result: Result<(), RelayError> = relaying.await.unwrap();
        seen.relayed = result.is_ok();
        seen.orders.push(connection.receive().await?);
        connection.send(&"running").await?;
        connection.closed().await;
        Ok(())
    }
}

struct Sites {
    a: Identity,
    b: Identity,
}

/// A whole conversation over a wire with a cut, and what went over it.
async fn converse(sites: &Sites, cut: Option<(Way, usize)>) -> (Option<(Seen, Seen)>, Tap) {
    let listener = listen(&sites.b, &["a"]);
    let tap = Tap::new(listener.addresses()[0], cut).await;
    let opening = opening(Stream::Memory);
    let dialling = async {
        let connection = ilnp_relocate::channel::connect(tap.address, sites.b.site(), &sites.a)
            .await
            .ok()?;
        let seen = source(&connection, &opening).await;
        connection.close().await;
        Some(seen)
    };
    let listening = async {
        let connection = listener.accept().await.ok()?;
        Some(target(&connection).await)
    };
    let (at_source, at_target) = soon(async { tokio::join!(dialling, listening) }).await;
    (at_source.zip(at_target), tap)
}

fn check(at_source: &Seen, at_target: &Seen) {
    let (whole, copied) = (octets(), &at_target.copied);
    assert!(
        whole.starts_with(copied),
        "the target has read what was never sent"
    );
    if at_target.relayed {
        assert_eq!(copied.len(), whole.len(), "a cut passes for the end");
    }
    assert!(
        ["prepare", "commit"]
            .iter()
            .zip(&at_target.orders)
            .all(|(sent, came)| sent == came)
    );
    assert!(
        ["prepared", "running"]
            .iter()
            .zip(&at_source.orders)
            .all(|(sent, came)| sent == came)
    );
    // No answer comes before its question.
    assert!(at_source.orders.len() <= at_target.orders.len());
    if at_source.relayed {
        assert_eq!(
            copied.len(),
            whole.len(),
            "the source believes in a copy that is not there"
        );
    }
}

#[tokio::test]
async fn a_cut_at_any_step_is_seen_by_both_and_passes_for_nothing_else() {
    let world = World::new(&["a", "b"]);
    let sites = Sites {
        a: world.identity("a"),
        b: world.identity("b"),
    };
    let (seen, tap) = converse(&sites, None).await;
    let (at_source, at_target) = seen.unwrap();
    check(&at_source, &at_target);
    assert!(at_source.relayed && at_target.relayed);
    assert_eq!(at_source.orders, ["prepared", "running"]);
    assert_eq!(at_target.orders, ["prepare", "commit"]);

    let mut committed = 0;
    for way in [Way::There, Way::Back] {
        let length = tap.heard(way).len();
        // Densely at the beginning and at the end, where each record is another step.
        let dense = |range: std::ops::Range<usize>| range.step_by(83);
        let edge = length.min(4000) / 2;
        let points: Vec<_> = dense(0..edge)
            .chain((edge..length - edge).step_by(9_973))
            .chain(dense(length - edge..length))
            .collect();
        for after in points {
            if let (Some((at_source, at_target)), _) = converse(&sites, Some((way, after))).await {
                check(&at_source, &at_target);
                committed += usize::from(at_target.orders.len() == 2);
            }
        }
    }
    assert!(committed > 0, "no cut was late enough to matter");
}

#[tokio::test]
async fn what_was_said_once_says_nothing_when_played_back() {
    let world = World::new(&["a", "b"]);
    let sites = Sites {
        a: world.identity("a"),
        b: world.identity("b"),
    };
    let (_, tap) = converse(&sites, None).await;
    let said = tap.heard(Way::There);

    let listener = listen(&sites.b, &["a"]);
    let mut replayed = TcpStream::connect(listener.addresses()[0]).await.unwrap();
    let playing = async {
        let _ = replayed.write_all(&said).await;
        let _ = replayed.read_to_end(&mut Vec::new()).await;
    };
    let ((), refused) = soon(async { tokio::join!(playing, listener.accept()) }).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, ChannelError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("decrypt"), "{refused}");
}

#[tokio::test]
async fn a_silent_wire_is_noticed_within_seconds() {
    let world = World::new(&["a", "b"]);
    let (a, b) = (world.identity("a"), world.identity("b"));
    let listener = listen(&b, &["a"]);
    let tap = Tap::new(listener.addresses()[0], None).await;
    let (ours, theirs) = meet_through(tap.address, &listener, &a, "b").await;
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    // It may be idle for longer than that.
    let idle = tokio::time::timeout(Duration::from_secs(8), ours.closed()).await;
    assert!(idle.is_err(), "an idle connection ended: {idle:?}");

    tap.freeze();
    let begun = Instant::now();
    let (ours, theirs) = soon(async { tokio::join!(ours.closed(), theirs.closed()) }).await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    for reason in [ours, theirs] {
        assert!(
            reason.to_string().contains("nothing was heard for 6 s"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_machine_that_stood_still_gives_nobody_up() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        // Both sides stop, and the clock goes on.
        std::thread::sleep(SILENCE + Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        ours.send(&"are you there?").await.unwrap();
        let heard: String = theirs.receive().await.unwrap();
        assert_eq!(heard, "are you there?");
    })
    .await;
}
