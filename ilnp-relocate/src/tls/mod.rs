//! Who a site is, and who may talk to it: TLS 1.3 with certificates on both sides.
//!
//! # What a certificate is good for
//! The [authority](crate::pki) is the root of all trust: its key makes certificates of any site.
//! A site's certificate and key let their holder be that site, and nothing else:
//!
//! | who holds | can | cannot |
//! |---|---|---|
//! | nothing | open TCP connections, which end after [`HANDSHAKE`] | send one octet that anything but TLS reads |
//! | a site's key | talk, as this site, to the agents whose configuration names this site as a peer: ask them to receive guests that their configuration names, hand them contents of memory and disks, take a guest that they were ordered to move to this site | be another site; ask a site to give a guest away; reach hypervisors, disks or addresses beyond what such a move opens; read or change what other sites say to each other, now or earlier (TLS 1.3 has forward secrecy) |
//! | a revoked or expired certificate | nothing, with sites that have the new revocation list | |
//! | the authority's key | be any site | read what was said before |
//!
//! A guest that comes from a peer is as trustworthy as the peer: who has its memory can change it.
//!
//! # What is checked
//! * TLS 1.3 alone, with *ring*; no resumption, no tickets, no early data: each connection proves
//!   both keys anew, so octets that are played back say nothing.
//! * Both certificates: signed by the authority, in their time, for this end of a connection, not
//!   in the revocation list. Without a list that the authority signed, nobody is accepted.
//! * The name: who dials refuses every certificate but the one of the site that it wants. Who
//!   listens takes the name that the other side claims, and its certificate must bear it.
//! * All files are read again for each connection, and by [`Identity::reload`]: a new revocation
//!   list cuts off connections that stand.
//!
//! Time comes from the clock of the machine; the revocation list is valid until it is replaced.

mod files;
mod material;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::site::Site;

pub use files::Files;
use material::Material;
pub(crate) use material::bears;
pub(crate) use session::{Acceptor, Connector, Secured, drain, explain};

/// How long a connection may take until both sides have proved who they are.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificates, in DER, that a site has shown; the first is its own.
pub(crate) type Chain = Vec<rustls::pki_types::CertificateDer<'static>>;

/// What a site proves itself with, and what it checks others against. Copies are the same.
#[derive(Clone, Debug)]
pub struct Identity {
    site: Site,
    files: Files,
    material: Arc<watch::Sender<Arc<Material>>>,
}

impl Identity {
    /// Reads the files of `site`, and checks that they fit together: others would refuse this site
    /// anyway, for less clear reasons.
    ///
    /// # Errors
    /// Says which file is wrong, and how.
    pub fn load(site: Site, files: Files) -> Result<Self, TlsError> {
        let material = Material::new(&site, &files, files.read()?)?;
        Ok(Self {
            site,
            files,
            material: Arc::new(watch::Sender::new(Arc::new(material))),
        })
    }

    /// The site itself.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Reads the files again. Connections that stand with a site whose certificate is not good any
    /// more will end.
    ///
    /// # Errors
    /// As for [`load`](Self::load). What was read before stays in use for connections that stand;
    /// new ones are refused until the files are in order.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current().map(|_| ())
    }

    /// What the files hold now.
    fn current(&self) -> Result<Arc<Material>, TlsError> {
        let contents = self.files.read()?;
        let known = self.material.borrow().clone();
        if known.is_of(&contents) {
            return Ok(known);
        }
        let material = Arc::new(Material::new(&self.site, &self.files, contents)?);
        self.material.send_replace(material.clone());
        Ok(material)
    }

    pub(crate) fn acceptor(&self) -> Result<Acceptor, TlsError> {
        Ok(Acceptor(self.current()?.server()))
    }

    pub(crate) fn connector(&self) -> Result<Connector, TlsError> {
        Ok(Connector(self.current()?.client()))
    }

    /// Waits until the chain of a peer is good no more, and says why.
    pub(crate) async fn distrusted(&self, chain: &Chain) -> String {
        let mut material = self.material.subscribe();
        loop {
            let current = material.borrow_and_update().clone();
            if let Err(reason) = current.check(chain) {
                return reason;
            }
            // The sender is this value's own.
            let _ = material.changed().await;
        }
    }
}

/// Why a site cannot prove itself or check others.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others can read the key.
    #[error("others than its owner may read {}: chmod 600 it, and think about who has", .0.display())]
    Exposed(PathBuf),
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The site's own certificate would be refused.
    #[error("{}: {reason}: other sites would refuse it", path.display())]
    Own {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
