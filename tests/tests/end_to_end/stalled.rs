//! TCP that waited while there was no way.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use experiments::topology::Namespace;
use ilnp_hostd::kernel::sockets::{Socket, Transport};
use tests::scene::{MOBILE, PEER, Scene};

/// What a move may cost on a busy machine, and what TCP may take to connect after one.
const BOUND: Duration = Duration::from_secs(20);
/// So many retransmissions of a connection time out before the move.
const TIMEOUTS: u32 = 6;
/// From the last of these to the next one at least: TCP waits twice as long each time.
const NEXT: Duration = Duration::from_millis(50 << TIMEOUTS);
const SETTLED: Duration = Duration::from_millis(500);

/// The established connection goes on long before its timer, without an error. One that is just
/// being made would end by what the other is told: it is not told.
#[test]
fn tcp_need_not_wait_for_its_timer_after_a_move() -> anyhow::Result<()> {
    let mut scene = Scene::start("stalled")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    let listener = scene.host(PEER)?.inside(|| TcpListener::bind("[::]:0"))??;
    let port = listener.local_addr()?.port();
    let address = SocketAddr::from((scene.handle(PEER)?, port));

    scene.lab().silence(MOBILE)?;
    let connect = || thread::spawn(move || TcpStream::connect_timeout(&address, BOUND));
    let connect = scene.host(MOBILE)?.inside(connect)?;
    let exchange = thread::spawn(move || anyhow::Ok((talk.exchange(BOUND)?, Instant::now(), talk)));
    await_timeouts(scene.host(MOBILE)?)?;
    // It may have been noticed late.
    let due = Instant::now() + NEXT * 3 / 4;
    scene.move_hard(MOBILE, "b")?;

    let (_, answered, talk) = exchange.join().expect("the thread does not panic")?;
    assert!(answered < due, "the connection waited for its timer");
    assert_ne!(told(scene.host(MOBILE)?)?, 0);
    assert!(talk.stream().take_error()?.is_none());
    let connected = connect.join().expect("the thread does not panic");
    connected.context("a connection that was begun before the move")?;
    Ok(())
}

#[test]
fn nobody_is_told_anything_when_nothing_waits() -> anyhow::Result<()> {
    let mut scene = Scene::start("nothing-stalled")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    // Longer than an acknowledgement is delayed, and than it takes to look.
    sleep(SETTLED);
    scene.move_soft(MOBILE, "b", Duration::from_secs(1))?;
    scene.await_correspondent_at(PEER, "b", BOUND)?;
    sleep(SETTLED);
    for host in [MOBILE, PEER] {
        assert_eq!(told(scene.host(host)?)?, 0, "{host}");
    }
    talk.exchange(BOUND)?;
    Ok(())
}

/// Waits until a connection of this host has waited in vain so often.
fn await_timeouts(host: &Namespace) -> anyhow::Result<()> {
    let end = Instant::now() + BOUND;
    while Instant::now() < end {
        let sockets =
            host.inside(|| Transport::Tcp.sockets()?.collect::<Result<Vec<_>, _>>())??;
        let waits = |socket: &Socket| socket.state == "established" && socket.timeouts >= TIMEOUTS;
        if sockets.iter().any(waits) {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    bail!("no connection was stalled")
}

/// How many messages of unreachable destinations a host's kernel got.
fn told(host: &Namespace) -> anyhow::Result<u64> {
    let text = host.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp6"))??;
    let mut words = text.lines().map(str::split_whitespace);
    let count =
        words.find_map(|mut line| (line.next()? == "Icmp6InDestUnreachs").then(|| line.next())?);
    Ok(count.context("the kernel does not count them")?.parse()?)
}
