//! Copies between hypervisors on Unix sockets: octets, ends, failures and bounds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::world::{World, opening, soon};
use ilnp_relocate::channel::{
    ChannelError, Connection, CopyError, Counters, Limiter, Relay, RelayError,
};
use ilnp_relocate::hypervisor::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Two hypervisors with a copy between them.
struct Copy {
    source: UnixStream,
    target: UnixStream,
    at_source: JoinHandle<Result<(), RelayError>>,
    at_target: JoinHandle<Result<(), RelayError>>,
}

async fn copy(ours: &Connection, theirs: &Connection, at_source: Relay, at_target: Relay) -> Copy {
    let (source, ours_end) = UnixStream::pair().unwrap();
    let (target, theirs_end) = UnixStream::pair().unwrap();
    let sending = ours.open(opening(Stream::Memory)).await.unwrap();
    let receiving = theirs.accept().await.unwrap();
    assert_eq!(receiving.opening(), sending.opening());
    Copy {
        source,
        target,
        at_source: tokio::spawn(async move { at_source.join(ours_end, sending).await }),
        at_target: tokio::spawn(async move { at_target.join(theirs_end, receiving).await }),
    }
}

/// Octets that tell where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect()
}

#[tokio::test]
async fn each_direction_ends_for_itself_and_every_octet_arrives() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let counters = Counters::default();
        let relay = Relay::new(Limiter::default(), counters.clone());
        let Copy {
            mut source,
            mut target,
            at_source,
            at_target,
        } = copy(&ours, &theirs, relay, Relay::default()).await;

        let sent = pattern(5_000_001);
        let (mut from, mut to) = source.split();
        let mut received = Vec::new();
        let writing = async {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
        };
        tokio::join!(writing, async {
            target.read_to_end(&mut received).await.unwrap()
        });
        assert!(received == sent);

        // The other direction is as open as before.
        let answer = pattern(1_000_003);
        let mut read = Vec::new();
        let answering = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            target.write_all(&answer).await.unwrap();
            target.shutdown().await.unwrap();
        };
        tokio::join!(answering, async {
            from.read_to_end(&mut read).await.unwrap()
        });
        assert!(read == answer);

        at_source.await.unwrap().unwrap();
        at_target.await.unwrap().unwrap();
        let counted = &counters.snapshot()[0];
        assert_eq!(
            (counted.sent, counted.received),
            (sent.len() as u64, answer.len() as u64)
        );
        assert_eq!((&counted.stream, counted.connections), (&Stream::Memory, 1));
    })
    .await;
}

#[tokio::test]
async fn several_connections_of_a_stream_are_relayed_from_socket_to_socket() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let path = |name: &str| -> PathBuf { world.path(name) };
        let (at_source, at_target) = (path("source"), path("target"));
        let listener = UnixListener::bind(&at_source).unwrap();
        let hypervisor = UnixListener::bind(&at_target).unwrap();
        let opening = opening(Stream::Disk("vd0".to_owned()));
        let counters = Counters::default();
        let relay = Relay::new(Limiter::default(), counters.clone());

        let serving = {
            let (relay, ours, opening) = (relay.clone(), ours.clone(), opening.clone());
            tokio::spawn(async move { relay.serve(&listener, &ours, &opening).await })
        };
        let taking = tokio::spawn(async move {
            loop {
                let copy = theirs.accept().await.unwrap();
                assert_eq!(*copy.opening(), opening);
                let path = at_target.clone();
                tokio::spawn(async move { Relay::default().connect(&path, copy).await });
            }
        });
        let mut clients = Vec::new();
        for number in 0..8_u8 {
            let path = at_source.clone();
            clients.push(tokio::spawn(async move {
                let mut socket = UnixStream::connect(path).await.unwrap();
                socket.write_all(&vec![number; 300_000]).await.unwrap();
                socket.shutdown().await.unwrap();
                let mut answer = Vec::new();
                socket.read_to_end(&mut answer).await.unwrap();
                assert_eq!(answer, [number]);
            }));
            let (mut socket, _) = hypervisor.accept().await.unwrap();
            tokio::spawn(async move {
                let mut octets = Vec::new();
                socket.read_to_end(&mut octets).await.unwrap();
                assert_eq!(octets.len(), 300_000);
                socket.write_all(&octets[..1]).await.unwrap();
            });
        }
        for client in clients {
            client.await.unwrap();
        }
        let counted = &counters.snapshot()[0];
        assert_eq!(
            (counted.sent, counted.received, counted.connections),
            (2_400_000, 8, 8)
        );
        taking.abort();
        serving.abort();
    })
    .await;
}

#[tokio::test]
async fn a_failure_of_one_side_reaches_the_other_and_is_no_end() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;

        // The target's hypervisor goes away in the middle.
        let Copy {
            mut source,
            target,
            at_source,
            at_target,
        } = copy(&ours, &theirs, Relay::default(), Relay::default()).await;
        drop(target);
        let octets = vec![1; 100_000];
        while source.write_all(&octets).await.is_ok() {}
        let at_target = at_target.await.unwrap().unwrap_err();
        assert!(
            matches!(at_target, RelayError::Hypervisor(_)),
            "{at_target}"
        );
        let told = at_source.await.unwrap().unwrap_err().to_string();
        assert!(
            told.contains("the other site gives up") && told.contains("pipe"),
            "{told}"
        );

        // A relay is dropped: a cut, not an end.
        let Copy {
            mut source,
            mut target,
            at_source,
            at_target,
        } = copy(&ours, &theirs, Relay::default(), Relay::default()).await;
        source.write_all(b"half").await.unwrap();
        let mut half = [0; 4];
        target.read_exact(&mut half).await.unwrap();
        at_source.abort();
        let cut = at_target.await.unwrap().unwrap_err();
        assert!(matches!(cut, RelayError::Copy(CopyError::Cut)), "{cut}");

        // Nobody listens at the target.
        let sending = ours.open(opening(Stream::Memory)).await.unwrap();
        let receiving = theirs.accept().await.unwrap();
        let (_source, end) = UnixStream::pair().unwrap();
        let at_source = tokio::spawn(async move { Relay::default().join(end, sending).await });
        let nowhere = world.path("nowhere");
        let missing = Relay::default()
            .connect(&nowhere, receiving)
            .await
            .unwrap_err();
        assert!(matches!(missing, RelayError::Hypervisor(_)), "{missing}");
        let told = at_source.await.unwrap().unwrap_err().to_string();
        assert!(told.contains("the hypervisor does not take it"), "{told}");
        assert!(
            !told.contains("nowhere"),
            "{told} tells a path of the other site"
        );

        // The connection ends: whoever waits is told why.
        let Copy {
            source: _source,
            target: _target,
            at_source,
            at_target,
        } = copy(&ours, &theirs, Relay::default(), Relay::default()).await;
        ours.close().await;
        for at in [at_source, at_target] {
            let error = at.await.unwrap().unwrap_err();
            let closed = ChannelError::ClosedByPeer(theirs.peer().clone()).to_string();
            let expected = [
                closed,
                ChannelError::Closed(ours.peer().clone()).to_string(),
            ];
            assert!(expected.contains(&error.to_string()), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn copies_keep_to_the_rate_and_the_rate_can_be_changed() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let limiter = Limiter::new(Some(4_000_000));
        let relay = Relay::new(limiter.clone(), Counters::default());
        let mut copies = Vec::new();
        for _ in 0..2 {
            let Copy {
                mut source,
                mut target,
                ..
            } = copy(&ours, &theirs, relay.clone(), Relay::default()).await;
            copies.push(tokio::spawn(async move {
                let octets = vec![0; 2_000_000];
                let mut read = vec![0; octets.len()];
                let (written, _) =
                    tokio::join!(source.write_all(&octets), target.read_exact(&mut read));
                written.unwrap();
                // Both ends are kept for the next.
                (source, target)
            }));
        }
        let begun = Instant::now();
        let mut ends = Vec::new();
        for copy in copies {
            ends.push(copy.await.unwrap());
        }
        // A busy machine may take longer; only less would be wrong.
        let taken = begun.elapsed().as_secs_f64();
        assert!(taken > 0.95, "4 MB at 4 MB/s in {taken} s");

        limiter.set(None);
        let begun = Instant::now();
        let (source, target) = &mut ends[0];
        let octets = vec![0; 16_000_000];
        let mut read = vec![0; octets.len()];
        let (written, _) = tokio::join!(source.write_all(&octets), target.read_exact(&mut read));
        written.unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "the old rate would take 4 s"
        );
    })
    .await;
}

#[tokio::test]
async fn a_paced_connection_sends_no_faster_by_itself() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let Copy {
            mut source,
            mut target,
            ..
        } = copy(&ours, &theirs, Relay::default(), Relay::default()).await;
        let mut send = async |length: usize| {
            let begun = Instant::now();
            let octets = vec![0; length];
            let mut read = vec![0; length];
            let (written, _) =
                tokio::join!(source.write_all(&octets), target.read_exact(&mut read));
            written.unwrap();
            begun.elapsed()
        };
        ours.pace(Some(4_000_000)).unwrap();
        // A busy machine may take longer; only less would be wrong.
        let taken = send(4_000_000).await.as_secs_f64();
        assert!(taken > 0.8, "4 MB at 4.2 MB/s in {taken} s");
        // At this pace the next would take hours.
        ours.pace(Some(1000)).unwrap();
        ours.pace(None).unwrap();
        send(8_000_000).await;

        // The handle that is left keeps no socket open.
        ours.close().await;
        let error = theirs.closed().await;
        assert!(matches!(error, ChannelError::ClosedByPeer(_)), "{error}");
        ours.pace(Some(1)).unwrap();
    })
    .await;
}
