//! What the stub resolver adds to asking its upstream directly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::time;
use ilnp_dns::resolve::{Found, Resolver};
use ilnp_dns::stub::{Config, Correspondents, Ipv4, Known, Learnt, Stub};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::ZONE;
use crate::bench::report::{Figure, Target, median};
use crate::dns::{compose, exchange, rtype};
use crate::name_servers::{Role, Setup, Software, fresh_address};

/// Milliseconds.
const TARGET: f64 = 0.3;
const QUERIES: u16 = 1000;
/// The bit in the third octet of a header.
const RECURSION_DESIRED: u8 = 0x01;
/// What is not counted: caches are cold.
const WARM_UP: u16 = 20;

const RECORDS: &str = "$TTL 3600
@ SOA ns hostmaster 1 60 10 3600 3600
@ NS ns
ns A 127.0.0.1
kept NID 10 0214:4fff:fe20:ee64
kept L64 10 2001:0db8:000a:0000
kept AAAA 2001:db8:a:0:214:4fff:fe20:ee64
moving NID 10 0216:6fff:fe22:ee66
moving 0 L64 10 2001:0db8:000b:0000
moving 0 AAAA 2001:db8:b:0:216:6fff:fe22:ee66
classic AAAA 2001:db8::1
";

/// Takes everything in.
struct Daemon;

impl Correspondents for Daemon {
    fn attached(&self) -> bool {
        true
    }

    async fn learn(&self, found: Found) -> Learnt {
        Learnt::Handle(Handle::new(found.nid))
    }

    async fn known(&self, _handle: Handle) -> Option<Known> {
        None
    }
}

/// For a classic host; for an ILNP host whose records are kept; and for one whose Locators have
/// TTL 0, so that every answer takes a question about them.
pub(crate) fn stub() -> anyhow::Result<Vec<Figure>> {
    let setup = Setup::new().zone(ZONE, Role::primary(RECORDS));
    let primary = Software::Bind.start(&setup)?;
    let setup = Setup::new().zone(ZONE, Role::Stub(primary.address()));
    let resolver = Software::Unbound.start(&setup)?;
    let stub = Running::start(resolver.address())?;
    ["classic", "kept", "moving"]
        .map(|host| added(host, resolver.address(), stub.address))
        .into_iter()
        .collect()
}

fn added(host: &str, upstream: SocketAddr, stub: SocketAddr) -> anyhow::Result<Figure> {
    let name = format!("{host}.{ZONE}");
    let (mut direct, mut through) = (vec![], vec![]);
    for number in 0..WARM_UP + QUERIES {
        let times = [upstream, stub].map(|server| ask(server, number, &name));
        let [one, other] = times;
        if number >= WARM_UP {
            direct.push(one?);
            through.push(other?);
        }
    }
    let base = median(&direct);
    Ok(Figure {
        line: "names-stub",
        what: format!("what the stub resolver adds, {host} host ({base:.3} ms without it)"),
        target: Target::AtMost(TARGET),
        value: median(&through) - base,
        unit: "ms",
        samples: through.iter().map(|sample| sample - base).collect(),
    })
}

/// Milliseconds to the answer.
fn ask(server: SocketAddr, id: u16, name: &str) -> anyhow::Result<f64> {
    let mut query = compose::query(id, name, rtype::AAAA);
    query[2] |= RECURSION_DESIRED;
    let socket = exchange::socket(server)?;
    let mut answer = [0; 512];
    let start = Instant::now();
    socket.send(&query)?;
    let length = socket.recv(&mut answer).context("no answer")?;
    let took = start.elapsed();
    ensure!(
        answer[..2] == query[..2] && answer[6..8] == [0, 1],
        "{name}: {:x?}",
        &answer[..length]
    );
    Ok(took.as_secs_f64() * 1000.0)
}

/// A stub resolver in a thread of its own, as the daemon has it.
struct Running {
    address: SocketAddr,
    // The thread ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Running {
    fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let config = Config {
            listen: vec![fresh_address()],
            handle_prefix: HandlePrefix::DEFAULT,
            ipv4: Ipv4::Hide,
        };
        let stub = runtime.block_on(Stub::bind(config))?;
        let address = *stub.addresses().first().context("no address")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let resolver = Resolver::new(vec![upstream], clock);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = stub.run(resolver, Arc::new(Daemon)) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            address,
            _stop: stop,
        })
    }
}

fn clock() -> time::Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    time::Instant::ZERO + START.get_or_init(Instant::now).elapsed()
}
