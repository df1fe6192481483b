//! Every interleaving of two agents, their hypervisors and the network between them, up to a number
//! of relocations and crashes.
//!
//! The network is as bad as can be: what was once sent may arrive at any time from then on, any
//! number of times, in any order, or never. Agents crash between any two actions. Copies and loads
//! fail whenever they like. A third site, which proved to be itself, sends whatever it likes.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::{Action, Activity, Custody, Input, Kind, Message, Record, Standing};
use crate::channel::RelocationId;
use crate::site::Site;

/// How many relocations, crashes and writes that fail there are at most.
#[derive(Clone, Copy, Debug)]
struct Limits {
    moves: u8,
    crashes: u8,
    lost_writes: u8,
}

/// What a hypervisor holds of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hypervisor {
    Nothing,
    Running,
    Stopped,
    Arriving(RelocationId),
    Loaded(RelocationId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    durable: Record,
    custody: Custody,
    todo: VecDeque<Action>,
    hypervisor: Hypervisor,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    places: [Place; 2],
    /// Sender's and receiver's place, and what was sent.
    sent: BTreeSet<(usize, Message)>,
    /// Relocations whose whole state has gone into the streams.
    complete: BTreeSet<RelocationId>,
    moves: u8,
    crashes: u8,
    lost_writes: u8,
}

fn site(place: usize) -> Site {
    ["a", "b", "c"][place].parse().unwrap()
}

fn place(site: &Site) -> usize {
    ["a", "b", "c"]
        .iter()
        .position(|name| *name == site.as_str())
        .unwrap()
}

fn relocation(number: u8) -> RelocationId {
    format!("{number:032x}").parse().unwrap()
}

impl World {
    fn new() -> Self {
        let here = Record {
            epoch: 1,
            standing: Standing::Mine { by: None },
        };
        let place = |durable: Record, hypervisor| Place {
            custody: Custody::restore(durable.clone()).0,
            durable,
            todo: VecDeque::new(),
            hypervisor,
        };
        Self {
            places: [
                place(here, Hypervisor::Running),
                place(Record::default(), Hypervisor::Nothing),
            ],
            sent: BTreeSet::new(),
            complete: BTreeSet::new(),
            moves: 0,
            crashes: 0,
            lost_writes: 0,
        }
    }

    /// Everything that can happen next.
    fn successors(&self, limits: Limits) -> Vec<Self> {
        let mut next = Vec::new();
        for here in 0..2 {
            if self.crashes < limits.crashes {
                next.push(self.with(|world| world.crash(here)));
            }
            if self.places[here].todo.is_empty() {
                self.inputs(here, limits, &mut next);
            } else {
                next.push(self.with(|world| world.act(here)));
                if self.lost_writes < limits.lost_writes {
                    self.lost_writes(here, &mut next);
                }
            }
        }
        next
    }

    fn inputs(&self, here: usize, limits: Limits, next: &mut Vec<Self>) {
        let mut handle = |input: Input| {
            next.extend(self.handling(here, input));
        };
        for (from, message) in &self.sent {
            if *from != here {
                handle(Input::Received(site(*from), *message));
            }
        }
        for kind in [
            Kind::Offer,
            Kind::Declined,
            Kind::Ready,
            Kind::Refused,
            Kind::Commit,
            Kind::Abort,
            Kind::Running,
        ] {
            let epoch = self.places[here].custody.record.epoch;
            let message = Message {
                relocation: relocation(self.moves),
                epoch,
                kind,
            };
            // A third site that offers what it does not have, with a newer epoch, is as a site that
            // has it; that one is not asked to be honest but to be itself.
            if kind != Kind::Offer {
                handle(Input::Received(site(2), message));
            }
        }
        handle(Input::Reconcile);
        handle(Input::Fail);
        if self.moves < limits.moves {
            let to = site(1 - here);
            let input = Input::Move {
                relocation: relocation(self.moves + 1),
                to,
            };
            next.extend(self.handling(here, input).map(|mut world| {
                world.moves += 1;
                world
            }));
        }
        self.progress(here, next);
    }

    /// What the hypervisor does.
    fn progress(&self, here: usize, next: &mut Vec<Self>) {
        let place = &self.places[here];
        match (&place.custody.activity, place.hypervisor) {
            (
                Activity::Leaving {
                    relocation,
                    ready: true,
                    ..
                },
                Hypervisor::Running,
            ) => {
                next.push(self.with(|world| {
                    world.places[here].hypervisor = Hypervisor::Stopped;
                }));
                let copied = self.with(|world| {
                    world.places[here].hypervisor = Hypervisor::Stopped;
                    world.complete.insert(*relocation);
                });
                next.extend(copied.handling(here, Input::Copied));
            }
            (
                Activity::Arriving {
                    prepared: false, ..
                },
                Hypervisor::Arriving(_),
            ) => {
                next.extend(self.handling(here, Input::Prepared));
            }
            (Activity::Arriving { loaded: false, .. }, Hypervisor::Arriving(relocation))
                if self.complete.contains(&relocation) =>
            {
                let loaded = self.with(|world| {
                    world.places[here].hypervisor = Hypervisor::Loaded(relocation);
                });
                next.extend(loaded.handling(here, Input::Loaded));
                next.push(loaded);
            }
            (Activity::Arriving { loaded: false, .. }, Hypervisor::Loaded(_)) => {
                next.extend(self.handling(here, Input::Loaded));
            }
            _ => {}
        }
    }

    /// The hand-over cannot be written: it is durable nevertheless, or is not.
    fn lost_writes(&self, here: usize, next: &mut Vec<Self>) {
        let Some(Action::Journal(record)) = self.places[here].todo.front() else {
            return;
        };
        if !matches!(record.standing, Standing::HandedOver { .. }) {
            return;
        }
        for durable in [&self.places[here].durable, record] {
            next.push(self.with(|world| {
                world.lost_writes += 1;
                let place = &mut world.places[here];
                place.durable = durable.clone();
                place.todo = place.custody.hand_over_not_recorded().unwrap().into();
            }));
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    /// The world in which `input` was taken; none where it is refused.
    fn handling(&self, here: usize, input: Input) -> Option<Self> {
        let mut world = self.clone();
        let before = world.places[here].custody.clone();
        match world.places[here].custody.handle(input) {
            Ok(actions) => world.places[here].todo.extend(actions),
            Err(_) => {
                assert_eq!(
                    before, world.places[here].custody,
                    "a refusal changes nothing"
                );
                return None;
            }
        }
        Some(world)
    }

    fn crash(&mut self, here: usize) {
        self.crashes += 1;
        let place = &mut self.places[here];
        let (custody, actions) = Custody::restore(place.durable.clone());
        place.custody = custody;
        place.todo = actions.into();
    }

    /// Carries the next action out.
    fn act(&mut self, here: usize) {
        let place = &mut self.places[here];
        let action = place.todo.pop_front().unwrap();
        let incoming = match &place.custody.record.standing {
            Standing::Incoming { relocation, .. } => Some(*relocation),
            _ => None,
        };
        match (action, place.hypervisor) {
            (Action::Journal(record), _) => place.durable = record,
            (Action::Send(to, message) | Action::Decline(to, message, _), _) => {
                if self::place(&to) < 2 {
                    self.sent.insert((here, message));
                }
            }
            (Action::Prepare, Hypervisor::Nothing) => {
                place.hypervisor = Hypervisor::Arriving(incoming.unwrap());
            }
            (Action::Copy, Hypervisor::Running) => {}
            (Action::Resume, Hypervisor::Running | Hypervisor::Stopped | Hypervisor::Loaded(_)) => {
                place.hypervisor = Hypervisor::Running;
            }
            (Action::Release, Hypervisor::Stopped | Hypervisor::Nothing)
            | (
                Action::Discard,
                Hypervisor::Nothing | Hypervisor::Arriving(_) | Hypervisor::Loaded(_),
            ) => place.hypervisor = Hypervisor::Nothing,
            (action, hypervisor) => panic!("{action:?} with {hypervisor:?} in {self:#?}"),
        }
    }

    fn check(&self) {
        let running = |place: &&Place| place.hypervisor == Hypervisor::Running;
        let count = self.places.iter().filter(running).count();
        assert!(count <= 1, "the guest runs at both sites: {self:#?}");
    }

    /// Takes an input, if there is one, and does everything that follows.
    fn at_once(self, here: usize, input: Option<Input>) -> Self {
        let mut world = match input {
            Some(input) => self.handling(here, input).unwrap_or(self),
            None => self,
        };
        while !world.places[here].todo.is_empty() {
            world.act(here);
        }
        world
    }

    /// Nothing fails any more, and what was under way is lost: the world comes to rest.
    fn heal(mut self) -> Self {
        self.sent.clear();
        for _ in 0..64 {
            let before = self.clone();
            for here in 0..2 {
                self = self.at_once(here, None);
                self = self.at_once(here, Some(Input::Reconcile));
                for (from, message) in self.sent.clone() {
                    if from != here {
                        let input = Input::Received(site(from), message);
                        self = self.at_once(here, Some(input));
                    }
                }
                // Streams were cut: what has not been loaded never will be.
                if let Activity::Leaving { .. } | Activity::Arriving { loaded: false, .. } =
                    self.places[here].custody.activity
                {
                    self = self.at_once(here, Some(Input::Fail));
                }
            }
            self.check();
            if self == before {
                return self;
            }
        }
        panic!("the two sites do not come to rest: {self:#?}");
    }
}

/// Looks at every world that can be reached, and at what becomes of it.
fn search(limits: Limits) {
    let mut seen = HashSet::from([World::new()]);
    let mut queue = VecDeque::from([World::new()]);
    let mut ends = HashSet::new();
    while let Some(world) = queue.pop_front() {
        world.check();
        let end = world.clone().heal();
        let mine = |place: &&Place| matches!(place.durable.standing, Standing::Mine { .. });
        let running = |place: &&Place| place.hypervisor == Hypervisor::Running;
        let owners: Vec<_> = end.places.iter().filter(mine).collect();
        assert_eq!(owners.len(), 1, "{world:#?} comes to {end:#?}");
        assert!(owners.iter().all(running), "{world:#?} comes to {end:#?}");
        ends.insert(end.places.map(|place| place.durable.standing));
        for next in world.successors(limits) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    // The search went somewhere: there, back again, and not at all.
    assert!(seen.len() > 500, "{} worlds only", seen.len());
    assert!(ends.len() > 2, "{ends:#?}");
}

#[test]
fn the_guest_runs_at_one_site_whatever_happens() {
    search(Limits {
        moves: 1,
        crashes: 2,
        lost_writes: 1,
    });
}

#[test]
fn the_guest_comes_back_whatever_happens() {
    search(Limits {
        moves: 2,
        crashes: 0,
        lost_writes: 1,
    });
}
