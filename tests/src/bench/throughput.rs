//! What packets cost: ILNP with a 96-bit Nonce in every packet, against plain IPv6.

use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::PAIRS;
use super::pair::Pair;
use super::report::{Figure, Target, median};
use crate::load::{datagrams, transactions};
use crate::{cpu, session};

/// Where the sender or client runs, and where the receiver or server.
const CORES: (usize, usize) = (0, 1);
/// How long each half of a pair lasts.
const SPAN: Duration = Duration::from_secs(2);
/// Octets in a small datagram.
const PAYLOAD: usize = 64;

/// Measures one half of a pair: what goes from `a` to this address of `b`, a second.
type Half = fn(&Pair, Ipv6Addr) -> anyhow::Result<f64>;

/// One TCP flow with segmentation offload.
pub(super) fn tcp() -> anyhow::Result<Vec<Figure>> {
    let what = "one TCP flow, ILNP / plain, with segmentation offload";
    ratio(&Pair::start()?, "tcp", what, 0.97, flow)
}

/// One TCP flow with all offloads off.
pub(super) fn tcp_without_offload() -> anyhow::Result<Vec<Figure>> {
    let pair = Pair::start()?;
    pair.switch_offloads_off()?;
    let what = "one TCP flow, ILNP / plain, all offloads off";
    ratio(&pair, "tcp-without-offload", what, 0.88, flow)
}

/// Small datagrams received a second.
pub(super) fn udp() -> anyhow::Result<Vec<Figure>> {
    let what = "64-byte UDP packets a second, ILNP / plain";
    ratio(&Pair::start()?, "udp", what, 0.90, packets)
}

/// One octet each way.
pub(super) fn request_response() -> anyhow::Result<Vec<Figure>> {
    let what = "request-response transactions a second, ILNP / plain";
    ratio(&Pair::start()?, "transactions", what, 0.92, exchanges)
}

/// The median of many pairs; which half comes first alternates.
fn ratio(
    pair: &Pair,
    line: &'static str,
    what: &str,
    target: f64,
    half: Half,
) -> anyhow::Result<Vec<Figure>> {
    let (ilnp, plain) = (pair.b.handle(), pair.b.address());
    // The first packets of a session take the slow path, and caches are cold.
    half(pair, ilnp)?;
    half(pair, plain)?;
    let mut samples = vec![];
    for number in 0..PAIRS {
        let sample = if number % 2 == 0 {
            let ilnp = half(pair, ilnp)?;
            ilnp / half(pair, plain)?
        } else {
            let plain = half(pair, plain)?;
            half(pair, ilnp)? / plain
        };
        samples.push(sample);
    }
    Ok(vec![Figure {
        line,
        what: what.to_owned(),
        target: Target::AtLeast(target),
        value: median(&samples),
        unit: "",
        samples,
    }])
}

/// Bits of one TCP flow that iperf3 receives.
fn flow(pair: &Pair, address: Ipv6Addr) -> anyhow::Result<f64> {
    let (sender, receiver) = (CORES.0.to_string(), CORES.1.to_string());
    let mut server = pair.b.namespace.command("iperf3");
    server.args(["--server", "--one-off", "--affinity", &receiver]);
    let mut server = server.stdout(std::process::Stdio::null()).spawn()?;
    wait_for_listener(pair, 5201)?;
    let mut client = pair.a.namespace.command("iperf3");
    // Not paced: what is measured is the cost of packets.
    client.args(["--json", "--affinity", &sender, "--congestion", "cubic"]);
    client.args(["--time", &SPAN.as_secs().to_string()]);
    let said = session::output(client.arg("--client").arg(address.to_string()));
    if said.is_err() {
        server.kill()?;
    }
    server.wait()?;
    let said: Value = serde_json::from_str(&said?)?;
    said["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .context("iperf3 tells no rate")
}

fn wait_for_listener(pair: &Pair, port: u16) -> anyhow::Result<()> {
    let filter = format!("sport = :{port}");
    for _ in 0..200 {
        let mut sockets = pair.b.namespace.command("ss");
        if !session::output(sockets.args(["-Hltn", &filter]))?.is_empty() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("nobody listens on port {port}")
}

/// Small datagrams that arrive while the sender sends as many as it can.
fn packets(pair: &Pair, address: Ipv6Addr) -> anyhow::Result<f64> {
    let socket = pair.b.namespace.inside(|| UdpSocket::bind("[::]:0"))??;
    let peer = SocketAddrV6::new(address, socket.local_addr()?.port(), 0, 0);
    let received = thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            cpu::pin(CORES.1)?;
            datagrams::count(&socket, SPAN)
        });
        pair.a.namespace.inside(|| {
            cpu::pin(CORES.0)?;
            // The receiver counts within this time alone.
            datagrams::flood(peer, PAYLOAD, SPAN + Duration::from_millis(100))
        })??;
        anyhow::Ok(receiving.join().expect("the receiver does not panic")?)
    })?;
    per_second(received)
}

/// Transactions of one connection.
fn exchanges(pair: &Pair, address: Ipv6Addr) -> anyhow::Result<f64> {
    let listener = pair.b.namespace.inside(|| TcpListener::bind("[::]:0"))??;
    let peer = SocketAddrV6::new(address, listener.local_addr()?.port(), 0, 0);
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            cpu::pin(CORES.1)?;
            transactions::serve(&listener)
        });
        pair.a.namespace.inside(|| {
            cpu::pin(CORES.0)?;
            transactions::run(peer, SPAN)
        })
    })??;
    per_second(done)
}

fn per_second(count: u64) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(count)?) / SPAN.as_secs_f64())
}
