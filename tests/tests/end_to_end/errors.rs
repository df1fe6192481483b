//! ICMPv6 errors and sizes.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddrV6, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use tests::judge;
use tests::scene::{MOBILE, PEER, Scene};
use tests::session;

const CLOSED: u16 = 9;
/// Enough for the window to open and for losses to show.
const OCTETS: usize = 2_000_000;

/// A datagram to a port that nobody listens on comes back to its sender as an error.
#[test]
fn closed_udp_port_is_told_to_the_application() -> anyhow::Result<()> {
    let scene = Scene::start("closed-udp-port")?;
    let host = scene.host(MOBILE)?;
    let socket = host.inside(|| UdpSocket::bind("[::]:0"))??;
    let peer = scene.handle(PEER)?;
    socket.connect(SocketAddrV6::new(peer, CLOSED, 0, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    socket.send(b"anybody?")?;
    let error = socket.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    Ok(())
}

#[test]
fn closed_tcp_port_is_told_to_the_application() -> anyhow::Result<()> {
    let scene = Scene::start("closed-tcp-port")?;
    let peer = SocketAddrV6::new(scene.handle(PEER)?, CLOSED, 0, 0);
    let host = scene.host(MOBILE)?;
    let error = host
        .inside(|| TcpStream::connect_timeout(&peer.into(), Duration::from_secs(5)))?
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    Ok(())
}

/// Segments fill the link to its last octet, and none is fragmented.
#[test]
fn full_size_segments_fit_the_link() -> anyhow::Result<()> {
    let scene = Scene::start("full-size")?;
    let (from, to) = (scene.host(MOBILE)?, scene.host(PEER)?);
    let capture = scene.capture(PEER, "full-size")?;
    session::transfer(from, to, scene.handle(PEER)?, OCTETS)?;
    let capture = capture.finish();
    assert_eq!(judge::count(&capture, "ipv6.fraghdr")?, 0);
    // Offload hands packets of several segments to a capture; one by one they fill the link.
    let mss = mss_of(&capture, scene.handle(MOBILE)?)?;
    assert_eq!(mss, 1500 - 40 - 16 - 20, "announced in the SYN");
    Ok(())
}

/// The maximum segment size in a SYN on the wire.
fn mss_of(capture: &Path, handle: Ipv6Addr) -> anyhow::Result<u32> {
    let nid = handle.segments();
    let filter = format!(
        "tcp.flags.syn == 1 && tcp.flags.ack == 0 && ipv6.src[8:8] == {:04x}{:04x}{:04x}{:04x}",
        nid[4], nid[5], nid[6], nid[7]
    );
    let rows = judge::fields(capture, &filter, &["tcp.options.mss_val"])?;
    let mss = rows.first().and_then(|row| row.first());
    Ok(mss.context("no SYN was captured")?.parse()?)
}

/// A router on the path with a smaller link says Packet Too Big; it quotes an ILNP packet, and the
/// TCP connection over handles understands it all the same.
#[test]
fn packet_too_big_reaches_the_connection() -> anyhow::Result<()> {
    let scene = Scene::start("packet-too-big")?;
    let (from, to) = (scene.host(MOBILE)?, scene.host(PEER)?);
    let peer = scene.handle(PEER)?;
    session::transfer(from, to, peer, 1000)?;
    scene.router("c")?.ip(&["link set lan mtu 1400"])?;
    session::transfer(from, to, peer, OCTETS)?;
    let route = session::output(from.command("ip").args(["route", "get", &peer.to_string()]));
    let route = route?;
    assert!(
        route.contains("mtu 1384"),
        "link MTU less the option: {route}"
    );
    Ok(())
}
