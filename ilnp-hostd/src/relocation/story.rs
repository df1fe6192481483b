//! What the agent is told of a move, in the order in which it wants to hear it.

use std::collections::VecDeque;
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_core::node::{self, Occasion};
use ilnp_core::relocation::{
    Acknowledged, AllAcknowledged, DnsConfirmed, Event, Step, Told, Usable,
};
use ilnp_core::time::Instant;

use crate::driver::Tiding;

/// An announcement this long before a change of Locators is what made it known.
const NOTICED: Duration = Duration::from_secs(10);

/// Announcements that are closer together are repeated ones.
const REPEATED: Duration = Duration::from_secs(1);

/// Collects what happens, and tells it as soon as it is known which hand-over it belongs to: a move
/// may be over before the agent has said which one it was.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The hand-over that was prepared last, and where the guest will be; nowhere when it was called
    /// off.
    planned: Option<(u64, Vec<Locator>)>,
    /// A hand-over that is over, as the agent says, though nothing was seen of it yet.
    awaited: Option<(u64, Instant)>,
    /// When the kernel last announced a move.
    announced: Option<Instant>,
    latest: Option<Move>,
    events: VecDeque<Event>,
}

/// A move.
#[derive(Debug)]
struct Move {
    /// When the guest noticed it.
    noticed: Instant,
    /// The hand-over, once it is known.
    epoch: Option<u64>,
    usable: (Instant, Locator),
    first: Option<Instant>,
    all: Option<(Instant, usize)>,
    dns: Option<Instant>,
    /// Which of these were told.
    told: [bool; 4],
}

impl Story {
    /// A move was prepared.
    pub(super) fn prepared(&mut self, epoch: u64, locators: Vec<Locator>) {
        self.planned = Some((epoch, locators));
    }

    /// The hand-over that was prepared last.
    pub(super) fn planned(&self) -> Option<u64> {
        self.planned.as_ref().map(|(epoch, _)| *epoch)
    }

    /// What was prepared does not happen. What becomes of that is still told.
    pub(super) fn called_off(&mut self) {
        if let Some((_, locators)) = &mut self.planned {
            locators.clear();
        }
    }

    /// The agent says that the guest was moved.
    pub(super) fn resumed(&mut self, at: Instant, epoch: u64) {
        // As long as the plan stands, what was seen last is another move.
        let unseen = self.planned.take().is_some_and(|(it, _)| it == epoch);
        let ours = self.latest.as_mut().filter(|latest| {
            let recent = at.saturating_duration_since(latest.noticed) < NOTICED;
            latest.epoch == Some(epoch) || (latest.epoch.is_none() && recent && !unseen)
        });
        match ours {
            Some(latest) => latest.epoch = Some(epoch),
            None => self.awaited = Some((epoch, at)),
        }
    }

    /// Takes news in. Returns the Locator that name servers are to confirm, when that is a new one.
    pub(super) fn hear(&mut self, tiding: Tiding) -> Option<Locator> {
        match tiding {
            Tiding::Noticed(at) => {
                let repeated = |last| at.saturating_duration_since(last) < REPEATED;
                if !self.announced.is_some_and(repeated) {
                    self.announced = Some(at);
                }
                None
            }
            Tiding::Happened(at, node::Event::SourceChanged { locator }) => {
                self.begin(at, locator?);
                locator
            }
            Tiding::Happened(
                at,
                node::Event::Told {
                    occasion,
                    correspondents,
                    acknowledged,
                },
            ) => {
                self.count(at, occasion, correspondents, acknowledged);
                None
            }
            Tiding::Happened(..) => None,
        }
    }

    /// Name servers have confirmed the new Locator.
    pub(super) fn dns_confirmed(&mut self, at: Instant) {
        if let Some(latest) = &mut self.latest {
            latest.dns = Some(at);
        }
    }

    /// The next event for the agent.
    pub(super) fn poll(&mut self) -> Option<Event> {
        self.events
            .pop_front()
            .or_else(|| self.latest.as_mut().and_then(Move::next))
    }

    /// Packets leave from another Locator.
    fn begin(&mut self, at: Instant, locator: Locator) {
        let back = |latest: &Move| latest.epoch.is_some() && latest.usable.1 == locator;
        if self.awaited.is_none()
            && self.planned.is_none()
            && self.latest.as_ref().is_some_and(back)
        {
            // It was gone for a moment, and is what that move led to.
            return;
        }
        let as_planned = self
            .planned
            .take_if(|(_, locators)| locators.contains(&locator));
        let awaited = self.awaited.take();
        let epoch = awaited
            .map(|(epoch, _)| epoch)
            .or_else(|| as_planned.map(|(epoch, _)| epoch));
        let said = awaited.map(|(_, at)| at);
        let noticed = [said, self.announced.take()]
            .into_iter()
            .flatten()
            .filter(|noticed| at.saturating_duration_since(*noticed) < NOTICED)
            .min();
        self.latest = Some(Move {
            noticed: noticed.unwrap_or(at),
            epoch,
            usable: (at, locator),
            first: None,
            all: None,
            dns: None,
            told: [false; 4],
        });
    }

    fn count(
        &mut self,
        at: Instant,
        occasion: Occasion,
        correspondents: usize,
        acknowledged: usize,
    ) {
        let step = match occasion {
            Occasion::Prepared => Step::Prepare,
            Occasion::Switched => Step::Switch,
            Occasion::Cancelled | Occasion::Expired => Step::Cancel,
            Occasion::Moved => {
                if let Some(latest) = &mut self.latest {
                    latest.count(at, correspondents, acknowledged);
                }
                return;
            }
        };
        if let Some(epoch) = self.planned()
            && (acknowledged > 0 || correspondents == 0)
        {
            self.events.push_back(Event::Told(Told {
                epoch,
                step,
                correspondents,
                acknowledged,
            }));
        }
    }
}

impl Move {
    fn count(&mut self, at: Instant, correspondents: usize, acknowledged: usize) {
        if acknowledged > 0 {
            self.first.get_or_insert(at);
        }
        if acknowledged == correspondents {
            self.all.get_or_insert((at, correspondents));
        }
    }

    /// What is known and was not told yet.
    fn next(&mut self) -> Option<Event> {
        let epoch = self.epoch?;
        let after = |at: Instant| at.saturating_duration_since(self.noticed).as_secs_f64() * 1e3;
        let (at, locator) = self.usable;
        let known = [
            Some(Event::Usable(Usable {
                epoch,
                after_ms: after(at),
                locator,
            })),
            self.first.map(|at| {
                Event::Acknowledged(Acknowledged {
                    epoch,
                    after_ms: after(at),
                })
            }),
            self.all.map(|(at, correspondents)| {
                Event::AllAcknowledged(AllAcknowledged {
                    epoch,
                    after_ms: after(at),
                    correspondents,
                })
            }),
            self.dns.map(|at| {
                Event::DnsConfirmed(DnsConfirmed {
                    epoch,
                    after_ms: after(at),
                })
            }),
        ];
        let (event, told) = known
            .into_iter()
            .zip(&mut self.told)
            .find_map(|(event, told)| event.filter(|_| !*told).map(|event| (event, told)))?;
        *told = true;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use ilnp_core::id::Locator;

    use super::*;

    const B: Locator = Locator::from_bits(0x2001_0db8_000b_0000);

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    fn changed(ms: u64) -> Tiding {
        let locator = Some(B);
        Tiding::Happened(at(ms), node::Event::SourceChanged { locator })
    }

    fn told(ms: u64, occasion: Occasion, correspondents: usize, acknowledged: usize) -> Tiding {
        let event = node::Event::Told {
            occasion,
            correspondents,
            acknowledged,
        };
        Tiding::Happened(at(ms), event)
    }

    /// Names, epochs and times of what is told.
    fn all(story: &mut Story) -> Vec<(&'static str, u64, u64)> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "times of a test are small"
        )]
        let short = |event: Event| match event {
            Event::Told(it) => ("told", it.epoch, it.acknowledged as u64),
            Event::Usable(it) => ("usable", it.epoch, it.after_ms as u64),
            Event::Acknowledged(it) => ("first", it.epoch, it.after_ms as u64),
            Event::AllAcknowledged(it) => ("all", it.epoch, it.after_ms as u64),
            Event::DnsConfirmed(it) => ("dns", it.epoch, it.after_ms as u64),
        };
        std::iter::from_fn(|| story.poll()).map(short).collect()
    }

    #[test]
    fn what_was_seen_before_a_planned_move_is_not_that_move() {
        let mut story = Story::default();
        // The first Locator of a host that has just started.
        story.hear(changed(0));
        story.prepared(13, vec![B]);
        story.resumed(at(3000), 13);
        assert_eq!(all(&mut story), []);
        assert_eq!(story.hear(changed(3002)), Some(B));
        assert_eq!(all(&mut story), [("usable", 13, 2)]);
    }

    #[test]
    fn a_locator_that_comes_and_goes_and_comes_is_of_one_move() {
        let mut story = Story::default();
        story.prepared(13, vec![B]);
        story.hear(changed(1000));
        assert_eq!(all(&mut story), [("usable", 13, 0)]);
        let none = node::Event::SourceChanged { locator: None };
        story.hear(Tiding::Happened(at(1010), none));
        story.hear(changed(1500));
        story.resumed(at(1600), 13);
        story.hear(told(1700, Occasion::Moved, 1, 1));
        assert_eq!(all(&mut story), [("first", 13, 700), ("all", 13, 700)]);
    }

    #[test]
    fn a_move_that_was_called_off_is_not_the_next_one() {
        let mut story = Story::default();
        story.prepared(13, vec![B]);
        story.called_off();
        story.hear(told(100, Occasion::Cancelled, 1, 1));
        assert_eq!(all(&mut story), [("told", 13, 1)]);
        story.hear(Tiding::Noticed(at(1000)));
        story.hear(changed(1100));
        assert_eq!(all(&mut story), []);
        story.resumed(at(1200), 14);
        assert_eq!(all(&mut story), [("usable", 14, 100)]);
    }

    #[test]
    fn a_planned_move_is_told_step_by_step() {
        let mut story = Story::default();
        story.prepared(13, vec![B]);
        story.hear(told(0, Occasion::Prepared, 2, 0));
        assert_eq!(all(&mut story), []);
        story.hear(told(50, Occasion::Prepared, 2, 1));
        story.hear(told(60, Occasion::Prepared, 2, 2));
        assert_eq!(all(&mut story), [("told", 13, 1), ("told", 13, 2)]);
        story.hear(Tiding::Noticed(at(1000)));
        assert_eq!(story.hear(changed(1002)), Some(B));
        story.hear(told(1002, Occasion::Moved, 2, 0));
        assert_eq!(all(&mut story), [("usable", 13, 2)]);
        story.resumed(at(1003), 13);
        // Repeated announcements are of this move.
        story.hear(Tiding::Noticed(at(1150)));
        story.dns_confirmed(at(1040));
        story.hear(told(1050, Occasion::Moved, 2, 1));
        assert_eq!(all(&mut story), [("first", 13, 50), ("dns", 13, 40)]);
        story.hear(told(31_000, Occasion::Moved, 2, 2));
        assert_eq!(all(&mut story), [("all", 13, 30_000)]);
        assert_eq!(all(&mut story), []);
    }

    #[test]
    fn a_move_that_was_not_prepared_is_told_once_the_agent_says_which_it_was() {
        let mut story = Story::default();
        story.hear(Tiding::Noticed(at(1000)));
        story.hear(changed(1100));
        story.hear(told(1100, Occasion::Moved, 0, 0));
        assert_eq!(all(&mut story), []);
        story.resumed(at(1200), 14);
        assert_eq!(all(&mut story), [("usable", 14, 100), ("all", 14, 100)]);
        // The next one, with the agent the first to tell.
        story.resumed(at(5000), 15);
        assert_eq!(all(&mut story), []);
        story.hear(Tiding::Noticed(at(5040)));
        story.hear(changed(5100));
        assert_eq!(all(&mut story), [("usable", 15, 100)]);
    }

    #[test]
    fn moves_that_the_agent_knows_nothing_of_are_not_told() {
        let mut story = Story::default();
        story.prepared(13, vec![Locator::from_bits(1 << 32)]);
        story.hear(changed(1000));
        story.hear(told(1000, Occasion::Moved, 1, 1));
        assert_eq!(all(&mut story), []);
        assert_eq!(story.planned(), Some(13));
        story.hear(told(1100, Occasion::Cancelled, 1, 1));
        assert_eq!(all(&mut story), [("told", 13, 1)]);
    }
}
