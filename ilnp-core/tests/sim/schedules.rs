//! Any schedule of moves and losses: once both hosts stay where they are, the session carries data
//! again, and each sends to where the other is.

use std::collections::BTreeSet;
use std::time::Duration;

use ilnp_core::id::{HandlePrefix, Locator};
use ilnp_core::sim::link::Conditions;
use ilnp_core::sim::{HostId, Pair, Session, Settings, SiteId, World};
use proptest::prelude::*;

use super::support::*;

/// Which of the two hosts.
#[derive(Clone, Copy, Debug)]
enum Who {
    Mobile,
    Fixed,
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Action {
    Wait(u16),
    /// A hard handoff to the host's first or second site.
    Move(Who, bool),
    /// One more site.
    Attach(Who, bool),
    /// The other site begins to leave.
    Leave(Who, bool),
    /// No site at all.
    Isolate(Who),
    /// The daemon dies and another takes over.
    Restart(Who),
    /// Every link loses this share, in percent.
    Loss(u8),
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(Who::Mobile), 1 => Just(Who::Fixed)]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (1u16..1500).prop_map(Action::Wait),
        6 => (who(), any::<bool>()).prop_map(|(who, second)| Action::Move(who, second)),
        3 => (who(), any::<bool>()).prop_map(|(who, second)| Action::Attach(who, second)),
        2 => (who(), any::<bool>()).prop_map(|(who, second)| Action::Leave(who, second)),
        1 => who().prop_map(Action::Isolate),
        1 => who().prop_map(Action::Restart),
        2 => (0u8..40).prop_map(Action::Loss),
    ]
}

fn place(pair: &Pair, who: Who, second: bool) -> (HostId, SiteId) {
    match (who, second) {
        (Who::Mobile, false) => (pair.mobile, pair.a),
        (Who::Mobile, true) => (pair.mobile, pair.b),
        (Who::Fixed, false) => (pair.fixed, pair.c),
        (Who::Fixed, true) => (pair.fixed, pair.d),
    }
}

fn set_loss(pair: &mut Pair, delay: Duration, percent: u8) {
    let conditions = Conditions {
        loss: f64::from(percent) / 200.0, // two links each way
        ..Conditions::delay(delay)
    };
    for site in [pair.a, pair.b, pair.c, pair.d] {
        pair.world.internet().set_conditions(site, conditions);
    }
}

fn perform(pair: &mut Pair, action: &Action) {
    match *action {
        Action::Wait(millis) => pair.world.run_for(Duration::from_millis(millis.into())),
        Action::Move(who, second) => {
            let (host, site) = place(pair, who, second);
            pair.world.move_to(host, site);
        }
        Action::Attach(who, second) => {
            let (host, site) = place(pair, who, second);
            pair.world.attach(host, site);
        }
        Action::Leave(who, second) => {
            let (host, site) = place(pair, who, second);
            pair.world.announce(host, &[site]);
        }
        Action::Isolate(who) => pair.world.isolate(place(pair, who, false).0),
        Action::Restart(who) => pair.world.act(place(pair, who, false).0, |host, now| {
            host.kill_daemon();
            host.start_daemon(now);
        }),
        Action::Loss(percent) => set_loss(pair, MS * 10, percent),
    }
}

/// Where a host is.
fn own(world: &World, id: HostId) -> BTreeSet<Locator> {
    let locators = world.host(id).locators().iter();
    locators.map(|own| own.locator).collect()
}

/// Where a host sends what is for its only correspondent.
fn destination(world: &World, id: HostId) -> Option<Locator> {
    let path = world.host(id).datapath()?;
    let other = world.host(id).node()?.correspondents(world.now());
    let handle = HandlePrefix::DEFAULT.handle(other.first()?.handle)?;
    Some(path.entry(&handle)?.destination)
}

fn start(seed: u64) -> (Pair, Session) {
    let mut pair = Pair::new(Settings {
        round_trip: MS * 40,
        seed,
        ..Settings::default()
    });
    let session = pair.world.connect(pair.mobile, pair.fixed, MS * 50);
    pair.world.run_for(SECOND);
    (pair, session)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_session_survives_any_schedule(
        seed in 0u64..1000,
        actions in proptest::collection::vec(action(), 1..25),
    ) {
        let (mut pair, session) = start(seed);
        for action in &actions {
            perform(&mut pair, action);
        }
        // Quiescence: both have a site, nothing is lost, and names resolve to where they are.
        set_loss(&mut pair, MS * 10, 0);
        for (host, site) in [(pair.mobile, pair.b), (pair.fixed, pair.d)] {
            if pair.world.host(host).locators().is_empty() {
                pair.world.attach(host, site);
            }
            pair.world.announce(host, &[]);
        }
        pair.world.introduce(pair.mobile, pair.fixed);
        pair.world.introduce(pair.fixed, pair.mobile);

        // Retransmission timers of the two kernels may have doubled up to two minutes.
        let took = pair.world.drive_until_flowing(&session, SECOND * 240);
        prop_assert!(took.is_some(), "{:?}", pair.world.client(&session));
        pair.world.run_for(SECOND * 70);
        for (one, other) in [(pair.mobile, pair.fixed), (pair.fixed, pair.mobile)] {
            let destination = destination(&pair.world, one);
            let own = own(&pair.world, other);
            prop_assert!(destination.is_some_and(|at| own.contains(&at)), "{destination:?} {own:?}");
        }
    }
}
