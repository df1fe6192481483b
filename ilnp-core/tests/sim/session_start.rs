//! How sessions start (RFC 6744 §6): who says what first, and what it takes.

use ilnp_core::sim::{Pair, Settings};
use ilnp_core::wire::transport::tcp_flags::SYN;
use ilnp_core::wire::{NonceLength, Transport, checksum};

use super::support::*;

fn started() -> (Pair, ilnp_core::sim::Session, Capture) {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    (pair, session, capture)
}

#[test]
fn a_session_is_established_after_one_and_a_half_round_trips() {
    let mut pair = Pair::default();
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    let took = pair
        .world
        .drive_until(SECOND, |world| world.is_established(&session));
    assert_eq!(took, Some(MS * 75));
}

#[test]
fn the_first_packet_carries_a_nonce() {
    let (_, _, capture) = started();
    let first = &capture.packets()[0];
    assert!(matches!(
        first.transport(),
        Transport::Tcp { flags: SYN, .. }
    ));
    let nonce = first.headers.nonce.as_ref().unwrap();
    assert_eq!(nonce.nonce.length(), NonceLength::Long);
}

#[test]
fn every_packet_of_a_session_carries_its_senders_nonce() {
    let (pair, _, capture) = started();
    let nonces = [pair.mobile, pair.fixed].map(|id| {
        let packets = capture.of(pair.world.host(id));
        assert!(packets.len() > 100);
        let first = packets[0].headers.nonce.as_ref().unwrap().nonce;
        for seen in &packets {
            assert_eq!(seen.headers.nonce.as_ref().unwrap().nonce, first);
        }
        first
    });
    assert_ne!(nonces[0], nonces[1], "each direction has its own Nonce");
}

#[test]
fn checksums_leave_the_locators_out() {
    let (_, _, capture) = started();
    for seen in capture.packets() {
        assert!(checksum::is_valid_transport(
            seen.headers.protocol,
            seen.headers.upper_layer(&seen.octets),
            seen.headers.source_vector().nid,
            seen.headers.destination_vector().nid,
        ));
    }
}

#[test]
fn no_handle_is_ever_on_the_wire() {
    let (pair, _, capture) = started();
    let handles = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    for seen in capture.packets() {
        assert!(!handles.contains(&seen.headers.source));
        assert!(!handles.contains(&seen.headers.destination));
    }
}

#[test]
fn an_established_session_needs_no_daemon() {
    let (mut pair, session, _) = started();
    for id in [pair.mobile, pair.fixed] {
        pair.world.act(id, |host, _| host.kill_daemon());
    }
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
    assert_eq!(pair.world.host(pair.mobile).lost(), 0);
}

#[test]
fn two_sessions_between_two_hosts_share_their_nonces() {
    let (mut pair, _, capture) = started();
    let other = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    assert!(pair.world.is_established(&other));
    let mut nonces: Vec<_> = capture
        .packets()
        .into_iter()
        .map(|seen| seen.headers.nonce.unwrap().nonce)
        .collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 2);
}

#[test]
fn nonces_of_32_and_96_bits_work_in_any_combination() {
    let lengths = [NonceLength::Short, NonceLength::Long];
    for mobile in lengths {
        for fixed in lengths {
            let mut settings = Settings::default();
            settings.mobile.nonce_length = mobile;
            settings.fixed.nonce_length = fixed;
            let mut pair = Pair::new(settings);
            let capture = Capture::start(&mut pair.world);
            let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
            let flowing = pair.world.drive_until_flowing(&session, SECOND);
            assert!(flowing.is_some(), "{mobile:?} {fixed:?}");
            for (id, length) in [(pair.mobile, mobile), (pair.fixed, fixed)] {
                for seen in capture.of(pair.world.host(id)) {
                    assert_eq!(seen.headers.nonce.unwrap().nonce.length(), length);
                }
            }
        }
    }
}

#[test]
fn an_echo_starts_a_session() {
    let mut pair = Pair::default();
    let [from, to] = [pair.mobile, pair.fixed].map(|id| pair.world.host(id).address());
    for sequence in 0..3 {
        pair.world.act(pair.mobile, |host, _| {
            host.stack.ping(from, to, 7, sequence)
        });
        pair.world.run_for(SECOND);
    }
    // The late answer to a challenge of the node may be among them.
    let mut replies = pair.world.host(pair.mobile).stack.echoes().to_vec();
    replies.retain(|reply| reply.2 == 7);
    let sequences: Vec<_> = replies.iter().map(|reply| reply.3).collect();
    assert_eq!(sequences, [0, 1, 2]);
    assert!(replies.iter().all(|reply| reply.1 == to));
}

#[test]
fn a_datagram_and_its_answer_start_a_session() {
    let mut pair = Pair::default();
    let there = pair.world.stream(pair.mobile, pair.fixed, MS * 10);
    pair.world.run_for(MS * 100);
    let back = pair.world.stream_back(&there, MS * 10);
    pair.world.run_for(SECOND);
    assert_eq!(pair.world.finish(&there, SECOND), 0);
    assert_eq!(pair.world.finish(&back, SECOND), 0);
}

#[test]
fn both_ends_may_start_at_once() {
    let mut pair = Pair::default();
    pair.world.introduce(pair.fixed, pair.mobile);
    let one = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    let other = pair.world.connect(pair.fixed, pair.mobile, WRITE);
    for session in [one, other] {
        let flowing = pair.world.drive_until_flowing(&session, SECOND * 5);
        assert!(flowing.is_some());
    }
}

#[test]
fn sessions_start_over_a_path_that_loses_a_third() {
    for seed in 0..20 {
        let mut settings = Settings {
            seed,
            ..Settings::default()
        };
        settings.conditions.loss = 0.16; // of each of the two links of a way
        let mut pair = Pair::new(settings);
        let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
        let established = pair
            .world
            .drive_until(SECOND * 120, |world| world.is_established(&session));
        assert!(established.is_some(), "seed {seed}");
    }
}

#[test]
fn an_idle_session_sends_nothing() {
    let (mut pair, session, capture) = started();
    for (id, sockets) in [session.client, session.server] {
        pair.world.act(id, |host, now| {
            let connection = host.stack.connection_mut(&sockets).unwrap();
            connection.set_writing(now, false);
        });
    }
    pair.world.run_for(SECOND);
    capture.clear();
    pair.world.run_for(SECOND * 240);
    assert_eq!(capture.packets().len(), 0);
}

#[test]
fn a_session_between_hosts_of_one_site_needs_no_router() {
    let mut pair = Pair::default();
    pair.world.move_to(pair.fixed, pair.a);
    pair.world.introduce(pair.mobile, pair.fixed);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}
