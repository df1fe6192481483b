//! Forged and replayed packets of somebody who is not on the path (RFC 6744 §7): without the
//! Nonces of a session nothing of it changes.

use std::net::SocketAddrV6;

use bytes::Bytes;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, HandlePrefix, IlVector, Locator};
use ilnp_core::node::Event;
use ilnp_core::sim::stack::{Datagram, Icmp, Message, Segment};
use ilnp_core::sim::{Pair, Session, UDP_PORT, host_nid, site_locator};
use ilnp_core::wire::transport::tcp_flags::{ACK, RST, SYN};
use ilnp_core::wire::{LocatorUpdate, Nonce, Operation};

use super::support::*;

const EVIL: Locator = site_locator(0xe);

struct Scene {
    pair: Pair,
    session: Session,
    capture: Capture,
    mobile: IlVector,
    fixed: IlVector,
}

fn flowing() -> Scene {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(SECOND);
    let [a, _, c, _] = locators(&mut pair);
    Scene {
        pair,
        session,
        capture,
        mobile: IlVector::new(host_nid(1), a),
        fixed: IlVector::new(host_nid(2), c),
    }
}

impl Scene {
    /// Injects a packet, and checks that the correspondent counts it so, stays silent about it and
    /// goes on as before.
    fn refuses(mut self, packet: Bytes, reason: DropReason) {
        self.pair
            .world
            .act(self.pair.fixed, |host, _| host.clear_events());
        self.capture.clear();
        self.pair.world.inject(packet);
        self.pair.world.run_for(SECOND);
        let fixed = self.pair.world.host(self.pair.fixed);
        assert_eq!(dropped(fixed, reason), 1, "{reason}");
        assert_eq!(self.capture.updates(Operation::Acknowledgement).len(), 0);
        let moved = count_events(fixed, |event| {
            matches!(
                event,
                Event::DestinationChanged { .. } | Event::UpdateReceived { .. }
            )
        });
        assert_eq!(moved, 0);
        let world = &mut self.pair.world;
        assert!(world.drive_until_flowing(&self.session, SECOND).is_some());
        assert!(world.longest_pause(&self.session) < MS * 80);
    }

    /// The sequence number that the correspondent's kernel awaits, which an attacker may guess: the
    /// session is made to rest there.
    fn awaited(&mut self) -> u32 {
        self.set_writing(false);
        self.pair.world.run_for(SECOND);
        let server = self.pair.world.server(&self.session).unwrap();
        server.received() + 1
    }

    fn set_writing(&mut self, writing: bool) {
        for (id, sockets) in [self.session.client, self.session.server] {
            self.pair.world.act(id, |host, now| {
                let connection = host.stack.connection_mut(&sockets).unwrap();
                connection.set_writing(now, writing);
            });
        }
    }

    fn nonce_of_mobile(&self) -> Nonce {
        nonce(&self.capture.of(self.pair.world.host(self.pair.mobile))[0])
    }

    fn nonce_of_fixed(&self) -> Nonce {
        nonce(&self.capture.of(self.pair.world.host(self.pair.fixed))[0])
    }
}

fn guessed() -> Nonce {
    Nonce::from_slice(&[0xee; 12]).unwrap()
}

fn socket(nid: u16, port: u16) -> SocketAddrV6 {
    let address = HandlePrefix::DEFAULT.address(Handle::new(host_nid(nid)));
    SocketAddrV6::new(address, port, 0, 0)
}

#[test]
fn an_update_with_another_nonce_is_refused() {
    let scene = flowing();
    let forged = advertisement(scene.mobile, scene.fixed, &guessed(), &[EVIL]);
    scene.refuses(forged, DropReason::UpdateWrongNonce);
}

#[test]
fn an_update_with_the_nonce_of_the_other_direction_is_refused() {
    let scene = flowing();
    let reverse = scene.nonce_of_fixed();
    let forged = advertisement(scene.mobile, scene.fixed, &reverse, &[EVIL]);
    scene.refuses(forged, DropReason::UpdateWrongNonce);
}

#[test]
fn an_update_without_a_nonce_is_refused() {
    let scene = flowing();
    let forged = advertisement(scene.mobile, scene.fixed, &guessed(), &[EVIL]);
    let mut plain = forged[..40].to_vec();
    plain.extend_from_slice(&forged[56..]);
    let length = u16::try_from(plain.len() - 40).unwrap();
    plain[4..6].copy_from_slice(&length.to_be_bytes());
    plain[6] = 58;
    scene.refuses(plain.into(), DropReason::UpdateWithoutNonce);
}

#[test]
fn an_update_of_a_stranger_is_refused() {
    let scene = flowing();
    let stranger = IlVector::new(host_nid(99), EVIL);
    let forged = advertisement(stranger, scene.fixed, &guessed(), &[EVIL]);
    scene.refuses(forged, DropReason::UpdateNotCorrespondent);
}

#[test]
fn an_update_with_the_checksum_of_zeroed_locators_is_refused() {
    let scene = flowing();
    let records = advertisement(scene.mobile, scene.fixed, &guessed(), &[EVIL]);
    let update = LocatorUpdate::parse(&records[56..]).unwrap();
    let zeroed = [scene.mobile, scene.fixed]
        .map(|vector| IlVector::new(vector.nid, Locator::from_bits(0)).address());
    let message = update.emit(zeroed[0], zeroed[1]);
    let nonce = scene.nonce_of_mobile();
    let forged = ilnp_core::wire::build::icmpv6(scene.mobile, scene.fixed, &nonce, &message);
    scene.refuses(forged.octets, DropReason::IcmpChecksum);
}

#[test]
fn an_authentic_update_without_a_usable_locator_is_refused() {
    let scene = flowing();
    let unusable = ["fe80::/64", "ff02::/64", "::/64"].map(|text| text.parse().unwrap());
    let nonce = scene.nonce_of_mobile();
    let packet = advertisement(scene.mobile, scene.fixed, &nonce, &unusable);
    scene.refuses(packet, DropReason::UpdateNoUsableLocator);
}

#[test]
fn data_with_another_nonce_changes_nothing() {
    let mut scene = flowing();
    let reset = Message::Tcp(Segment {
        source: scene.session.client.1.local,
        destination: scene.session.client.1.remote,
        sequence: scene.awaited(),
        acknowledgement: 1,
        flags: RST | ACK,
        payload: Bytes::new(),
    });
    for source in [scene.mobile.locator, EVIL] {
        let forged = on_the_wire(&reset, source, scene.fixed.locator, guessed());
        scene.pair.world.inject(forged);
        scene.pair.world.run_for(MS * 100);
    }
    scene.set_writing(true);
    let world = &mut scene.pair.world;
    assert!(world.drive_until_flowing(&scene.session, SECOND).is_some());
}

#[test]
fn data_without_a_nonce_is_no_part_of_the_session() {
    let mut scene = flowing();
    let sockets = scene.session.client.1;
    let [mut source, mut destination] = [sockets.local, sockets.remote];
    source.set_ip(scene.mobile.address());
    destination.set_ip(scene.fixed.address());
    let reset = Message::Tcp(Segment {
        source,
        destination,
        sequence: scene.awaited(),
        acknowledgement: 1,
        flags: RST | ACK,
        payload: Bytes::new(),
    });
    scene.pair.world.inject(reset.emit());
    scene.set_writing(true);
    let world = &mut scene.pair.world;
    assert!(world.drive_until_flowing(&scene.session, SECOND).is_some());
}

#[test]
fn a_handle_on_the_wire_is_dropped() {
    let mut scene = flowing();
    let datagram = Message::Udp(Datagram {
        source: socket(1, 4000),
        destination: SocketAddrV6::new(scene.fixed.address(), UDP_PORT, 0, 0),
        payload: Bytes::from_static(b"forged"),
    });
    let before = scene.pair.world.host(scene.pair.fixed).lost();
    scene.pair.world.inject(datagram.emit());
    scene.pair.world.run_for(SECOND);
    let fixed = scene.pair.world.host(scene.pair.fixed);
    assert_eq!(fixed.lost(), before + 1);
    assert_eq!(fixed.stack.errors(), []);
}

/// What an unmodified Linux would say to the last packet of the mobile host.
fn parameter_problem(scene: &Scene, quote: &Bytes) -> Bytes {
    let mut body = 42u32.to_be_bytes().to_vec();
    body.extend_from_slice(quote);
    Message::Icmp(Icmp {
        source: scene.fixed.address(),
        destination: scene.mobile.address(),
        kind: 4,
        code: 2,
        body: body.into(),
    })
    .emit()
}

#[test]
fn a_parameter_problem_does_not_downgrade_an_established_session() {
    let mut scene = flowing();
    let last = scene
        .capture
        .of(scene.pair.world.host(scene.pair.mobile))
        .pop();
    let forged = parameter_problem(&scene, &last.unwrap().octets);
    scene.pair.world.inject(forged);
    scene.pair.world.run_for(SECOND);
    let mobile = scene.pair.world.host(scene.pair.mobile);
    assert_eq!(
        count_events(mobile, |event| matches!(event, Event::FellBack { .. })),
        0
    );
    let world = &mut scene.pair.world;
    assert!(world.drive_until_flowing(&scene.session, SECOND).is_some());
}

#[test]
fn a_parameter_problem_that_does_not_quote_our_nonce_does_not_downgrade_a_new_session() {
    let mut pair = Pair::default();
    let capture = Capture::start(&mut pair.world);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(MS * 15);
    let [a, _, c, _] = locators(&mut pair);
    let mut scene = Scene {
        pair,
        session,
        capture,
        mobile: IlVector::new(host_nid(1), a),
        fixed: IlVector::new(host_nid(2), c),
    };
    let mut quote = scene.capture.packets()[0].octets.to_vec();
    quote[44..56].copy_from_slice(&[0xee; 12]);
    let forged = parameter_problem(&scene, &quote.into());
    scene.pair.world.inject(forged);
    let world = &mut scene.pair.world;
    let took = world.drive_until_flowing(&scene.session, SECOND);
    assert!(took.is_some());
    let mobile = world.host(scene.pair.mobile);
    assert_eq!(
        count_events(mobile, |event| matches!(event, Event::FellBack { .. })),
        0
    );
}

#[test]
fn a_forged_answer_to_a_syn_does_not_plant_a_nonce() {
    let mut pair = Pair::default();
    let [a, _, c, _] = locators(&mut pair);
    let session = pair.world.connect(pair.mobile, pair.fixed, WRITE);
    pair.world.run_for(MS * 5);
    let sockets = session.client.1;
    let forged = Message::Tcp(Segment {
        source: sockets.remote,
        destination: sockets.local,
        sequence: 0,
        acknowledgement: 77, // not what the SYN asks for
        flags: SYN | ACK,
        payload: Bytes::new(),
    });
    pair.world.inject(on_the_wire(&forged, c, a, guessed()));
    pair.world.run_for(SECOND * 2);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
    pair.world.move_to(pair.fixed, pair.d);
    assert!(pair.world.drive_until_flowing(&session, SECOND).is_some());
}

#[test]
fn a_flood_of_authentic_updates_is_bounded() {
    let mut scene = flowing();
    let nonce = scene.nonce_of_mobile();
    scene.capture.clear();
    for _ in 0..1_000 {
        let own = [scene.mobile.locator];
        let update = advertisement(scene.mobile, scene.fixed, &nonce, &own);
        scene.pair.world.inject(update);
    }
    scene.pair.world.run_for(SECOND);
    let answers = scene.capture.updates(Operation::Acknowledgement).len();
    assert!((1..=60).contains(&answers), "{answers}");
    let fixed = scene.pair.world.host(scene.pair.fixed);
    assert!(dropped(fixed, DropReason::UpdateRate) >= 900);
    let world = &mut scene.pair.world;
    assert!(world.drive_until_flowing(&scene.session, SECOND).is_some());
}
