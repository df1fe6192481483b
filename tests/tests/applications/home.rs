//! A host whose programs ask the stub resolver, a correspondent, and a name server.
//!
//! There is no daemon: the handle of the correspondent is an address that the host reaches over
//! `ilnp0`, as it does when a daemon is behind that interface.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use experiments::topology::Namespace;
use ilnp_core::id::{Handle, HandlePrefix, Nid};
use ilnp_dns::resolve::{Found, Resolver};
use ilnp_dns::stub::{Config, Correspondents, Ipv4, Known, Learnt, Stub};
use ilnp_hostd::clock;
use ilnp_hostd::names::install::{Install, Installation, Settings, Tended};
use tests::machine::{Machine, RESOLV_CONF, sh};
use tests::name_servers::{NameServer, Role, Setup, Software};
use tokio::runtime;
use tokio::sync::oneshot;

use crate::dnssec;

/// The name server, which the host's original `/etc/resolv.conf` names.
pub(crate) const NAME_SERVER: &str = "2001:db8:a::53";
/// The correspondent's addresses without ILNP.
pub(crate) const CLASSIC: &str = "2001:db8:a::214:4fff:fe20:ee64";
pub(crate) const IPV4: &str = "192.0.2.2";
const STUB: &str = "[::1]:53";
const ZONE: &str = "$TTL 5
@ SOA ns hostmaster 1 60 10 3600 5
@ NS ns
@ MX 10 vm1
ns AAAA 2001:db8:a::53
vm1 NID 10 0214:4fff:fe20:ee64
vm1 L64 10 2001:0db8:000a:0000
vm1 AAAA 2001:db8:a::214:4fff:fe20:ee64
vm1 A 192.0.2.2
www CNAME vm1
classic AAAA 2001:db8:a::214:4fff:fe20:ee64
classic A 192.0.2.2
text TXT \"one\" \"two\"
_http._tcp SRV 1 2 80 vm1
*.wild AAAA 2001:db8:a::214:4fff:fe20:ee64
";

/// The host. This thread and its programs are on it.
pub(crate) struct Home {
    stop: Option<oneshot::Sender<()>>,
    stub: Option<JoinHandle<()>>,
    installation: Installation,
    /// What the installation found.
    pub(crate) tended: Tended,
    _name_server: NameServer,
    _peer: Namespace,
    pub(crate) machine: Machine,
}

/// What makes homes differ.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kind {
    pub(crate) ipv4: Ipv4,
    /// Programs ask systemd-resolved.
    pub(crate) resolved: bool,
    /// The host has no Locator.
    pub(crate) detached: bool,
    /// There is a signed zone, too.
    pub(crate) signed: bool,
}

impl Home {
    pub(crate) fn start() -> Self {
        Self::with(Kind::default())
    }

    pub(crate) fn with(kind: Kind) -> Self {
        let packages: &[&str] = if kind.resolved {
            &["systemd-resolved"]
        } else {
            &[]
        };
        let mut machine = Machine::with(packages).unwrap();
        let peer = network();
        let name_server = name_server(&peer, kind.signed.then(|| machine.directory()));
        web_server(&peer);
        std::fs::write("/etc/nsswitch.conf", "passwd: files\nhosts: files dns\n").unwrap();
        if kind.resolved {
            machine.start_resolved().unwrap();
            sh(&format!("resolvectl dns eth0 {NAME_SERVER}")).unwrap();
        } else {
            let text = format!("nameserver {NAME_SERVER}\n");
            std::fs::write(RESOLV_CONF, text).unwrap();
        }
        let settings = Settings {
            install: Install::Auto,
            listen: vec![STUB.parse().unwrap()],
            interface: "ilnp0".to_owned(),
            state_dir: machine.directory().join("state"),
        };
        let mut installation = Installation::new(settings).unwrap();
        let tended = installation.tend(Instant::now()).unwrap();
        let (stop, stub) = start_stub(kind, tended.upstreams.clone());
        Self {
            stop: Some(stop),
            stub: Some(stub),
            installation,
            tended,
            _name_server: name_server,
            _peer: peer,
            machine,
        }
    }

    /// Programs ask as they did before the stub resolver came.
    pub(crate) fn without_stub(&mut self) {
        self.installation.undo().unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.stop.take());
        let stub = self.stub.take().unwrap();
        if stub.join().is_err() && !thread::panicking() {
            panic!("the stub resolver panicked");
        }
    }
}

/// The correspondent's handle.
pub(crate) fn handle() -> Ipv6Addr {
    HandlePrefix::DEFAULT.address(Handle::new(nid()))
}

fn nid() -> Nid {
    "0214:4fff:fe20:ee64".parse().unwrap()
}

/// `eth0` and `ilnp0` lead to the correspondent, which is the name server's machine as well.
fn network() -> Namespace {
    let peer = Namespace::create("peer".to_owned()).unwrap();
    let handle = handle();
    sh(&format!(
        "ip link add eth0 type veth peer name eth0 netns peer
         ip link add ilnp0 type veth peer name ilnp0 netns peer
         for where in '' '-n peer'; do
             ip $where link set eth0 up; ip $where link set ilnp0 up
         done
         ip addr add 2001:db8:a::1/64 dev eth0 nodad
         ip addr add 192.0.2.1/24 dev eth0
         ip addr add fd69:6c6e:7000:2627::1/64 dev ilnp0 nodad
         ip -n peer addr add {NAME_SERVER}/64 dev eth0 nodad
         ip -n peer addr add {CLASSIC}/64 dev eth0 nodad
         ip -n peer addr add {IPV4}/24 dev eth0
         ip -n peer addr add {handle}/64 dev ilnp0 nodad"
    ))
    .unwrap();
    peer
}

fn name_server(peer: &Namespace, signed: Option<&Path>) -> NameServer {
    let address = format!("[{NAME_SERVER}]:53").parse().unwrap();
    let mut setup = Setup::at(address)
        .inside(peer)
        .zone("example.org", Role::primary(ZONE));
    if let Some(directory) = signed {
        let text = dnssec::sign(ZONE, directory);
        setup = setup.zone(dnssec::ZONE, Role::primary(&text));
    }
    Software::Bind.start(&setup).unwrap()
}

/// Answers every request with the address that it came to. Its thread ends with the process.
pub(crate) fn web_server(peer: &Namespace) {
    let listener = peer.inside(|| TcpListener::bind("[::]:80")).unwrap();
    let listener = listener.unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            // A client that went away gets no answer.
            let _ = client.and_then(serve);
        }
    });
}

fn serve(mut client: TcpStream) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") && client.read(&mut octet)? == 1 {
        request.push(octet[0]);
    }
    let body = client.local_addr()?.ip().to_canonical().to_string();
    let length = body.len();
    write!(
        client,
        "HTTP/1.0 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn start_stub(kind: Kind, upstreams: Vec<SocketAddr>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let config = Config {
        listen: vec![STUB.parse().unwrap()],
        handle_prefix: HandlePrefix::DEFAULT,
        ipv4: kind.ipv4,
    };
    let correspondents = Arc::new(Learner {
        attached: !kind.detached,
        known: Mutex::default(),
    });
    let thread = thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let stub = Stub::bind(config).await.unwrap();
            ready.send(()).unwrap();
            let resolver = Resolver::new(upstreams, clock::now);
            tokio::select! {
                () = stub.run(resolver, correspondents) => panic!("the stub resolver ended"),
                _ = stopped => {}
            }
        });
    });
    is_ready.recv().expect("the stub resolver listens");
    (stop, thread)
}

/// Takes the daemon's place: everybody that is found speaks ILNP.
struct Learner {
    attached: bool,
    known: Mutex<HashMap<Nid, Known>>,
}

impl Correspondents for Learner {
    fn attached(&self) -> bool {
        self.attached
    }

    async fn learn(&self, found: Found) -> Learnt {
        let known = Known {
            name: Some(found.name),
            locators: found.locators.iter().map(|one| one.locator).collect(),
        };
        self.known.lock().unwrap().insert(found.nid, known);
        Learnt::Handle(Handle::new(found.nid))
    }

    async fn known(&self, handle: Handle) -> Option<Known> {
        self.known.lock().unwrap().get(&handle.nid).cloned()
    }
}
