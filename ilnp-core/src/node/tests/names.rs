//! Names: whom they mean, when they are asked again, and what this host's own one is to say.

use super::support::*;
use crate::id::{Handle, Preference};
use crate::node::{Config, DatapathUpdate, DnsRequest, OwnLocator};

const CORRESPONDENT: Handle = Handle::new(FIXED);
const D: crate::id::Locator = site(0xd);

fn alias(alias: u8) -> Option<Handle> {
    Some(Handle { nid: FIXED, alias })
}

fn data() -> crate::wire::Packet {
    udp((handle(MOBILE), handle(FIXED)), (4000, 5000))
}

fn look_up() -> DnsRequest {
    DnsRequest::LookUp {
        handle: CORRESPONDENT,
        name: "cn.example".to_owned(),
    }
}

fn published(locators: &[crate::id::Locator]) -> DnsRequest {
    let own = (1..).zip(locators).map(|(place, &locator)| OwnLocator {
        locator,
        preference: Preference(place * 10),
    });
    DnsRequest::Publish(own.collect())
}

#[test]
fn a_name_keeps_its_handle_wherever_it_is() {
    let mut mobile = Host::new(MOBILE, &[A]);
    for locators in [[C], [D], [B]] {
        let handle = mobile.resolves("cn.example", FIXED, &locators);
        assert_eq!(handle, Some(CORRESPONDENT));
    }
    assert_eq!(mobile.node.names(CORRESPONDENT), ["cn.example"]);
    assert_eq!(mobile.destination(FIXED), Some(B));
}

#[test]
fn another_name_of_the_same_place_is_another_name_of_the_same_node() {
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.resolves("cn.example", FIXED, &[C]);
    let handle = mobile.resolves("www.example", FIXED, &[C, D]);
    assert_eq!(handle, Some(CORRESPONDENT));
    assert_eq!(
        mobile.node.names(CORRESPONDENT),
        ["cn.example", "www.example"]
    );
}

#[test]
fn a_name_that_claims_the_identifier_of_another_gets_an_alias_and_changes_nothing() {
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.resolves("cn.example", FIXED, &[C]);
    assert_eq!(mobile.resolves("evil.example", FIXED, &[D]), alias(1));
    assert_eq!(mobile.destination(FIXED), Some(C));
    // Neither does it once it has named the right place too.
    assert_eq!(mobile.resolves("bad.example", FIXED, &[C, D]), alias(0));
    assert_eq!(
        mobile.resolves("bad.example", FIXED, &[site(0xe)]),
        alias(2)
    );
    assert_eq!(mobile.destination(FIXED), Some(C));
}

#[test]
fn a_name_that_claims_the_identifier_of_a_session_does_not_divert_it() {
    let (mut mobile, _) = established();
    mobile.at(&[B]);
    mobile.wait(secs(10));
    mobile.flush();
    assert_eq!(mobile.resolves("evil.example", FIXED, &[D]), alias(1));
    assert_eq!(mobile.destination(FIXED), Some(C));
    let diverted = |packet: &crate::wire::Packet| destination(packet).locator == D;
    assert!(!mobile.transmitted().iter().any(diverted));
}

#[test]
fn claims_of_an_identifier_keep_its_owner_out_for_no_time() {
    let mut mobile = Host::new(MOBILE, &[A]);
    for n in 0..10 {
        mobile.wait(millis(1));
        let name = format!("evil{n}.example");
        assert!(mobile.resolves(&name, FIXED, &[site(0x100 + n)]).is_some());
    }
    mobile.wait(millis(1));
    let handle = mobile.resolves("cn.example", FIXED, &[C]).unwrap();
    assert_eq!(mobile.node.names(handle), ["cn.example"]);
    assert_eq!(mobile.node.table.len(), 4);
}

/// A daemon that has taken over the session of one before it.
fn taken_over(names: Vec<String>) -> Host {
    let (mobile, _) = established();
    let id = mobile.node.table.find(CORRESPONDENT).unwrap();
    let entry = mobile.node.table.get(id).unwrap();
    let restored = crate::node::Restored {
        names,
        handle: CORRESPONDENT,
        entry: crate::node::PathEntry {
            slot: crate::node::SlotIndex::PREFERRED,
            destination: C,
            nonce_out: entry.nonces.out(),
            nonce_in: entry.nonces.inward().unwrap(),
            locators: entry.remote.for_path(mobile.now),
        },
        activity: entry.activity,
    };
    let mut next = Host::new(MOBILE, &[]);
    next.node.restore(next.now, restored);
    next
}

#[test]
fn a_session_that_outlived_its_daemon_keeps_its_name() {
    let (mobile, _) = established();
    let mut learnt = mobile.node.learnt_names();
    assert_eq!(
        learnt.next(),
        Some((CORRESPONDENT, &["cn.example".to_owned()][..]))
    );
    let mut next = taken_over(vec!["cn.example".to_owned()]);
    assert_eq!(next.resolves("evil.example", FIXED, &[D]), alias(1));
    // It moved together with its correspondent: the name leads to it.
    next.dns_requests();
    next.at(&[B]);
    next.wait(secs(1));
    assert!(next.dns_requests().contains(&look_up()));
}

#[test]
fn a_session_without_a_remembered_name_has_the_first_one_that_fits_it() {
    let mut next = taken_over(Vec::new());
    // It moved while no daemon ran; its name says so.
    let handle = next.resolves("cn.example", FIXED, &[D]);
    assert_eq!(handle, Some(CORRESPONDENT));
    assert_eq!(next.resolves("evil.example", FIXED, &[B]), alias(1));
}

#[test]
fn a_session_goes_before_a_correspondent_that_is_only_known() {
    let (_, mut fixed) = established();
    // The mobile host was met; its name is learnt later.
    let handle = fixed.resolves("mobile.example", MOBILE, &[A]);
    assert_eq!(handle, Some(Handle::new(MOBILE)));
    assert_eq!(fixed.node.names(Handle::new(MOBILE)), ["mobile.example"]);
}

#[test]
fn names_are_not_kept_out_by_strangers_that_proved_nothing() {
    let mut fixed = Host::new(FIXED, &[C]);
    let packet = udp((handle(MOBILE), handle(FIXED)), (1, 2));
    fixed.receive(&with_nonce(&packet, D, C, forged()));
    let handle = fixed.resolves("mobile.example", MOBILE, &[A]);
    assert_eq!(handle, Some(Handle::new(MOBILE)));
    assert_eq!(fixed.destination(MOBILE), Some(A));
}

#[test]
fn the_own_name_is_the_own_handle_while_this_host_is_there() {
    let mut mobile = Host::new(MOBILE, &[A]);
    let own = mobile.resolves("mobile.example", MOBILE, &[A]);
    assert_eq!(own, Some(Handle::new(MOBILE)));
    assert_eq!(mobile.resolves("mobile.example", MOBILE, &[B]), None);
    assert_eq!(mobile.node.table.len(), 0);
}

#[test]
fn lifetimes_of_records_end_no_session() {
    let (mut mobile, mut fixed) = established();
    // The records lived for 300 s.
    for _ in 0..10 {
        mobile.wait(secs(100));
        mobile.send(&data());
        exchange(&mut mobile, &mut fixed);
    }
    assert_eq!(mobile.state(FIXED), Some("established"));
    assert_eq!(mobile.destination(FIXED), Some(C));
}

#[test]
fn a_session_that_begins_with_old_records_begins_and_looks_the_name_up() {
    let (mut mobile, _) = strangers();
    mobile.send(&data());
    assert_eq!(mobile.dns_requests(), []);
    let (mut mobile, _) = strangers();
    mobile.wait(secs(400));
    mobile.send(&data());
    assert_eq!(destination(&mobile.transmitted()[0]).locator, C);
    assert_eq!(mobile.dns_requests(), [look_up()]);
    // The answer comes: what was sent goes to the right place at once.
    mobile.knows(FIXED, &[D]);
    let sent = mobile.transmitted();
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|packet| destination(packet).locator == D));
}

#[test]
fn a_correspondent_that_does_not_acknowledge_is_looked_up_ever_less_often() {
    let (mut mobile, _) = established();
    mobile.at(&[B]);
    assert_eq!(mobile.dns_requests(), [published(&[B])]);
    let mut times = Vec::new();
    for second in 0..300 {
        mobile.wait(secs(1));
        for request in mobile.dns_requests() {
            assert_eq!(request, look_up());
            times.push(second);
        }
    }
    assert_eq!(times[..2], [0, 0], "within a second of the move");
    assert!((8..=16).contains(&times.len()), "{times:?}");
}

#[test]
fn a_correspondent_that_acknowledges_is_not_looked_up() {
    let (mut mobile, mut fixed) = established();
    mobile.at(&[B]);
    exchange(&mut mobile, &mut fixed);
    mobile.dns_requests();
    mobile.wait(secs(60));
    assert_eq!(mobile.dns_requests(), []);
}

#[test]
fn a_correspondent_that_answers_nothing_is_looked_up() {
    let (mut mobile, _) = established();
    for _ in 0..36 {
        mobile.send(&data());
        mobile.node.handle_activity(
            mobile.now,
            CORRESPONDENT,
            Some(crate::node::Activity {
                sent: mobile.now,
                heard: crate::time::Instant::ZERO,
            }),
        );
        mobile.wait(secs(1));
    }
    assert!(mobile.dns_requests().contains(&look_up()));
    mobile.knows(FIXED, &[D]);
    assert_eq!(mobile.destination(FIXED), Some(D));
}

#[test]
fn a_correspondent_that_its_name_knows_elsewhere_is_asked_in_both_places() {
    let (mut mobile, _) = established();
    mobile.wait(secs(600));
    mobile.flush();
    mobile.knows(FIXED, &[D]);
    let read = DatapathUpdate::ReadActivity(CORRESPONDENT);
    assert_eq!(mobile.updates(), [read]);
    assert!(mobile.transmitted().is_empty());
    let activity = None;
    mobile
        .node
        .handle_activity(mobile.now, CORRESPONDENT, activity);
    let asked = mobile.transmitted();
    let asked: Vec<_> = asked.iter().map(|it| destination(it).locator).collect();
    assert_eq!(asked, [C, D]);
    assert_eq!(mobile.destination(FIXED), Some(C));
    // A program's look-up has a second answer, which comes before anybody can have answered.
    mobile.wait(millis(1));
    mobile.knows(FIXED, &[D]);
    assert_eq!(mobile.destination(FIXED), Some(C));
}

#[test]
fn a_correspondent_that_is_heard_of_is_not_asked_what_its_name_says() {
    let (mut mobile, _) = established();
    mobile.knows(FIXED, &[D]);
    let activity = Some(crate::node::Activity {
        sent: mobile.now,
        heard: mobile.now,
    });
    mobile
        .node
        .handle_activity(mobile.now, CORRESPONDENT, activity);
    assert!(mobile.transmitted().is_empty());
    assert_eq!(mobile.destination(FIXED), Some(C));
}

#[test]
fn somebody_with_the_identifier_of_a_named_correspondent_makes_its_name_be_looked_up() {
    let (mut mobile, _) = strangers();
    let packet = udp((handle(FIXED), handle(MOBILE)), (1, 2));
    mobile.receive(&with_nonce(&packet, D, A, forged()));
    assert_eq!(mobile.dns_requests(), [look_up()]);
    // DNS confirms it: the next session with the name is with that node.
    mobile.knows(FIXED, &[D]);
    assert_eq!(mobile.destination(FIXED), Some(D));
}

#[test]
fn the_locators_that_work_are_published_best_first() {
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.at(&[A, B]);
    mobile.at(&[A, B]);
    mobile.at(&[B]);
    mobile.at(&[]);
    let expected = [published(&[B, A]), published(&[B]), published(&[])];
    assert_eq!(mobile.dns_requests(), expected);
}

#[test]
fn a_name_that_is_not_asked_for_any_more_is_forgotten_in_the_end() {
    let mut mobile = Host::new(MOBILE, &[A]);
    mobile.resolves("cn.example", FIXED, &[C]);
    mobile.wait(secs(23 * 3600));
    mobile.resolves("cn.example", FIXED, &[C]);
    mobile.wait(secs(23 * 3600));
    assert_eq!(mobile.node.table.len(), 1);
    mobile.wait(secs(2 * 3600));
    assert_eq!(mobile.node.table.len(), 0);
    assert!(mobile.node.names(CORRESPONDENT).is_empty());
}

#[test]
fn names_make_room_for_newer_names() {
    let mut config = Config::new(MOBILE);
    config.limits.correspondents = 10;
    let mut mobile = Host::with_config(config, &[A]);
    for n in 1..=100 {
        let nid = crate::id::Nid::from_bits(0x2_0000_0000_0000 + n);
        let name = format!("n{n}.example");
        mobile.wait(millis(1));
        assert!(mobile.resolves(&name, nid, &[B]).is_some());
        assert_eq!(mobile.destination(nid), Some(B));
        assert!(mobile.node.table.len() <= 10);
    }
}
