//! Sites with certificates, connected on the loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ilnp_relocate::channel::{self, ChannelError, Connection, Listener, Opening, RelocationId};
use ilnp_relocate::hypervisor::Stream;
use ilnp_relocate::pki::Authority;
use ilnp_relocate::site::Site;
use ilnp_relocate::tls::{Files, Identity};
use tempfile::TempDir;

/// An authority and its sites.
pub(crate) struct World {
    directory: TempDir,
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

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::open(self.directory.path()).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::load(site(name), files(self.directory.path(), name)).unwrap()
    }

    /// A connection from `a` to `b`, and both ends of it.
    pub(crate) async fn pair(&self) -> (Connection, Connection, Listener) {
        let listener = listen(&self.identity("b"), &["a"]);
        let (ours, theirs) = meet(&listener, &self.identity("a"), "b").await;
        (ours.unwrap(), theirs.unwrap(), listener)
    }
}

/// Listens on the loopback.
pub(crate) fn listen(identity: &Identity, peers: &[&str]) -> Listener {
    let peers = peers.iter().map(|peer| site(peer));
    Listener::bind(&["[::1]:0".parse().unwrap()], identity, peers).unwrap()
}

/// Both ends of one attempt to connect.
pub(crate) type Meeting = (
    Result<Connection, ChannelError>,
    Result<Connection, ChannelError>,
);

/// Dials the listener, which should be `to`, and says what both see.
pub(crate) async fn meet(listener: &Listener, identity: &Identity, to: &str) -> Meeting {
    meet_through(listener.addresses()[0], listener, identity, to).await
}

/// The same, through something in the middle.
pub(crate) async fn meet_through(
    address: SocketAddr,
    listener: &Listener,
    identity: &Identity,
    to: &str,
) -> Meeting {
    let to = site(to);
    let dialling = channel::connect(address, &to, identity);
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
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap()
}
