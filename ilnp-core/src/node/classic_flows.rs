//! The flows of correspondents that do not speak ILNP, while their programs keep the handle.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::{ClassicFlow, Timers};
use crate::id::Handle;
use crate::time::Instant;
use crate::wire::{Headers, Transport, protocol};

impl ClassicFlow {
    /// The flow of a packet that this host sent.
    pub(super) fn sent(headers: &Headers, transport: &Transport) -> Self {
        let (local_port, remote_port) = ports(transport, true);
        Self {
            remote: headers.destination,
            local: headers.source,
            protocol: headers.protocol,
            remote_port,
            local_port,
        }
    }

    /// The flow of a packet that this host received.
    pub(super) fn received(headers: &Headers, transport: &Transport) -> Self {
        let (local_port, remote_port) = ports(transport, false);
        Self {
            remote: headers.source,
            local: headers.destination,
            protocol: headers.protocol,
            remote_port,
            local_port,
        }
    }
}

/// The local and the remote port of a packet.
fn ports(transport: &Transport, sent: bool) -> (u16, u16) {
    match (*transport, transport.ports()) {
        (Transport::Echo { identifier, .. }, _) => (identifier, 0),
        (_, Some((source, destination))) if sent => (source, destination),
        (_, Some((source, destination))) => (destination, source),
        (_, None) => (0, 0),
    }
}

/// What programs see of a flow: the handle, protocol, remote and local port.
type OverHandles = (Handle, u8, u16, u16);

#[derive(Debug)]
struct Known {
    handle: Handle,
    used: Instant,
}

/// The flows, bounded: the one whose time is over first makes room.
#[derive(Debug)]
pub(super) struct ClassicFlows {
    limit: usize,
    tcp: Duration,
    other: Duration,
    flows: BTreeMap<ClassicFlow, Known>,
    over_handles: BTreeMap<OverHandles, ClassicFlow>,
    ends: BTreeSet<(Instant, ClassicFlow)>,
}

impl ClassicFlows {
    pub(super) const fn new(limit: usize, timers: &Timers) -> Self {
        Self {
            limit,
            tcp: timers.classic_tcp,
            other: timers.classic_other,
            flows: BTreeMap::new(),
            over_handles: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }

    /// Adds a flow. Gives the one that had to make room.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        flow: ClassicFlow,
        handle: Handle,
    ) -> Option<ClassicFlow> {
        let full = self.flows.len() >= self.limit;
        let oldest = self.ends.first().filter(|_| full).map(|&(_, flow)| flow);
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
        self.flows.insert(flow, Known { handle, used: now });
        self.over_handles.insert(over_handles(handle, &flow), flow);
        self.ends.insert((self.end(now, &flow), flow));
        oldest
    }

    fn remove(&mut self, flow: &ClassicFlow) {
        if let Some(known) = self.flows.remove(flow) {
            self.over_handles.remove(&over_handles(known.handle, flow));
            self.ends.remove(&(self.end(known.used, flow), *flow));
        }
    }

    const fn idle(&self, flow: &ClassicFlow) -> Duration {
        match flow.protocol {
            protocol::TCP => self.tcp,
            _ => self.other,
        }
    }

    fn end(&self, used: Instant, flow: &ClassicFlow) -> Instant {
        used + self.idle(flow)
    }

    /// The flow that a program's packet to a handle belongs to.
    pub(super) fn find(
        &self,
        handle: Handle,
        protocol: u8,
        transport: &Transport,
    ) -> Option<ClassicFlow> {
        let (local_port, remote_port) = ports(transport, true);
        let key = (handle, protocol, remote_port, local_port);
        self.over_handles.get(&key).copied()
    }

    /// The handle that a flow belongs to.
    pub(super) fn handle(&self, flow: &ClassicFlow) -> Option<Handle> {
        self.flows.get(flow).map(|known| known.handle)
    }

    /// Notes that a flow is in use, at most once a second.
    pub(super) fn touch(&mut self, now: Instant, flow: &ClassicFlow) {
        let idle = self.idle(flow);
        let Some(known) = self.flows.get_mut(flow) else {
            return;
        };
        if now - known.used >= Duration::from_secs(1) {
            self.ends.remove(&(known.used + idle, *flow));
            known.used = now;
            self.ends.insert((now + idle, *flow));
        }
    }

    /// When the next flow ends, unless it is used.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.first().map(|&(end, _)| end)
    }

    /// Takes out a flow whose time is over.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<ClassicFlow> {
        let &(end, flow) = self.ends.first()?;
        if end > now {
            return None;
        }
        self.remove(&flow);
        Some(flow)
    }
}

const fn over_handles(handle: Handle, flow: &ClassicFlow) -> OverHandles {
    (handle, flow.protocol, flow.remote_port, flow.local_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Nid;

    fn flow(port: u16) -> ClassicFlow {
        ClassicFlow {
            remote: "2001:db8::1".parse().unwrap(),
            local: "2001:db8::2".parse().unwrap(),
            protocol: protocol::UDP,
            remote_port: 53,
            local_port: port,
        }
    }

    fn flows(limit: usize) -> ClassicFlows {
        ClassicFlows::new(limit, &Timers::default())
    }

    const HANDLE: Handle = Handle::new(Nid::from_bits(7));

    #[test]
    fn finds_a_flow_from_both_sides() {
        let mut flows = flows(10);
        flows.insert(Instant::ZERO, flow(1000), HANDLE);
        let sent = Transport::Udp {
            source: 1000,
            destination: 53,
        };
        assert_eq!(flows.find(HANDLE, protocol::UDP, &sent), Some(flow(1000)));
        assert_eq!(flows.handle(&flow(1000)), Some(HANDLE));
        assert_eq!(flows.handle(&flow(1001)), None);
    }

    #[test]
    fn the_longest_unused_flow_makes_room() {
        let at = |secs: u64| Instant::from_nanos(secs * 1_000_000_000);
        let mut flows = flows(2);
        assert_eq!(flows.insert(at(0), flow(1), HANDLE), None);
        assert_eq!(flows.insert(at(1), flow(2), HANDLE), None);
        flows.touch(at(5), &flow(1));
        assert_eq!(flows.insert(at(6), flow(3), HANDLE), Some(flow(2)));
    }

    #[test]
    fn a_flow_ends_when_it_is_not_used() {
        let at = |secs: u64| Instant::from_nanos(secs * 1_000_000_000);
        let mut flows = flows(2);
        flows.insert(at(0), flow(1), HANDLE);
        flows.touch(at(100), &flow(1));
        assert_eq!(flows.poll_timeout(), Some(at(400)));
        assert_eq!(flows.pop_ended(at(399)), None);
        assert_eq!(flows.pop_ended(at(400)), Some(flow(1)));
        assert_eq!(flows.handle(&flow(1)), None);
    }
}
