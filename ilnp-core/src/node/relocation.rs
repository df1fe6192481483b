//! A planned move: correspondents are told of the place before this host is there.
//!
//! A Locator Update lists every Locator of its sender (RFC 6743 §4). Those of the place that this
//! host is going to are in it before they work: behind the present ones at first, so that data from
//! there is expected; in front of them when the host is about to be stopped, so that what is sent
//! from then on waits where it will be. Updates leave from a present Locator until the arrival.

use super::{Node, Occasion, PlanSnapshot, Relocation};
use crate::time::Instant;

impl Node {
    /// This host is going to be moved by its hypervisor, or is not after all.
    pub fn handle_relocation(&mut self, now: Instant, order: Relocation) {
        if self.is_fenced() {
            return;
        }
        match order {
            Relocation::Prepare(mut given) => {
                let prefix = self.config.handle_prefix;
                given.retain(|own| prefix.alias_of(own.locator).is_none());
                let was_planned = self.plan_ends.is_some();
                if self.local.expect(given) {
                    self.plan_ends = Some(now + self.config.timers.prepared);
                    self.tell_plan(now, Occasion::Prepared);
                } else if was_planned {
                    self.drop_plan(now, Occasion::Cancelled);
                }
            }
            Relocation::Switch => {
                if self.local.lead() {
                    self.plan_ends = Some(now + self.config.timers.switched);
                    self.tell_plan(now, Occasion::Switched);
                }
            }
            Relocation::Cancel => {
                if self.plan_ends.is_some() {
                    self.drop_plan(now, Occasion::Cancelled);
                }
            }
        }
    }

    /// Where this host is going, when that is known.
    pub fn plan(&self, now: Instant) -> Option<PlanSnapshot> {
        let ends = self.plan_ends?;
        let (locators, switched) = self.local.future();
        Some(PlanSnapshot {
            locators: locators.collect(),
            switched,
            remaining_s: ends.saturating_duration_since(now).as_secs_f64(),
        })
    }

    /// Forgets a plan that nothing became of.
    pub(super) fn handle_plan_timeout(&mut self, now: Instant) {
        if self.plan_ends.is_some_and(|ends| ends <= now) {
            self.drop_plan(now, Occasion::Expired);
        }
    }

    /// There is no plan any more, whatever correspondents were told.
    pub(super) fn forget_plan(&mut self) {
        self.local.stay();
        self.plan_ends = None;
    }

    fn drop_plan(&mut self, now: Instant, occasion: Occasion) {
        self.forget_plan();
        self.tell_plan(now, occasion);
    }

    /// Tells at once: who plans has waited for it.
    fn tell_plan(&mut self, now: Instant, occasion: Occasion) {
        self.push_slots();
        self.make_body(now);
        self.begin_campaign(occasion);
    }
}
