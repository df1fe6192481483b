//! The rights that the daemon needs, and the loss of all others.

use std::collections::HashSet;

use caps::{CapSet, Capability};

/// What the daemon does not run without, and what for.
const NEEDED: [(Capability, &str); 4] = [
    (
        Capability::CAP_NET_ADMIN,
        "interfaces, routes and addresses",
    ),
    (
        Capability::CAP_NET_RAW,
        "router solicitations and neighbour probes",
    ),
    (Capability::CAP_BPF, "loading BPF programs and maps"),
    (
        Capability::CAP_PERFMON,
        "BPF programs that work on packet pointers",
    ),
];

/// Why the rights are not as they must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// A capability is missing.
    #[error(
        "{capability} is missing (needed for {purpose}): run ilnp-hostd as root, or give it CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and CAP_PERFMON"
    )]
    Missing {
        /// Which.
        capability: Capability,
        /// What the daemon would do with it.
        purpose: &'static str,
    },
    /// The kernel refused to show or change the capabilities.
    #[error("cannot {action}")]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: caps::errors::CapsError,
    },
    /// The kernel refused `PR_SET_NO_NEW_PRIVS`.
    #[error("cannot give up new privileges")]
    NoNewPrivileges(#[from] nix::Error),
}

fn kernel(action: &'static str) -> impl FnOnce(caps::errors::CapsError) -> CapabilityError {
    move |source| CapabilityError::Kernel { action, source }
}

/// Checks that this thread has what the daemon needs.
///
/// # Errors
/// [`CapabilityError::Missing`], naming the first one that is not there.
pub fn require() -> Result<(), CapabilityError> {
    let permitted =
        caps::read(None, CapSet::Permitted).map_err(kernel("read this thread's capabilities"))?;
    match NEEDED
        .iter()
        .find(|(capability, _)| !permitted.contains(capability))
    {
        None => Ok(()),
        Some(&(capability, purpose)) => Err(CapabilityError::Missing {
            capability,
            purpose,
        }),
    }
}

/// Gives up every capability but those that the daemon needs, in this thread and in those that it
/// starts later, and the way to get others back.
///
/// # Errors
/// When the kernel refuses; the daemon must not go on then.
pub fn keep_needed_only() -> Result<(), CapabilityError> {
    let needed: HashSet<_> = NEEDED.iter().map(|&(capability, _)| capability).collect();
    // The bounding set first: shrinking it takes CAP_SETPCAP, which is among what goes. Without
    // that right there is nothing to shrink with, and no_new_privs closes the same door.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)
        .map_err(kernel("read this thread's capabilities"))?
    {
        for capability in caps::read(None, CapSet::Bounding)
            .map_err(kernel("read the bounding set"))?
            .difference(&needed)
        {
            caps::drop(None, CapSet::Bounding, *capability)
                .map_err(kernel("shrink the bounding set"))?;
        }
    }
    caps::clear(None, CapSet::Ambient).map_err(kernel("clear the ambient set"))?;
    caps::clear(None, CapSet::Inheritable).map_err(kernel("clear the inheritable set"))?;
    caps::set(None, CapSet::Effective, &needed).map_err(kernel("give up capabilities"))?;
    caps::set(None, CapSet::Permitted, &needed).map_err(kernel("give up capabilities"))?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}
