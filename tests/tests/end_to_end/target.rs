//! A session, and somebody off the path who forges packets of it.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use experiments::measure::capture::Capture;
use ilnp_core::id::{IlVector, Lifetime, Locator, Preference};
use ilnp_core::wire::transport::tcp_flags;
use ilnp_core::wire::{LocatorUpdate, Nonce, Record, checksum, protocol};
use tests::inject::Injector;
use tests::packets::Segment;
use tests::scene::{self, MOBILE, PEER, Scene};
use tests::session::Conversation;
use tests::{judge, packets, session};

const COPIES: u64 = 3;
/// A Nonce that nobody uses.
pub(crate) const WRONG: [u8; 12] = [0x66; 12];
const BOUND: Duration = Duration::from_secs(3);

/// A session, somebody who forges packets of the correspondent, and the Nonces of the session.
pub(crate) struct Target {
    scene: Scene,
    talk: Conversation,
    injector: Injector,
    /// The correspondent, who is impersonated.
    pub(crate) peer: IlVector,
    /// The host that the packets are sent to.
    pub(crate) host: IlVector,
    /// What the correspondent's packets carry.
    pub(crate) nonce: Nonce,
    /// What the host's packets carry.
    pub(crate) nonce_of_host: Nonce,
    capture: Capture,
}

impl Target {
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let scene = Scene::start(name)?;
        let host = scene.host(MOBILE)?;
        let first = scene.capture(MOBILE, "session")?;
        let mut talk = scene.talk()?;
        talk.exchange(BOUND)?;
        let peer = IlVector::new(scene::nid(PEER), scene::locator("c"));
        let host_vector = IlVector::new(scene::nid(MOBILE), scene::locator("a"));
        let first = first.finish();
        let nonce = nonce_of(&first, peer.address())?;
        let nonce_of_host = nonce_of(&first, host_vector.address())?;
        let injector = Injector::open((scene.router("a")?, "lan"), (host, "eth0"))?;
        let capture = scene.capture(MOBILE, "forged")?;
        Ok(Self {
            talk,
            injector,
            peer,
            host: host_vector,
            nonce,
            nonce_of_host,
            capture,
            scene,
        })
    }

    /// Sends a packet several times and waits until each is counted.
    pub(crate) fn refuses(&mut self, packet: &[u8], reason: &str) -> anyhow::Result<()> {
        let before = self.scene.drops(MOBILE)?;
        let before = before.get(reason).copied();
        let before = before.with_context(|| format!("no reason is called {reason}"))?;
        for _ in 0..COPIES {
            self.injector.send(packet)?;
        }
        self.scene.await_drops(MOBILE, reason, before + COPIES)
    }

    /// A Locator Update is acknowledged, this many Locators are known from then on, and the session
    /// goes on.
    pub(crate) fn expect_taken(mut self, packet: &[u8], count: usize) -> anyhow::Result<()> {
        self.injector.send(packet)?;
        self.scene.await_correspondents(MOBILE, BOUND, |known| {
            let locators = known.first().and_then(|one| one["locators"].as_array());
            locators.is_some_and(|locators| locators.len() == count)
        })?;
        self.talk.exchange(BOUND)?;
        let capture = self.capture.finish();
        let acknowledgements = format!("icmpv6.type == 156 && eth.src == {}", mac(&self.scene)?);
        assert_eq!(judge::count(&capture, &acknowledgements)?, 1);
        Ok(())
    }

    /// Nothing was answered, nothing changed, and the session goes on.
    pub(crate) fn expect_unmoved(self) -> anyhow::Result<()> {
        self.expect_questions(0)
    }

    /// The same, but that the correspondent was asked so many times at most whether it still is
    /// who it was.
    pub(crate) fn expect_questions(mut self, most: usize) -> anyhow::Result<()> {
        let capture = self.capture.finish();
        let ours = format!("eth.src == {}", mac(&self.scene)?);
        let questions = format!(
            "{ours} && icmpv6.type == 128 && ipv6.dst == {}",
            self.peer.address()
        );
        assert!(
            judge::count(&capture, &questions)? <= most,
            "{}",
            capture.display()
        );
        // Neighbour Discovery and MLD go on as ever.
        let answers = format!("{ours} && !(icmpv6.type >= 128 && icmpv6.type <= 143)");
        assert_eq!(
            judge::count(&capture, &answers)?,
            0,
            "{}",
            capture.display()
        );
        self.talk.exchange(BOUND)?;
        let known = self.scene.correspondents(MOBILE)?;
        assert_eq!(known.len(), 1, "{known:?}");
        let locators = known[0]["locators"].as_array().context("locators")?;
        assert_eq!(locators.len(), 1, "{known:?}");
        assert_eq!(locators[0]["locator"], scene::locator("c").to_string());
        Ok(())
    }

    /// An update of the correspondent's, from its own address.
    pub(crate) fn update(&self, locators: &[Locator]) -> Vec<u8> {
        let records = locators.iter().map(|&locator| Record {
            locator,
            preference: Preference(10),
            lifetime: Lifetime(300),
        });
        let update = LocatorUpdate::advertisement(records.collect()).expect("1 to 255 Locators");
        update.emit(self.peer.address(), self.host.address())
    }

    pub(crate) fn icmpv6(&self, nonce: &[u8], message: &[u8]) -> Vec<u8> {
        let payload = packets::nonces(&[nonce], protocol::ICMPV6, message);
        self.ipv6(protocol::DESTINATION_OPTIONS, &payload)
    }

    pub(crate) fn ipv6(&self, next_header: u8, payload: &[u8]) -> Vec<u8> {
        packets::ipv6(
            self.peer.address(),
            self.host.address(),
            next_header,
            payload,
        )
    }

    /// A reset of a connection, as the correspondent would send it.
    pub(crate) fn segment(&self) -> Vec<u8> {
        let (peer, host) = (scene::handle(self.peer.nid), scene::handle(self.host.nid));
        let segment = Segment {
            ports: (4000, 4000),
            sequence: 1,
            acknowledgement: 1,
            flags: tcp_flags::RST | tcp_flags::ACK,
        };
        packets::tcp(peer, host, &segment)
    }

    /// A datagram of the correspondent's with a right checksum.
    pub(crate) fn datagram(&self) -> Vec<u8> {
        let (peer, host) = (scene::handle(self.peer.nid), scene::handle(self.host.nid));
        packets::udp(peer, host, (4000, 4000), b"forged")
    }
}

/// An ICMPv6 message with its checksum set right.
pub(crate) fn with_checksum(
    mut message: Vec<u8>,
    source: IlVector,
    destination: IlVector,
) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum::icmpv6(&message, source.address(), destination.address());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The Nonce in the packets of a capture that come from this address.
fn nonce_of(capture: &Path, source: Ipv6Addr) -> anyhow::Result<Nonce> {
    let filter = format!("ipv6.src == {source} && ipv6.opt.ilnp_nonce");
    let rows = judge::fields(capture, &filter, &["ipv6.opt.ilnp_nonce"])?;
    let text = rows.first().and_then(|row| row.first());
    let octets = judge::octets(text.context("no Nonce was captured")?)?;
    Nonce::from_slice(&octets).context("a Nonce of 4 or 12 octets")
}

/// The Ethernet address of the mobile host.
fn mac(scene: &Scene) -> anyhow::Result<String> {
    let mut command = scene.host(MOBILE)?.command("cat");
    let text = session::output(command.arg("/sys/class/net/eth0/address"))?;
    Ok(text.trim().to_owned())
}
