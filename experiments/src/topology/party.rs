//! A host of a scenario, whether it is a namespace or a virtual machine.

use std::net::Ipv6Addr;

use ilnp_core::id::{Handle, HandlePrefix, IlVector};

use super::Host;
use crate::error::LabError;
use crate::machine::Machine;
use crate::scenario;

/// A host: a network namespace with programs in it, or a virtual machine.
#[derive(Clone, Copy, Debug)]
pub enum Party<'a> {
    /// A namespace.
    Host(&'a Host),
    /// A virtual machine.
    Machine(&'a Machine),
}

impl<'a> Party<'a> {
    /// The namespace that it is.
    ///
    /// # Errors
    /// [`LabError::Misuse`] when it is a virtual machine.
    pub fn in_namespace(self) -> Result<&'a Host, LabError> {
        match self {
            Self::Host(host) => Ok(host),
            Self::Machine(machine) => {
                let name = machine.name();
                Err(LabError::Misuse(format!("{name} is a virtual machine")))
            }
        }
    }

    /// What the scenario says about it.
    pub fn settings(self) -> &'a scenario::Host {
        match self {
            Self::Host(host) => host.settings(),
            Self::Machine(machine) => machine.settings(),
        }
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        &self.settings().name
    }

    /// The site that it is in.
    pub fn site(self) -> &'a str {
        match self {
            Self::Host(host) => host.site(),
            Self::Machine(machine) => machine.site(),
        }
    }

    /// Whether a daemon runs on it in this run.
    pub fn speaks_ilnp(self) -> bool {
        match self {
            Self::Host(host) => host.speaks_ilnp(),
            Self::Machine(machine) => machine.speaks_ilnp(),
        }
    }

    /// Its handle under the default handle prefix.
    pub fn handle(self) -> Ipv6Addr {
        HandlePrefix::DEFAULT.address(Handle::new(self.settings().nid))
    }

    /// Its address in a site, under the site's first prefix.
    pub fn address_in(self, site: &scenario::Site) -> Option<Ipv6Addr> {
        let prefix = site.prefixes.first()?;
        Some(IlVector::new(self.settings().nid, *prefix).address())
    }
}
