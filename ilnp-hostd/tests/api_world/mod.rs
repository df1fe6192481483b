//! Two real nodes joined by a perfect wire, one of them behind the real API on a real socket.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, HandlePrefix, Lifetime, Locator, Nid, Preference};
use ilnp_core::node::{
    Config, DatapathUpdate, DnsRequest, Input, LinkEvent, LocalLocator, LocatorHealth, Node,
    RemoteLocator, Resolved,
};
use ilnp_core::wire::Packet;
use ilnp_hostd::api::{self, Api, monitor};
use ilnp_hostd::clock;
use ilnp_hostd::clone::Custodian;
use ilnp_hostd::datapath::Counters;
use ilnp_hostd::driver::{About, Engine, Host};
use ilnp_hostd::names::NamesView;
use ilnp_service::control_socket::ControlSocket;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::sync::{broadcast, mpsc};

/// A machine without a kernel: what its node sends waits here.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    sent: VecDeque<Packet>,
    looked_around: bool,
}

impl Host for Machine {
    fn apply(&mut self, update: DatapathUpdate) -> Option<Input> {
        match update {
            DatapathUpdate::ReadActivity(handle) => Some(Input::Activity {
                handle,
                activity: None,
            }),
            _ => None,
        }
    }

    fn send(&mut self, packet: &Packet) {
        self.sent.push_back(packet.clone());
    }

    fn ask_dns(&mut self, _: DnsRequest) {}

    fn look_around(&mut self) {
        self.looked_around = true;
    }

    fn way_changed(&mut self, _: Option<Handle>) {}

    fn counters(&mut self) -> Result<Counters, String> {
        Ok(Counters {
            translated_out: 7,
            drops: BTreeMap::from([(DropReason::HandleOnWire, 3)]),
            ..Counters::default()
        })
    }

    fn interface_name(&self, index: u32) -> String {
        format!("eth{index}")
    }
}

struct Side {
    engine: Engine,
    machine: Machine,
}

impl Side {
    fn new(nid: &str, locator: &str, reports: broadcast::Sender<monitor::Report>) -> Self {
        let nid: Nid = nid.parse().unwrap();
        let about = About {
            nid,
            handles: HandlePrefix::DEFAULT,
            interface: "ilnp0".to_owned(),
            started: clock::now(),
        };
        let node = Node::new(Config::new(nid), [nid.octets()[1]; 32]);
        let mut side = Self {
            engine: Engine::new(node, about, reports, None),
            machine: Machine::default(),
        };
        side.put(Input::Link(LinkEvent::Locators(vec![LocalLocator {
            locator: locator.parse().unwrap(),
            interface: 0,
            router: None,
            health: LocatorHealth::Working,
            valid_until: None,
            mtu: 1500,
        }])));
        side
    }

    fn put(&mut self, input: Input) {
        self.engine.handle(clock::now(), input, &mut self.machine);
    }
}

/// The identifiers of the two.
pub(crate) const NID_A: &str = "0214:4fff:fe20:ee64";
pub(crate) const NID_B: &str = "0216:6fff:fe22:ee66";

/// Starts the two nodes and the API of the first one. Returns the socket.
pub(crate) fn start(directory: &Path) -> PathBuf {
    let reports = broadcast::Sender::new(monitor::BACKLOG);
    let (requests, mut incoming) = mpsc::channel(8);
    let path = directory.join("run/hostd.sock");
    let socket = ControlSocket::bind(&path).unwrap();
    let mut a = Side::new(NID_A, "2001:db8:a::/64", reports.clone());
    let mut b = Side::new(NID_B, "2001:db8:b::/64", broadcast::Sender::new(1));
    for (name, nid, locator) in [
        ("b.example", NID_B, "2001:db8:b::/64"),
        ("silent.example", "2:1:1:1", "2001:db8:dead::/64"),
    ] {
        a.put(Input::Resolved(Resolved {
            configured: true,
            name: Some(name.to_owned()),
            nid: nid.parse().unwrap(),
            locators: vec![RemoteLocator {
                locator: locator.parse().unwrap(),
                preference: Preference(10),
                lifetime: Lifetime(300),
            }],
        }));
    }
    let (custodian, _) = Custodian::new();
    tokio::spawn(api::serve(
        socket,
        Api {
            requests,
            reports,
            names: NamesView::default(),
            custodian,
        },
    ));
    tokio::spawn(async move {
        while let Some(request) = incoming.recv().await {
            a.engine.answer(clock::now(), request, &mut a.machine);
            exchange(&mut a, &mut b);
        }
    });
    path
}

/// Carries packets until there are none left.
fn exchange(a: &mut Side, b: &mut Side) {
    loop {
        if let Some(packet) = a.machine.sent.pop_front() {
            arrive(packet, a, b);
        } else if let Some(packet) = b.machine.sent.pop_front() {
            arrive(packet, b, a);
        } else {
            return;
        }
    }
}

/// A packet that `from` sent: to its own stack when it is to a handle, to the other node otherwise.
fn arrive(packet: Packet, from: &mut Side, to: &mut Side) {
    let destination = address(&packet, 24);
    if HandlePrefix::DEFAULT.handle(destination).is_some() {
        if let Some(reply) = echo_reply(&packet) {
            from.put(Input::Outbound(reply));
        }
    } else if destination.segments()[2] != 0xdead {
        to.put(Input::Inbound(packet));
    }
}

fn address(packet: &Packet, start: usize) -> Ipv6Addr {
    let octets: [u8; 16] = packet.octets[start..start + 16].try_into().unwrap();
    octets.into()
}

/// What a kernel answers to an Echo Request.
fn echo_reply(request: &Packet) -> Option<Packet> {
    let mut octets = request.octets.to_vec();
    if octets[6] != 58 || octets[40] != 128 {
        return None;
    }
    octets[8..24].copy_from_slice(&request.octets[24..40]);
    octets[24..40].copy_from_slice(&request.octets[8..24]);
    octets[40] = 129;
    // The type is the high octet of a word: it grew by one, so the sum shrinks by 0x0100.
    let sum = u32::from(u16::from_be_bytes([octets[42], octets[43]])) + 0xffff - 0x0100;
    let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    octets[42..44].copy_from_slice(&sum.to_be_bytes());
    Some(Packet::new(octets))
}

/// A Locator.
pub(crate) fn locator(text: &str) -> Locator {
    text.parse().unwrap()
}

/// Sends a request and reads the JSON of its answer.
pub(crate) async fn call(socket: &Path, request: Request<Full<Bytes>>) -> (StatusCode, Value) {
    let response = open(socket, request).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Sends a request.
pub(crate) async fn open(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> Response<hyper::body::Incoming> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// A GET request.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// A POST request.
pub(crate) fn post(path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}
