//! Correspondents that are known by name (RFC 6740 §6.2, §8).

use std::time::Duration;

use ilnp_core::id::Preference;
use ilnp_core::node::OwnLocator;
use ilnp_core::sim::stack::tcp::State;
use ilnp_core::sim::{HostId, Pair, Session, Unaware, Verdict, World, site_locator};

use super::support::*;

const NAME: &str = "cn.example";

/// A world with the names of two hosts, at site `a` and site `c`. The first one has resolved the
/// other.
struct Named {
    pair: Pair,
    session: Option<Session>,
}

impl Named {
    fn new() -> Self {
        let mut world = World::new(7);
        let conditions = ilnp_core::sim::link::Conditions {
            delay: Duration::from_micros(12_500),
            ..Default::default()
        };
        let [a, b, c, d] =
            [0xa, 0xb, 0xc, 0xd].map(|n| world.add_site(site_locator(n), conditions));
        let config = |n| ilnp_core::node::Config::new(ilnp_core::sim::host_nid(n));
        let (mobile, fixed) = (world.add_host(config(1)), world.add_host(config(2)));
        world.dns().name(fixed, NAME);
        world.attach(mobile, a);
        world.attach(fixed, c);
        world.run_for(SECOND);
        world.resolve(mobile, NAME);
        let pair = Pair {
            world,
            mobile,
            fixed,
            a,
            b,
            c,
            d,
        };
        Self {
            pair,
            session: None,
        }
    }

    fn flowing() -> Self {
        let mut named = Self::new();
        let pair = &mut named.pair;
        named.session = Some(pair.world.connect(pair.mobile, pair.fixed, WRITE));
        pair.world.run_for(SECOND);
        named
    }

    /// How long it takes until both ends hear each other again.
    fn recovers(&mut self, limit: Duration) -> Option<Duration> {
        let session = self.session.unwrap();
        self.pair.world.drive_until_flowing(&session, limit)
    }

    fn both_move(&mut self) {
        let Pair {
            world,
            mobile,
            fixed,
            b,
            d,
            ..
        } = &mut self.pair;
        world.move_to(*mobile, *b);
        world.move_to(*fixed, *d);
    }
}

fn published(n: u16) -> Vec<OwnLocator> {
    vec![OwnLocator {
        locator: site_locator(n),
        preference: Preference(10),
    }]
}

#[test]
fn both_that_move_hard_at_once_find_each_other_by_name() {
    for (update, answer) in [(5, 5), (60, 40), (100, 300), (900, 40), (40, 2000)] {
        let mut named = Named::flowing();
        named.pair.world.dns().update_takes = MS * update;
        named.pair.world.dns().answer_takes = MS * answer;
        named.both_move();
        // Look-ups begin 200 ms after the move and follow each other ever more slowly; the kernels'
        // retransmission timers double meanwhile.
        let took = named.recovers(SECOND * 12);
        assert!(took.is_some(), "update {update} ms, answer {answer} ms");
        if update + answer <= 100 {
            assert!(took <= Some(SECOND), "{took:?}");
        }
    }
}

#[test]
fn both_move_again_and_again() {
    let mut named = Named::flowing();
    for _ in 0..5 {
        named.both_move();
        assert!(named.recovers(SECOND * 5).is_some());
        named.pair.world.run_for(SECOND);
        let Pair {
            world,
            mobile,
            fixed,
            a,
            c,
            ..
        } = &mut named.pair;
        world.move_to(*mobile, *a);
        world.move_to(*fixed, *c);
        assert!(named.recovers(SECOND * 5).is_some());
        named.pair.world.run_for(SECOND);
    }
}

#[test]
fn a_correspondent_that_acknowledges_is_not_looked_up() {
    let mut named = Named::flowing();
    let (mobile, b) = (named.pair.mobile, named.pair.b);
    named.pair.world.move_to(mobile, b);
    assert!(named.recovers(SECOND).is_some());
    named.pair.world.run_for(SECOND * 60);
    assert_eq!(named.pair.world.dns().asked(), 0);
}

#[test]
fn a_session_goes_on_when_its_records_ran_out_and_when_they_are_wrong() {
    let mut named = Named::flowing();
    named.pair.world.run_for(SECOND * 20);
    let nid = named.pair.world.host(named.pair.fixed).nid();
    named.pair.world.dns().publish(NAME, nid, published(0xb));
    let mobile = named.pair.mobile;
    named.pair.world.resolve(mobile, NAME);
    named.pair.world.run_for(SECOND * 20);
    assert!(named.recovers(SECOND).is_some());
    let session = named.session.unwrap();
    assert!(named.pair.world.longest_pause(&session) < MS * 200);
}

#[test]
fn a_new_session_finds_a_host_that_moved_while_its_records_were_in_a_cache() {
    let mut named = Named::new();
    let (mobile, fixed, d) = (named.pair.mobile, named.pair.fixed, named.pair.d);
    named.pair.world.move_to(fixed, d);
    named.pair.world.run_for(SECOND);
    let took = connect(&mut named.pair, mobile, fixed);
    assert!(took.is_some_and(|took| took < MS * 1_300), "{took:?}");
    let host = named.pair.world.host(mobile);
    let known = host.node().unwrap().correspondents(named.pair.world.now());
    assert_eq!(known[0].state, "established");
}

#[test]
fn a_move_that_went_unnoticed_is_noticed_when_the_name_is_asked_for_again() {
    let mut named = Named::new();
    let (mobile, fixed, d) = (named.pair.mobile, named.pair.fixed, named.pair.d);
    let world = &mut named.pair.world;
    // A login session in which nobody types.
    let login = world.connect(mobile, fixed, SECOND * 5000);
    world.run_for(SECOND * 400);
    assert!(world.is_established(&login));
    // What the correspondent tells from its new place is lost, until it gives up telling it.
    let deaf_until = world.now() + SECOND * 100;
    let new_place = site_locator(0xd);
    world.filter(move |at, octets| {
        let headers = ilnp_core::wire::Headers::parse(octets).unwrap();
        let lost = at < deaf_until && headers.source_vector().locator == new_place;
        match lost {
            true => Verdict::Drop,
            false => Verdict::Pass,
        }
    });
    world.move_to(fixed, d);
    world.run_for(SECOND * 110);
    world.resolve(mobile, NAME);
    let took = connect(&mut named.pair, mobile, fixed);
    assert!(took.is_some_and(|took| took < MS * 1_300), "{took:?}");
}

#[test]
fn stale_records_of_a_host_without_ilnp_cost_less_than_four_seconds_and_only_once() {
    let mut named = Named::new();
    let (mobile, fixed) = (named.pair.mobile, named.pair.fixed);
    named
        .pair
        .world
        .act(fixed, |host, _| host.make_classic(Unaware::Silent));
    let took = connect(&mut named.pair, mobile, fixed);
    assert!(took.is_some_and(|took| took < SECOND * 4), "{took:?}");
    // The program resolves the name again, and connects again.
    named.pair.world.run_for(SECOND * 20);
    named.pair.world.resolve(mobile, NAME);
    let took = connect(&mut named.pair, mobile, fixed);
    assert_eq!(took, Some(MS * 50));
}

fn connect(pair: &mut Pair, client: HostId, server: HostId) -> Option<Duration> {
    let session = pair.world.connect(client, server, WRITE);
    pair.world.drive_until(SECOND * 20, |world| {
        world.client(&session).state() == State::Established
    })
}
