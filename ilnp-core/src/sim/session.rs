//! Transport sessions between two hosts of a [`World`], seen from both ends.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use super::stack::{Sockets, tcp, udp};
use super::world::{HostId, World};

/// The port that hosts accept TCP sessions on.
pub const TCP_PORT: u16 = 80;
/// The port that hosts receive UDP streams on.
pub const UDP_PORT: u16 = 5000;

/// A TCP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The end that connected.
    pub client: (HostId, Sockets),
    /// The end that accepted.
    pub server: (HostId, Sockets),
}

/// A one-way stream of numbered UDP datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The sending host and the number of its sender.
    pub from: (HostId, usize),
    /// The receiving host and the sockets there.
    pub to: (HostId, Sockets),
}

impl World {
    /// Begins a TCP session over handles. Both ends write at every interval.
    pub fn connect(&mut self, client: HostId, server: HostId, interval: Duration) -> Session {
        let local = self.host(client).address();
        let remote = self.host(server).address();
        self.connect_addresses((client, local), (server, remote), interval)
    }

    /// Begins a TCP session over any addresses.
    pub fn connect_addresses(
        &mut self,
        (client, local): (HostId, Ipv6Addr),
        (server, remote): (HostId, Ipv6Addr),
        interval: Duration,
    ) -> Session {
        self.act(server, |host, _| host.stack.listen(TCP_PORT, interval));
        let remote = SocketAddrV6::new(remote, TCP_PORT, 0, 0);
        let sockets = self.act(client, |host, now| {
            host.stack.connect(now, local, remote, interval)
        });
        Session {
            client: (client, sockets),
            server: (server, other_end(sockets)),
        }
    }

    /// The client's end of a session.
    ///
    /// # Panics
    /// When the host was booted since.
    pub fn client(&self, session: &Session) -> &tcp::Connection {
        let (host, sockets) = &session.client;
        let connection = self.host(*host).stack.connection(sockets);
        connection.expect("a client keeps its end until it boots")
    }

    /// The server's end of a session, once a SYN arrived.
    pub fn server(&self, session: &Session) -> Option<&tcp::Connection> {
        let (host, sockets) = &session.server;
        self.host(*host).stack.connection(sockets)
    }

    /// Whether both ends of a session are established.
    pub fn is_established(&self, session: &Session) -> bool {
        let client = Some(self.client(session));
        [client, self.server(session)]
            .into_iter()
            .all(|end| end.is_some_and(|end| end.state() == tcp::State::Established))
    }

    /// Lets time pass until what both ends write from now on arrives, and returns how long that
    /// took; `None` when it does not within `limit`.
    pub fn drive_until_flowing(&mut self, session: &Session, limit: Duration) -> Option<Duration> {
        let written = |end: Option<&tcp::Connection>| end.map_or(0, tcp::Connection::written);
        let received = |end: Option<&tcp::Connection>| end.map_or(0, tcp::Connection::received);
        let client_wrote = written(Some(self.client(session)));
        let server_wrote = written(self.server(session));
        self.drive_until(limit, |world| {
            received(world.server(session)) > client_wrote
                && received(Some(world.client(session))) > server_wrote
        })
    }

    /// As [`World::drive_until_flowing`], judged by the client alone: what it writes is acknowledged,
    /// and something new arrives. For servers that know the client by another address.
    pub fn drive_until_served(&mut self, session: &Session, limit: Duration) -> Option<Duration> {
        let client = self.client(session);
        let (written, received) = (client.written(), client.received());
        self.drive_until(limit, |world| {
            let client = world.client(session);
            client.acknowledged() > written && client.received() > received
        })
    }

    /// The longest time for which one of the two ends got nothing.
    pub fn longest_pause(&self, session: &Session) -> Duration {
        let now = self.now();
        [Some(self.client(session)), self.server(session)]
            .into_iter()
            .flatten()
            .map(|end| end.progress().longest_pause(now))
            .max()
            .unwrap_or_default()
    }

    /// Begins a one-way UDP stream over handles.
    pub fn stream(&mut self, from: HostId, to: HostId, interval: Duration) -> Stream {
        let local = self.host(from).address();
        let remote = SocketAddrV6::new(self.host(to).address(), UDP_PORT, 0, 0);
        self.act(to, |host, _| host.stack.bind(UDP_PORT));
        let (sockets, sender) = self.act(from, |host, now| {
            host.stack.stream(now, local, remote, interval)
        });
        Stream {
            from: (from, sender),
            to: (to, other_end(sockets)),
        }
    }

    /// Begins a stream from the receiver of another one back to its sender.
    pub fn stream_back(&mut self, stream: &Stream, interval: Duration) -> Stream {
        let (from, sockets) = stream.to;
        let sender = self.act(from, |host, now| {
            host.stack.stream_back(now, sockets, interval)
        });
        Stream {
            from: (from, sender),
            to: (stream.from.0, other_end(sockets)),
        }
    }

    /// How many datagrams of a stream were sent.
    pub fn sent(&self, stream: &Stream) -> u64 {
        let (host, sender) = stream.from;
        let sender = self.host(host).stack.sender(sender);
        sender.map_or(0, udp::Sender::sent)
    }

    /// What arrived of a stream.
    pub fn received(&self, stream: &Stream) -> Option<&udp::Received> {
        let (host, sockets) = &stream.to;
        self.host(*host).stack.received(sockets)
    }

    /// The longest time for which nothing of a stream arrived, from now on: earlier pauses are
    /// forgotten.
    pub fn restart_pause(&mut self, stream: &Stream) {
        let (host, sockets) = stream.to;
        self.act(host, |host, now| {
            if let Some(received) = host.stack.received_mut(&sockets) {
                received.progress_mut().restart(now);
            }
        });
    }

    /// The longest time for which nothing of a stream arrived.
    pub fn stream_pause(&self, stream: &Stream) -> Duration {
        let now = self.now();
        let received = self.received(stream);
        received.map_or(Duration::MAX, |got| got.progress().longest_pause(now))
    }

    /// Ends a stream and waits until what is under way arrived; returns how many datagrams of it
    /// never did.
    pub fn finish(&mut self, stream: &Stream, settle: Duration) -> u64 {
        let (host, sender) = stream.from;
        self.act(host, |host, _| {
            if let Some(sender) = host.stack.sender_mut(sender) {
                sender.stop();
            }
        });
        self.run_for(settle);
        let sent = self.sent(stream);
        self.received(stream).map_or(sent, |got| got.missing(sent))
    }
}

fn other_end(sockets: Sockets) -> Sockets {
    Sockets {
        local: sockets.remote,
        remote: sockets.local,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pair, Unaware};
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// Two hosts without ILNP, and a session between their real addresses.
    fn classic(pair: &mut Pair) -> Session {
        for host in [pair.mobile, pair.fixed] {
            pair.world
                .act(host, |host, _| host.make_classic(Unaware::ParameterProblem));
        }
        let mut address = |host, site| {
            let locator = pair.world.internet().locator(site);
            (host, pair.world.host(host).vector(locator))
        };
        let client = address(pair.mobile, pair.a);
        let server = address(pair.fixed, pair.c);
        pair.world.connect_addresses(client, server, MS * 10)
    }

    #[test]
    fn a_classic_session_is_established_in_one_round_trip_and_flows() {
        let mut pair = Pair::default();
        let session = classic(&mut pair);
        let took = pair
            .world
            .drive_until(SECOND, |world| world.is_established(&session));
        assert_eq!(took, Some(MS * 75));
        pair.world.run_for(SECOND * 10);
        assert!(pair.world.client(&session).received() > 90_000);
        assert!(pair.world.longest_pause(&session) < MS * 80);
    }

    #[test]
    fn a_classic_session_does_not_survive_a_move() {
        let mut pair = Pair::default();
        let session = classic(&mut pair);
        pair.world.run_for(SECOND);
        pair.world.move_to(pair.mobile, pair.b);
        assert_eq!(pair.world.drive_until_flowing(&session, SECOND * 60), None);
    }

    #[test]
    fn a_session_brings_everything_over_a_bad_link() {
        let mut settings = super::super::Settings::default();
        settings.conditions.loss = 0.05;
        settings.conditions.duplication = 0.05;
        settings.conditions.reordering = 0.05;
        settings.conditions.reordering_delay = MS * 15;
        let mut pair = Pair::new(settings);
        let session = classic(&mut pair);
        for _ in 0..10 {
            let took = pair.world.drive_until_flowing(&session, SECOND * 30);
            assert!(took.is_some(), "{:?}", pair.world.client(&session));
        }
    }
}
