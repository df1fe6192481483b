//! Sites with certificates, connected on the loopback.

use std::path::Path;
use std::time::Duration;

use ilnp_relocate::channel::{self, ChannelError, Connection, Listener, Opening, RelocationId};
use ilnp_relocate::hypervisor::Stream;
use ilnp_relocate::pki::Authority;
use ilnp_relocate::site::Site;
use ilnp_relocate::tls::{Files, Identity};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) directory: TempDir,
}

pub(crate) fn site(name: &str) -> Site {
    name.parse().unwrap()
}

/// Where the files of a site lie after `pki issue`.
pub(crate) fn files(directory: &Path, name: &str) -> Files {
    Files {
        ca: directory.join("ca.pem"),
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
        revoked: directory.join("revoked.pem"),
    }
}

impl World {
    pub(crate) fn new(sites: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::init(directory.path(), "test authority").unwrap();
        for name in sites {
            authority.issue(&site(name)).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::load(site(name), files(self.directory.path(), name)).unwrap()
    }

    pub(crate) fn listener(&self, name: &str, peers: &[&str]) -> Listener {
        let peers = peers.iter().map(|peer| site(peer));
        Listener::bind(&["[::1]:0".parse().unwrap()], &self.identity(name), peers).unwrap()
    }

    /// A connection from `a` to `b`, and both ends of it.
    pub(crate) async fn pair(&self) -> (Connection, Connection, Listener) {
        let listener = self.listener("b", &["a"]);
        let (identity, to) = (self.identity("a"), site("b"));
        let dialling = channel::connect(listener.addresses()[0], &to, &identity);
        let (ours, theirs) = tokio::join!(dialling, listener.accept());
        (ours.unwrap(), theirs.unwrap(), listener)
    }
}

/// Dials `b` as `a`, and says what both see.
pub(crate) async fn meet(
    listener: &Listener,
    identity: &Identity,
    to: &str,
) -> (
    Result<Connection, ChannelError>,
    Result<Connection, ChannelError>,
) {
    let to = site(to);
    let dialling = channel::connect(listener.addresses()[0], &to, identity);
    soon(async { tokio::join!(dialling, listener.accept()) }).await
}

pub(crate) fn opening(stream: Stream) -> Opening {
    Opening {
        relocation: RelocationId::random().unwrap(),
        stream,
    }
}

/// What a test waits for comes soon or not at all.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(30), future).await;
    waited.unwrap_or_else(|_| panic!("nothing within 30 s"))
}
