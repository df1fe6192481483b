//! Echo requests that wait for their replies.

use std::collections::HashMap;

use ilnp_core::id::{Handle, HandlePrefix, Locator};
use ilnp_core::time::Instant;
use tokio::sync::oneshot;

use super::PingError;
use crate::api;

/// How many wait at a time.
const LIMIT: usize = 256;

type Answer = oneshot::Sender<Result<api::ping::Reply, PingError>>;

/// Echo requests that wait, by identifier and sequence number.
#[derive(Debug, Default)]
pub(super) struct Pings {
    waiting: HashMap<(u16, u16), (Handle, Instant, Answer)>,
    next: u32,
}

impl Pings {
    /// Notes a request to `handle` that is sent now, and gives its identifier and sequence number;
    /// refuses it when too many wait.
    pub(super) fn start(
        &mut self,
        now: Instant,
        handle: Handle,
        answer: Answer,
    ) -> Option<(u16, u16)> {
        self.waiting.retain(|_, (_, _, answer)| !answer.is_closed());
        if self.waiting.len() >= LIMIT {
            let _ = answer.send(Err(PingError::TooMany));
            return None;
        }
        self.next = self.next.wrapping_add(1);
        let [a, b, c, d] = self.next.to_be_bytes();
        let key = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        self.waiting.insert(key, (handle, now, answer));
        Some(key)
    }

    /// A reply came: tells whoever waits for it.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        handles: HandlePrefix,
        key: (u16, u16),
        handle: Handle,
        (remote, local): (Locator, Locator),
    ) {
        if self
            .waiting
            .get(&key)
            .is_none_or(|(asked, ..)| *asked != handle)
        {
            return;
        }
        let Some((_, sent, answer)) = self.waiting.remove(&key) else {
            return;
        };
        let reply = api::ping::Reply {
            schema: api::SCHEMA,
            nid: handle.nid,
            handle: handles.address(handle),
            remote,
            local,
            rtt_ms: (now - sent).as_secs_f64() * 1e3,
        };
        // Whoever waited may have given up.
        let _ = answer.send(Ok(reply));
    }
}
