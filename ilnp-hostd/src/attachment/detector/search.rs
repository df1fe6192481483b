//! A search for the routers of a link, after something hinted at a move.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use ilnp_core::id::Locator;
use ilnp_core::time::Instant;

/// Solicits and probes at growing intervals until it is clear who is there.
#[derive(Debug)]
pub(super) struct Search {
    /// Something about the link hinted, so that a router's own advertisement that lacks a prefix
    /// tells that the prefix is gone. Otherwise an advertisement started the search: it may have been
    /// one of several that share the prefixes, and only what comes in answer counts.
    hinted: bool,
    /// A router advertised itself since.
    pub(super) advertised: bool,
    /// A router or a prefix was heard since that is new.
    found: bool,
    /// All prefixes that were advertised since.
    pub(super) seen: BTreeSet<Locator>,
    /// The routers that were known when it started, and whether they answered.
    suspects: BTreeMap<Ipv6Addr, bool>,
    /// Those that did not answer are taken for dead.
    pub(super) decided: bool,
    /// A router whose entry was removed, because it was that of another one on the old link.
    removed: Option<Ipv6Addr>,
    started: Instant,
    sent: u32,
    sent_at: Option<Instant>,
    next: Instant,
}

/// What a [`Search`] wants when its moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Solicit, and probe the suspects that have not answered.
    SolicitAndProbe,
    /// The suspects that have not answered are dead.
    Decide,
    /// Solicit once more.
    Solicit,
    /// Nothing: it is over.
    Finish,
}

impl Search {
    /// When solicitations and probes are sent, from the start; a lost one costs 50 ms.
    const STEPS: [Duration; 3] = [
        Duration::ZERO,
        Duration::from_millis(50),
        Duration::from_millis(150),
    ];
    /// When a router that has answered none of the probes is taken for dead.
    const VERDICT: Duration = Duration::from_millis(350);
    /// From then on the intervals double up to this one (compare RFC 7559), until a router is heard.
    const LONGEST: Duration = Duration::from_secs(60);
    /// A link on which nobody advertises after so many solicitations has no router.
    const TRIES: u32 = 8;
    /// Hints that follow another so closely tell nothing new.
    const SAME_HINT: Duration = Duration::from_millis(25);

    pub(super) fn new(
        now: Instant,
        hinted: bool,
        suspects: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Self {
        Self {
            hinted,
            advertised: false,
            found: false,
            seen: BTreeSet::new(),
            suspects: suspects.into_iter().map(|router| (router, false)).collect(),
            decided: false,
            removed: None,
            started: now,
            sent: 0,
            sent_at: None,
            next: now,
        }
    }

    /// A router advertised itself with these prefixes.
    pub(super) fn heard(&mut self, router: Ipv6Addr, prefixes: &BTreeSet<Locator>) {
        self.advertised = true;
        self.seen.extend(prefixes);
        self.answered(router);
    }

    /// A router answered.
    pub(super) fn answered(&mut self, router: Ipv6Addr) {
        if let Some(answered) = self.suspects.get_mut(&router) {
            *answered = true;
        }
    }

    /// The routers that were known at the start and have not answered.
    pub(super) fn silent(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.suspects
            .iter()
            .filter(|(_, answered)| !**answered)
            .map(|(router, _)| *router)
    }

    /// The kernel's entry of this router was removed when it started.
    pub(super) const fn has_no_entry_of(&mut self, router: Ipv6Addr) {
        self.removed = Some(router);
    }

    /// Whether the kernel tells by the failure of this router's entry that it was removed.
    pub(super) fn has_removed(&self, router: Ipv6Addr) -> bool {
        !self.decided && self.removed == Some(router)
    }

    /// Whether something about the link hinted, and the probes were sent for a second time.
    pub(super) const fn was_repeated(&self) -> bool {
        self.hinted && self.sent >= 2
    }

    /// Whether a hint that comes now is the one that started this search.
    pub(super) fn is_just_started(&self, now: Instant) -> bool {
        self.hinted && now.saturating_duration_since(self.started) < Self::SAME_HINT
    }

    /// A router was heard that is new, or has new prefixes.
    pub(super) const fn found(&mut self) {
        self.found = true;
    }

    /// Whether something about the link hinted and another link was found since. Such a search ends
    /// half a second after the hint.
    pub(super) const fn has_found(&self) -> bool {
        self.hinted && self.found
    }

    /// When the next step is due.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Solicits again at once, because only now it is possible.
    pub(super) fn retry(&mut self, now: Instant) {
        if !self.advertised && self.sent_at.is_none() {
            self.started = now;
            self.next = now;
            self.sent = 0;
        }
    }

    /// A solicitation was sent.
    pub(super) const fn sent(&mut self, now: Instant) {
        self.sent_at = Some(now);
    }

    /// The step that is due, if one is. `awaited` says that there is a router to look for.
    pub(super) fn step(&mut self, now: Instant, awaited: bool) -> Option<Step> {
        if now < self.next {
            return None;
        }
        let passed = now.saturating_duration_since(self.started);
        if let Some(following) = usize::try_from(self.sent)
            .ok()
            .and_then(|sent| Self::STEPS.get(sent..))
            .filter(|steps| !steps.is_empty())
        {
            self.sent += 1;
            self.next = self.started + following.get(1).copied().unwrap_or(Self::VERDICT);
            return Some(Step::SolicitAndProbe);
        }
        if !self.decided {
            self.decided = true;
            self.next = now + (Self::VERDICT - Self::STEPS[2]);
            return Some(Step::Decide);
        }
        if self.advertised || (!awaited && self.sent >= Self::TRIES) {
            return Some(Step::Finish);
        }
        self.sent = self.sent.saturating_add(1);
        self.next = now + passed.clamp(Self::VERDICT, Self::LONGEST);
        Some(Step::Solicit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(search: &mut Search, awaited: bool, until: u64) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        loop {
            let now = search.next();
            let at = now.as_nanos() / 1_000_000;
            if at > until {
                return steps;
            }
            match search.step(now, awaited) {
                Some(Step::Finish) => {
                    steps.push((at, Step::Finish));
                    return steps;
                }
                Some(step) => steps.push((at, step)),
                None => panic!("not due at its own deadline"),
            }
        }
    }

    #[test]
    fn solicits_at_once_and_decides_after_three_probes() {
        let mut search = Search::new(Instant::ZERO, true, []);
        assert_eq!(
            run(&mut search, true, 400),
            [
                (0, Step::SolicitAndProbe),
                (50, Step::SolicitAndProbe),
                (150, Step::SolicitAndProbe),
                (350, Step::Decide),
            ]
        );
    }

    #[test]
    fn goes_on_ever_more_slowly_while_a_router_is_missing() {
        let mut search = Search::new(Instant::ZERO, true, []);
        let times: Vec<_> = run(&mut search, true, 600_000)
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        assert!(times.len() < 22, "{times:?}");
        let last: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(last.last(), Some(&60_000));
    }

    #[test]
    fn gives_up_where_no_router_was_ever_heard() {
        let mut search = Search::new(Instant::ZERO, true, []);
        let steps = run(&mut search, false, 600_000);
        assert_eq!(steps.last().map(|(_, step)| *step), Some(Step::Finish));
    }

    #[test]
    fn is_over_when_a_router_was_heard() {
        let mut search = Search::new(Instant::ZERO, true, []);
        search.advertised = true;
        let steps = run(&mut search, true, 600_000);
        assert_eq!(steps.last(), Some(&(550, Step::Finish)));
    }
}
