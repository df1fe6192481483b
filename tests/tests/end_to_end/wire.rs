//! What is on the wire, as tshark sees it: a session, a move, and classic traffic beside them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ilnp_core::id::IlVector;
use tests::judge;
use tests::scene::{self, MOBILE, PEER, Scene};
use tests::session::{self, Conversation};

const BOUND: Duration = Duration::from_secs(5);

/// The capture at the correspondent of a session with TCP, UDP, echoes and an ICMPv6 error, while
/// the mobile host moves.
fn capture_of_a_move(name: &str) -> anyhow::Result<PathBuf> {
    let mut scene = Scene::start(name)?;
    let capture = scene.capture(PEER, "wire")?;
    let mut talk = scene.talk()?;
    talk.exchange(BOUND)?;
    let peer = scene.handle(PEER)?.to_string();
    session::output(
        scene
            .host(MOBILE)?
            .command("ping")
            .args(["-c2", "-i0.2", &peer]),
    )?;
    scene
        .numbered(MOBILE, PEER)?
        .run(20, Duration::from_millis(5), BOUND)?;
    // Answered by Destination Unreachable.
    let closed = "exec 3>/dev/udp/$0/9; echo >&3; sleep 0.2";
    session::output(
        scene
            .host(MOBILE)?
            .command("bash")
            .args(["-c", closed, &peer]),
    )?;
    scene.move_hard(MOBILE, "b")?;
    talk.exchange(BOUND)?;
    scene.await_correspondent_at(PEER, "b", BOUND)?;
    Ok(capture.finish())
}

#[test]
fn packets_of_a_session_are_well_formed() -> anyhow::Result<()> {
    let capture = capture_of_a_move("wire-well-formed")?;
    assert_none(&capture, "_ws.malformed")?;
    assert_none(&capture, "icmpv6.checksum.status == \"Bad\"")?;
    assert_none(&capture, "ipv6.addr == fd69:6c6e:7000:2627::/64")?;
    assert_none(&capture, "ipv6.fraghdr")?;
    // A Parameter Problem would say that somebody did not understand us.
    assert_none(&capture, "icmpv6.type == 4")?;
    let errors = "icmpv6.type == 1 && ipv6.opt.ilnp_nonce";
    assert!(
        judge::count(&capture, errors)? >= 1,
        "a port was unreachable"
    );
    Ok(())
}

/// One Nonce a direction, of 96 bits, in every packet, alone in its header.
#[test]
fn every_packet_of_a_session_carries_its_nonce() -> anyhow::Result<()> {
    let capture = capture_of_a_move("wire-nonces")?;
    let mut directions = vec![];
    for sender in [MOBILE, PEER] {
        // An ICMPv6 error quotes a packet with the other direction's Nonce.
        let from = format!("{} && !{ND} && !(icmpv6.type == 1)", sent_by(sender));
        let rows = judge::fields(
            &capture,
            &from,
            &["ipv6.opt.ilnp_nonce", "ipv6.dstopts.len", "ipv6.opt.length"],
        )?;
        assert!(rows.len() >= 5, "{} packets of {sender}", rows.len());
        let distinct: BTreeSet<Vec<String>> = rows.into_iter().collect();
        assert_eq!(distinct.len(), 1, "{distinct:?}");
        let row = distinct.into_iter().next().context("one row")?;
        assert_eq!(judge::octets(&row[0])?.len(), 12, "{row:?}");
        assert_eq!(row[2], "12", "one option in the header");
        directions.push(row[0].clone());
    }
    assert_ne!(directions[0], directions[1], "Nonces are unidirectional");
    Ok(())
}

/// RFC 6743 §2: the acknowledgement repeats the advertisement but for the Operation.
#[test]
fn acknowledgements_repeat_their_updates() -> anyhow::Result<()> {
    let capture = capture_of_a_move("wire-updates")?;
    let updates = |sender| {
        let filter = format!("icmpv6.type == 156 && {}", sent_by(sender));
        judge::fields(
            &capture,
            &filter,
            &[
                "icmpv6.code",
                "icmpv6.ilnp.nb_locs",
                "icmpv6.ilnp.nb_locator",
                "icmpv6.ilnp.nb_preference",
                "icmpv6.ilnp.nb_lifetime",
                "icmpv6.checksum.status",
                "ipv6.src",
            ],
        )
    };
    let (advertised, acknowledged) = (updates(MOBILE)?, updates(PEER)?);
    let advertisement = advertised.last().context("no update")?;
    let acknowledgement = acknowledged.last().context("no acknowledgement")?;
    assert_eq!(advertisement[..6], acknowledgement[..6]);
    assert_eq!(advertisement[0], "0");
    assert_eq!(
        advertisement[1], "1",
        "the old Locator is gone: {advertisement:?}"
    );
    assert_eq!(advertisement[5], "1", "checksum over the whole addresses");
    let new = IlVector::new(scene::nid(MOBILE), scene::locator("b")).address();
    assert_eq!(advertisement[6], new.to_string(), "from the new Locator");
    assert_none(&capture, "icmpv6.type == 156 && !ipv6.opt.ilnp_nonce")
}

/// Real addresses stay classic IPv6, between the same two hosts and beside a session of theirs.
#[test]
fn classic_traffic_never_carries_a_nonce() -> anyhow::Result<()> {
    let scene = Scene::start("wire-classic")?;
    let (from, to) = (scene.host(MOBILE)?, scene.host(PEER)?);
    let real = IlVector::new(scene::nid(PEER), scene::locator("c")).address();
    let capture = scene.capture(PEER, "classic")?;
    let mut classic = Conversation::open(from, to, real)?;
    session::output(
        from.command("ping")
            .args(["-c2", "-i0.2", &real.to_string()]),
    )?;
    classic.exchange(BOUND)?;
    let mut ilnp = scene.talk()?;
    ilnp.exchange(BOUND)?;
    classic.exchange(BOUND)?;
    let capture = capture.finish();
    let port = classic.stream().peer_addr()?.port();
    let with_nonce = format!(
        "(tcp.port == {port} || icmpv6.type == 128 || icmpv6.type == 129) && ipv6.opt.ilnp_nonce"
    );
    assert_none(&capture, &with_nonce)?;
    let without = format!("tcp.port == {port} && !ipv6.opt.ilnp_nonce");
    assert!(judge::count(&capture, &without)? > 3);
    let port = ilnp.stream().peer_addr()?.port();
    assert_none(
        &capture,
        &format!("tcp.port == {port} && !ipv6.opt.ilnp_nonce"),
    )
}

/// Neighbour Discovery and MLD: as without ILNP.
const ND: &str = "(icmpv6.type >= 130 && icmpv6.type <= 143)";

/// A display filter: the lower half of the source address is this host's identifier.
fn sent_by(host: &str) -> String {
    let octets = scene::nid(host)
        .octets()
        .map(|octet| format!("{octet:02x}"));
    format!("ipv6.src[8:8] == {}", octets.join(":"))
}

fn assert_none(capture: &Path, filter: &str) -> anyhow::Result<()> {
    let found = judge::fields(capture, filter, &["frame.number", "_ws.col.Info"])?;
    assert!(
        found.is_empty(),
        "{filter} in {}: {found:?}",
        capture.display()
    );
    Ok(())
}
