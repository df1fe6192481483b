//! A stub resolver in this process, with a daemon that takes everything in.

use std::future::Future;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::time::Instant;
use ilnp_dns::resolve::{Found, Resolver};
use ilnp_dns::stub::{Config, Correspondents, Ipv4, Known, Learnt, Stub};
use tests::name_servers::{NameServer, Role, Setup, Software, fresh_address};
use tokio::runtime::{Builder, Runtime};

pub(crate) const APEX: &str = "example.org";
/// The handle of `vm1` in [`ZONE`].
pub(crate) const VM1: &str = "fd69:6c6e:7000:2627:214:4fff:fe20:ee64";
/// The handle of `vm2` in [`ZONE`].
pub(crate) const VM2: &str = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";

/// Two hosts that speak ILNP, one of them through LP, and one that does not.
pub(crate) const ZONE: &str = "$TTL 3600
$ORIGIN example.org.
@ SOA ns hostmaster 1 60 10 3600 5
@ NS ns
ns A 127.0.0.2
vm1 NID 10 0214:4fff:fe20:ee64
vm1 L64 10 2001:0db8:000a:0000
vm1 AAAA 2001:db8:a:0:214:4fff:fe20:ee64
vm1 A 192.0.2.1
vm2 NID 10 0216:6fff:fe22:ee66
vm2 LP 10 site
site L64 10 2001:0db8:000b:0000
www CNAME vm1
classic AAAA 2001:db8::1
classic A 192.0.2.2
classic TXT \"not a host of ILNP\"
classic MX 10 mail
";

/// Knows everything, and remembers what it learnt.
#[derive(Default)]
pub(crate) struct Daemon {
    pub(crate) learnt: Mutex<Vec<Found>>,
}

impl Correspondents for Daemon {
    fn attached(&self) -> bool {
        true
    }

    async fn learn(&self, found: Found) -> Learnt {
        let handle = Handle::new(found.nid);
        self.learnt.lock().unwrap().push(found);
        Learnt::Handle(handle)
    }

    async fn known(&self, handle: Handle) -> Option<Known> {
        let learnt = self.learnt.lock().unwrap();
        let found = learnt.iter().rev().find(|found| found.nid == handle.nid)?;
        Some(Known {
            name: Some(found.name.clone()),
            locators: found.locators.iter().map(|l| l.locator).collect(),
        })
    }
}

/// The time of a machine that never sleeps.
pub(crate) fn clock() -> Instant {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    Instant::ZERO + START.get_or_init(std::time::Instant::now).elapsed()
}

/// A stub resolver until it is dropped.
pub(crate) struct RunningStub {
    pub(crate) address: SocketAddr,
    pub(crate) daemon: Arc<Daemon>,
    // Ends the tasks.
    _runtime: Runtime,
}

impl RunningStub {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = Config {
            listen: vec![fresh_address()],
            handle_prefix: HandlePrefix::DEFAULT,
            ipv4: Ipv4::Hide,
        };
        let stub = runtime.block_on(Stub::bind(config)).unwrap();
        let address = stub.addresses()[0];
        let daemon = Arc::new(Daemon::default());
        let resolver = Resolver::new(vec![upstream], clock);
        runtime.spawn(stub.run(resolver, Arc::clone(&daemon)));
        Self {
            address,
            daemon,
            _runtime: runtime,
        }
    }

    /// What a tool prints that is told to ask the stub resolver.
    pub(crate) fn dig(&self, arguments: &[&str]) -> String {
        dig(self.address, arguments)
    }
}

/// What `dig` prints.
pub(crate) fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args([
        "-p",
        &server.port().to_string(),
        "+time=5",
        "+tries=1",
    ]);
    output(command.args(arguments))
}

pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {output:?}");
    text
}

/// A primary with [`ZONE`] and a resolver that asks it.
pub(crate) fn resolver(software: Software) -> (NameServer, NameServer) {
    let primary = Setup::new().zone(APEX, Role::primary(ZONE));
    let primary = Software::Bind.start(&primary).unwrap();
    let resolver = Setup::new().zone(APEX, Role::Stub(primary.address()));
    let resolver = software.start(&resolver).unwrap();
    (primary, resolver)
}

/// Runs a future to its end in the calling thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}
