//! A copy of this host has its identifier: a virtual machine was started twice from one saved state.
//!
//! Both copies know every session, Nonces included. If both sent, correspondents would take each for
//! the other's move, to and fro. So all but one are *fenced*. A fenced host
//!
//! * has no Locator as far as the protocol goes: slots are cleared, which stops the data path both
//!   ways, and no Locator Update can be made;
//! * sends nothing, accepts nothing that is meant for its identifier, and tells local programs so;
//! * keeps its sessions as they are, and resets none: they are the other's now. It may be given the
//!   identifier back, and then they go on here.
//!
//! Who must be fenced is not decided here: nothing that a packet says can fence a host.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::handoff::Tell;
use super::{Event, Node};
use crate::time::Instant;

impl Node {
    /// Whether the identifier must not be used.
    pub const fn is_fenced(&self) -> bool {
        self.fenced.is_some()
    }

    /// The identifier must not be used from now on.
    pub fn handle_fence(&mut self, now: Instant) {
        if self.is_fenced() {
            return;
        }
        let before = self.own_locators();
        let given = self.local.iter().map(|own| own.given.clone()).collect();
        self.fenced = Some(given);
        self.local.replace(Vec::new());
        self.forget_plan();
        self.locators_changed(now, &before, Tell::WhenNew);
        self.outputs.event(Event::Fenced);
    }

    /// The identifier may be used, with randomness that no copy of this host shares. Correspondents
    /// are told where this host is: they may have heard of another place since.
    pub fn handle_release(&mut self, now: Instant, seed: [u8; 32]) {
        self.random = StdRng::from_seed(seed);
        let Some(given) = self.fenced.take() else {
            return;
        };
        self.outputs.event(Event::Released);
        let before = self.own_locators();
        self.local.replace(given);
        self.locators_changed(now, &before, Tell::Anyway);
    }
}
