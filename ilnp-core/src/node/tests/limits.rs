//! Whatever others send, memory is bounded and sessions go on.

use super::support::*;
use crate::id::Nid;
use crate::ilcc::Entry;
use crate::node::Config;
use crate::wire::Nonce;

fn nonce_number(n: u64) -> Nonce {
    let mut octets = [7; 12];
    octets[..8].copy_from_slice(&n.to_be_bytes());
    Nonce::from_slice(&octets).unwrap()
}

fn small() -> Config {
    let mut config = Config::new(FIXED);
    config.limits.tentative = 100;
    config.limits.tentative_per_locator = 10;
    config.limits.correspondents = 1000;
    config
}

#[test]
fn a_flood_of_spoofed_sessions_is_bounded_and_hurts_nobody() {
    let mut fixed = Host::with_config(small(), &[C]);
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.knows(FIXED, &[C]);
    mobile.flush();
    connect(&mut mobile, &mut fixed);
    for n in 0..20_000 {
        let nid = Nid::from_bits(0x2_0000_0000_0000 + n);
        let packet = udp((handle(nid), handle(FIXED)), (1, 2));
        let packet = with_nonce(&packet, site(0x1000 + n), C, nonce_number(n));
        fixed.receive(&packet);
        fixed.flush();
        assert!(fixed.node.table.len() <= 101);
    }
    assert_eq!(fixed.state(MOBILE), Some("established"));
    mobile.send(&udp((handle(MOBILE), handle(FIXED)), (1, 2)));
    let (_, delivered) = exchange(&mut mobile, &mut fixed);
    assert_eq!(delivered.len(), 1);
}

#[test]
fn a_flood_from_one_locator_is_bounded_by_itself() {
    let mut fixed = Host::with_config(small(), &[C]);
    for n in 0..1000 {
        let nid = Nid::from_bits(0x2_0000_0000_0000 + n);
        let packet = udp((handle(nid), handle(FIXED)), (1, 2));
        fixed.receive(&with_nonce(&packet, B, C, nonce_number(n)));
        assert!(fixed.node.unproved.len() <= 10);
    }
}

#[test]
fn one_identifier_has_no_more_sessions_than_aliases() {
    let (_, mut fixed) = established();
    for n in 0..1000 {
        let packet = udp((handle(MOBILE), handle(FIXED)), (1, 2));
        fixed.receive(&with_nonce(&packet, site(0x1000 + n), C, nonce_number(n)));
        assert!(fixed.node.table.len() <= 4);
    }
    assert_eq!(fixed.destination(MOBILE), Some(A));
    assert_eq!(fixed.state(MOBILE), Some("established"));
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 256, "{}", size_of::<Entry>());
}

#[test]
fn a_full_table_makes_room_for_nobody_while_all_are_in_use() {
    let mut config = Config::new(FIXED);
    config.limits.correspondents = 2;
    let mut fixed = Host::with_config(config, &[C]);
    for n in 1..=3 {
        let nid = Nid::from_bits(0x2_0000_0000_0000 + n);
        let mut resolved = Host::resolved(&format!("n{n}.example"), nid, &[B]);
        resolved.configured = true;
        fixed.node.handle_resolved(fixed.now, resolved);
    }
    assert_eq!(fixed.node.table.len(), 2);
    assert_eq!(
        fixed.dropped(crate::drop_reason::DropReason::CorrespondentsFull),
        1
    );
}

#[test]
fn replies_with_the_same_seed_are_the_same() {
    let run = || {
        let (mut mobile, _) = strangers();
        mobile.send(&udp((handle(MOBILE), handle(FIXED)), (1, 2)));
        mobile.transmitted()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_flood_pushes_no_given_correspondent_out() {
    let mut config = small();
    config.limits.correspondents = 20;
    let mut fixed = Host::with_config(config, &[C]);
    fixed.knows(MOBILE, &[A]);
    for n in 0..100 {
        let nid = Nid::from_bits(0x2_0000_0000_0000 + n);
        let nid = if n == 0 { MOBILE } else { nid };
        let place = if n == 0 { A } else { site(0x1000 + n) };
        let packet = udp((handle(nid), handle(FIXED)), (1, 2));
        fixed.receive(&with_nonce(&packet, place, C, nonce_number(n)));
    }
    assert_eq!(fixed.node.table.len(), 20);
    assert_eq!(fixed.destination(MOBILE), Some(A));
}
