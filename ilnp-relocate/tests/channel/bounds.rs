//! What nobody can exceed: memory, streams, connections, patience.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ilnp_relocate::channel::{ChannelError, MOST_COPIES, RECEIVE_WINDOW, Relay};
use ilnp_relocate::hypervisor::Stream;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::world::{World, listen, meet, opening, soon};

#[tokio::test]
async fn a_hypervisor_that_does_not_read_stops_its_own_copy_alone() {
    const STALLED: usize = 8;
    const MOST: usize = 200_000_000;
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let join = async || {
            let sending = ours.open(opening(Stream::Memory)).await.unwrap();
            let receiving = theirs.accept().await.unwrap();
            let (source, at_source) = UnixStream::pair().unwrap();
            let (target, at_target) = UnixStream::pair().unwrap();
            tokio::spawn(async move { Relay::default().join(at_source, sending).await });
            tokio::spawn(async move { Relay::default().join(at_target, receiving).await });
            (source, target)
        };
        let written = Arc::new(AtomicUsize::new(0));
        let (mut targets, mut writers) = (Vec::new(), Vec::new());
        for _ in 0..STALLED {
            let (mut source, target) = join().await;
            targets.push(target);
            let written = written.clone();
            writers.push(tokio::spawn(async move {
                let octets = vec![3; 50_000];
                let mut own = 0;
                while own < MOST / STALLED {
                    source.write_all(&octets).await.unwrap();
                    own += octets.len();
                    written.fetch_add(octets.len(), Ordering::Relaxed);
                }
                source.shutdown().await.unwrap();
                source.read_to_end(&mut Vec::new()).await.unwrap();
            }));
        }
        // It stands still, and at little.
        let mut before = usize::MAX;
        while before != written.load(Ordering::Relaxed) {
            before = written.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // On the way out each stream has a record, some frames, and the sockets' buffers.
        let most = RECEIVE_WINDOW + STALLED * 4_000_000;
        assert!(
            before < most,
            "{before} octets are waiting, of at most {most}"
        );

        // All else goes on.
        let (mut source, mut target) = join().await;
        let octets = vec![4; 20_000_000];
        let mut read = vec![0; octets.len()];
        let (wrote, _) = tokio::join!(source.write_all(&octets), target.read_exact(&mut read));
        wrote.unwrap();
        ours.send(&"and orders do").await.unwrap();
        assert_eq!(theirs.receive::<String>().await.unwrap(), "and orders do");

        // And what stood still goes on when it is read.
        let mut total = 0;
        for mut target in targets {
            let mut octets = Vec::new();
            total += target.read_to_end(&mut octets).await.unwrap();
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(total, MOST);
    })
    .await;
}

#[tokio::test]
async fn orders_and_signs_of_life_pass_copies_that_take_all_there_is() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        let mut ends = Vec::new();
        for _ in 0..4 {
            let sending = ours.open(opening(Stream::Memory)).await.unwrap();
            let receiving = theirs.accept().await.unwrap();
            let (mut source, at_source) = std::os::unix::net::UnixStream::pair().unwrap();
            let (mut target, at_target) = std::os::unix::net::UnixStream::pair().unwrap();
            // Hypervisors have threads of their own, and end with their sockets.
            std::thread::spawn(move || while source.write_all(&[5; 1 << 20]).is_ok() {});
            std::thread::spawn(move || while target.read(&mut [0; 1 << 20]).unwrap_or(0) > 0 {});
            for (end, copy) in [(at_source, sending), (at_target, receiving)] {
                end.set_nonblocking(true).unwrap();
                let end = UnixStream::from_std(end).unwrap();
                ends.push(tokio::spawn(async move {
                    Relay::default().join(end, copy).await
                }));
            }
        }
        // Longer than silence is believed in.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(8) {
            let asked = Instant::now();
            ours.send(&"how far?").await.unwrap();
            assert_eq!(theirs.receive::<String>().await.unwrap(), "how far?");
            theirs.send(&"so far").await.unwrap();
            assert_eq!(ours.receive::<String>().await.unwrap(), "so far");
            assert!(
                asked.elapsed() < Duration::from_secs(3),
                "{:?}",
                asked.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(ends.iter().all(|end| !end.is_finished()));
    })
    .await;
}

#[tokio::test]
async fn copies_beyond_the_limit_are_refused_and_the_others_go_on() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let (ours, theirs, _listener) = world.pair().await;
        // Both sides may have as many, and who comes back often leaves nothing behind.
        for _ in 0..10 {
            let mut copies = Vec::new();
            for (opener, other) in [(&ours, &theirs), (&theirs, &ours)] {
                for _ in 0..MOST_COPIES {
                    copies.push(opener.open(opening(Stream::Memory)).await.unwrap());
                    copies.push(other.accept().await.unwrap());
                }
                let error = opener.open(opening(Stream::Memory)).await.unwrap_err();
                assert!(matches!(error, ChannelError::TooManyCopies(_)), "{error}");
            }
        }
        ours.send(&"still here").await.unwrap();
        assert_eq!(theirs.receive::<String>().await.unwrap(), "still here");
    })
    .await;
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_no_peer_out() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8192), most).unwrap();
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let mut idle = Vec::new();
        for _ in 0..1000 {
            idle.push(TcpStream::connect(listener.addresses()[0]).await.unwrap());
        }
        let identity = world.identity("a");
        let (ours, theirs) = {
            let to = "b".parse().unwrap();
            let dialling = ilnp_relocate::channel::connect(listener.addresses()[0], &to, &identity);
            let admitted = async {
                loop {
                    // Others are given up meanwhile.
                    if let Ok(connection) = listener.accept().await {
                        break connection;
                    }
                }
            };
            let (ours, theirs) = tokio::join!(dialling, admitted);
            (ours.unwrap(), theirs)
        };
        ours.send(&"hello").await.unwrap();
        assert_eq!(theirs.receive::<String>().await.unwrap(), "hello");
        // The oldest have made room, and the others run out of time.
        assert_eq!(idle[0].read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(idle[999].read(&mut [0]).await.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn one_site_takes_no_more_than_its_connections() {
    soon(async {
        let world = World::new(&["a", "b"]);
        let listener = listen(&world.identity("b"), &["a"]);
        let identity = world.identity("a");
        let mut connections = Vec::new();
        for _ in 0..16 {
            let (ours, theirs) = meet(&listener, &identity, "b").await;
            connections.push((ours.unwrap(), theirs.unwrap()));
        }
        let (refused, _) = meet(&listener, &identity, "b").await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("a has 16 connections already"),
            "{refused}"
        );

        let (ours, theirs) = connections.pop().unwrap();
        ours.close().await;
        theirs.close().await;
        let (ours, theirs) = meet(&listener, &identity, "b").await;
        let _both = (ours.unwrap(), theirs.unwrap());
    })
    .await;
}
