//! Packets of somebody who is not on the path: counted by reason, answered by nothing, and without
//! effect on what is known.

use anyhow::Context as _;
use ilnp_core::id::{IlVector, Locator};
use ilnp_core::wire::{LocatorUpdate, Nonce, build, protocol};
use tests::{packets, scene};

use crate::target::{Target, WRONG, with_checksum};

#[test]
fn forged_locator_updates_change_nothing() -> anyhow::Result<()> {
    let mut target = Target::start("forged-updates")?;
    let elsewhere = target.update(&[scene::locator("d")]);
    let bare = target.ipv6(protocol::ICMPV6, &elsewhere);
    target.refuses(&bare, "update-without-nonce")?;
    let wrong = target.icmpv6(&WRONG, &elsewhere);
    target.refuses(&wrong, "update-wrong-nonce")?;
    let stranger = IlVector::new(scene::nid("z"), scene::locator("c"));
    let message = LocatorUpdate::parse(&elsewhere)
        .map_err(|reason| anyhow::anyhow!("{reason}"))?
        .emit(stranger.address(), target.host.address());
    let nonce = Nonce::from_slice(&WRONG).context("twelve octets")?;
    let packet = build::icmpv6(stranger, target.host, &nonce, &message);
    target.refuses(&packet.octets, "update-not-correspondent")?;
    target.expect_unmoved()
}

/// With the right Nonce, but wrong otherwise: what an on-path fault or a broken peer would send.
#[test]
fn unusable_locator_updates_change_nothing() -> anyhow::Result<()> {
    let mut target = Target::start("unusable-updates")?;
    let nonce = target.nonce;
    let good = target.update(&[scene::locator("d")]);

    let mut no_locator = good[..8].to_vec();
    no_locator[4] = 0;
    let mut short = good.clone();
    short[4] = 2;
    let mut code = good.clone();
    code[1] = 1;
    let mut operation = good.clone();
    operation[5] = 3;
    for wrong in [no_locator, short, code, operation] {
        let message = with_checksum(wrong, target.peer, target.host);
        let packet = target.icmpv6(nonce.as_slice(), &message);
        target.refuses(&packet, "update-malformed")?;
    }

    let unusable = [0xfe80 << 48, 0xff02 << 48, 0].map(Locator::from_bits);
    let message = target.update(&unusable);
    let packet = target.icmpv6(nonce.as_slice(), &message);
    target.refuses(&packet, "update-no-usable-locator")?;

    let mut checksum = good;
    checksum[2] ^= 0xff;
    let packet = target.icmpv6(nonce.as_slice(), &checksum);
    target.refuses(&packet, "icmp-checksum")?;
    target.expect_unmoved()
}

#[test]
fn forged_data_is_dropped() -> anyhow::Result<()> {
    let mut target = Target::start("forged-data")?;
    let datagram = target.datagram();
    // In the middle of a connection: a first packet would be met as that of a restarted peer.
    let segment = target.segment();
    let wrong = packets::nonces(&[&WRONG], protocol::TCP, &segment);
    let packet = target.ipv6(protocol::DESTINATION_OPTIONS, &wrong);
    target.refuses(&packet, "nonce-wrong")?;
    let nonce = target.nonce;
    let twice = packets::nonces(&[nonce.as_slice(), &[1; 4]], protocol::UDP, &datagram);
    let packet = target.ipv6(protocol::DESTINATION_OPTIONS, &twice);
    target.refuses(&packet, "nonce-repeated")?;
    let long = packets::nonces(&[&[1; 8]], protocol::UDP, &datagram);
    let packet = target.ipv6(protocol::DESTINATION_OPTIONS, &long);
    target.refuses(&packet, "nonce-length")?;
    let mut cut = packets::nonces(&[&WRONG], protocol::UDP, &datagram);
    cut.truncate(10);
    let packet = target.ipv6(protocol::DESTINATION_OPTIONS, &cut);
    target.refuses(&packet, "malformed")?;
    // A wrong Nonce may be that of a correspondent that lost its state; it is asked, at a low rate.
    target.expect_questions(1)
}

#[test]
fn handles_on_the_wire_are_dropped() -> anyhow::Result<()> {
    let mut target = Target::start("handles-on-the-wire")?;
    let datagram = target.datagram();
    let (peer, host) = (target.peer, target.host);
    let (peer_handle, host_handle) = (scene::handle(peer.nid), scene::handle(host.nid));
    for (source, destination) in [
        (peer_handle, host.address()),
        (peer.address(), host_handle),
        (peer_handle, host_handle),
    ] {
        let packet = packets::ipv6(source, destination, protocol::UDP, &datagram);
        target.refuses(&packet, "handle-on-wire")?;
    }
    target.expect_unmoved()
}

#[test]
fn forged_errors_do_not_reach_the_session() -> anyhow::Result<()> {
    let mut target = Target::start("forged-errors")?;
    // Even somebody who has seen a packet of the host cannot speak for the correspondent.
    let nonce = target.nonce_of_host;
    let sent = packets::nonces(&[nonce.as_slice()], protocol::UDP, &target.datagram());
    let (host, peer) = (target.host.address(), target.peer.address());
    let quoted = packets::ipv6(host, peer, protocol::DESTINATION_OPTIONS, &sent);
    // Destination Unreachable, port unreachable.
    let mut message = vec![1, 4, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quoted);
    let message = with_checksum(message, target.peer, target.host);
    let bare = target.ipv6(protocol::ICMPV6, &message);
    target.refuses(&bare, "icmp-forged")?;
    let wrong = target.icmpv6(&WRONG, &message);
    target.refuses(&wrong, "icmp-forged")?;
    target.expect_unmoved()
}

/// An authentic update is taken as it is, however long: as many Locators as fit into a packet.
#[test]
fn an_update_with_a_hundred_locators_is_taken() -> anyhow::Result<()> {
    let target = Target::start("hundred-locators")?;
    let others = (0..99).map(|n| Locator::from_bits(0x2001_0db8_1000_0000 + (n << 16)));
    let locators: Vec<Locator> = [scene::locator("c")].into_iter().chain(others).collect();
    let nonce = target.nonce;
    let packet = target.icmpv6(nonce.as_slice(), &target.update(&locators));
    target.expect_taken(&packet, locators.len())
}
