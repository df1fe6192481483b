//! A stub resolver under test, its daemon and its application.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::time::Instant;
use ilnp_dns::exchange::exchange;
use ilnp_dns::message::{Edns, Message, Opcode, Question};
use ilnp_dns::record::{Class, RecordType};
use ilnp_dns::resolve::{Found, Resolver};
use ilnp_dns::stub::{Config, Correspondents, Ipv4, Known, Learnt, Stub};
use tokio::task::JoinHandle;

use crate::upstream::sockets;

pub(crate) const VM1: &str = "fd69:6c6e:7000:2627:214:4fff:fe20:ee64";
pub(crate) const VM2: &str = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";

/// Longer than anything here may take.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A daemon that remembers what it learnt.
#[derive(Default)]
pub(crate) struct Daemon {
    pub(crate) unattached: AtomicBool,
    pub(crate) classic: AtomicBool,
    pub(crate) known: Mutex<Vec<Known>>,
    pub(crate) learnt: Mutex<Vec<Found>>,
}

impl Correspondents for Daemon {
    fn attached(&self) -> bool {
        !self.unattached.load(Ordering::Relaxed)
    }

    async fn learn(&self, found: Found) -> Learnt {
        let handle = Handle::new(found.nid);
        self.learnt.lock().unwrap().push(found);
        if self.classic.load(Ordering::Relaxed) {
            Learnt::Classic
        } else {
            Learnt::Handle(handle)
        }
    }

    async fn known(&self, handle: Handle) -> Option<Known> {
        let learnt = self.learnt.lock().unwrap();
        let learnt = learnt.iter().rev().find(|found| found.nid == handle.nid);
        match learnt {
            Some(found) => Some(Known {
                name: Some(found.name.clone()),
                locators: found.locators.iter().map(|l| l.locator).collect(),
            }),
            None => self.known.lock().unwrap().first().cloned(),
        }
    }
}

/// An address whose port was free for UDP and TCP a moment ago.
async fn free_address() -> SocketAddr {
    sockets().await.2
}

/// A stub resolver that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) resolver: Resolver,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn clock() -> Instant {
    use std::sync::OnceLock;
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    Instant::ZERO + START.get_or_init(std::time::Instant::now).elapsed()
}

impl Running {
    pub(crate) async fn start(upstreams: &[SocketAddr]) -> Self {
        Self::start_with(upstreams, Ipv4::Hide).await
    }

    pub(crate) async fn start_with(upstreams: &[SocketAddr], ipv4: Ipv4) -> Self {
        let config = Config {
            listen: vec![free_address().await],
            handle_prefix: HandlePrefix::DEFAULT,
            ipv4,
        };
        let stub = Stub::bind(config).await.unwrap();
        let address = stub.addresses()[0];
        let daemon = Arc::new(Daemon::default());
        let resolver = Resolver::new(upstreams.to_vec(), clock);
        let task = tokio::spawn(stub.run(resolver.clone(), Arc::clone(&daemon)));
        Self {
            address,
            daemon,
            resolver,
            task,
        }
    }

    /// Asks as an application does.
    pub(crate) async fn ask(&self, name: &str, rtype: RecordType) -> Message {
        self.send(&query(name, rtype)).await
    }

    pub(crate) async fn send(&self, request: &Message) -> Message {
        let octets = self.send_octets(&request.to_wire(4096)).await;
        Message::from_wire(&octets).unwrap()
    }

    pub(crate) async fn send_octets(&self, request: &[u8]) -> Vec<u8> {
        exchange(self.address, request, LONG).await.unwrap()
    }

    pub(crate) fn learnt(&self) -> Vec<Found> {
        self.daemon.learnt.lock().unwrap().clone()
    }
}

pub(crate) fn query(name: &str, rtype: RecordType) -> Message {
    Message {
        recursion_desired: true,
        questions: vec![Question {
            name: name.parse().unwrap(),
            rtype,
            class: Class::IN,
        }],
        ..Message::request(0x1234, Opcode::QUERY)
    }
}

pub(crate) fn with_edns(mut message: Message, dnssec_ok: bool) -> Message {
    message.edns = Some(Edns {
        version: 0,
        udp_payload: 4096,
        dnssec_ok,
    });
    message
}

/// The addresses in the answer section.
pub(crate) fn addresses(message: &Message) -> Vec<String> {
    let address = |rdata: &[u8]| match rdata.len() {
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(rdata).unwrap()).to_string()),
        4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(rdata).unwrap()).to_string()),
        _ => None,
    };
    let hosts = message
        .answers
        .iter()
        .filter(|record| matches!(record.rtype, RecordType::A | RecordType::AAAA));
    hosts.filter_map(|record| address(&record.rdata)).collect()
}
