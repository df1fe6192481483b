//! Delay, loss and the like on a link: by `sch_netem` where the kernel has it, and by a forwarder
//! in user space otherwise.

mod forwarder;
mod netem;
mod packet_socket;

use std::time::Duration;

use ilnp_core::sim::link::Conditions;

use crate::error::LabError;
use crate::scenario::LinkSettings;
use crate::topology::Namespace;
use forwarder::Forwarder;

/// The end of a link towards the site.
pub(crate) const INNER: &str = "inner";
/// The end of a link towards the core.
pub(crate) const OUTER: &str = "outer";

/// For how long a packet is held back that others are to overtake.
const REORDERING_DELAY: Duration = Duration::from_millis(5);

/// An imperfect link at work. It ends when this is dropped.
#[derive(Debug)]
pub struct Impairment {
    /// What moves the packets, when the kernel does not.
    forwarder: Option<Forwarder>,
    /// Where the ends of the link are; it outlives the forwarder.
    namespace: Namespace,
}

impl Impairment {
    /// Makes the link between the interfaces [`INNER`] and [`OUTER`] of a namespace imperfect.
    pub(crate) fn start(
        namespace: Namespace,
        settings: &LinkSettings,
        seed: u64,
    ) -> Result<Self, LabError> {
        // netem cannot tell a Locator Update from other packets.
        let by_kernel = settings.locator_update_loss == 0.0 && netem::is_available(&namespace);
        let forwarder = if by_kernel {
            netem::install(&namespace, settings)?;
            None
        } else {
            Some(Forwarder::start(&namespace, settings, seed)?)
        };
        tracing::debug!(namespace = namespace.name(), by_kernel, "link is imperfect");
        Ok(Self {
            forwarder,
            namespace,
        })
    }

    /// Whether `sch_netem` does the work.
    pub fn is_in_kernel(&self) -> bool {
        self.forwarder.is_none()
    }

    /// The namespace of the link, whose interfaces `inner` and `outer` show what passes.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

fn conditions(settings: &LinkSettings) -> Conditions {
    Conditions {
        delay: settings.delay,
        jitter: settings.jitter,
        loss: settings.loss,
        duplication: settings.duplication,
        reordering: settings.reordering,
        reordering_delay: REORDERING_DELAY,
        rate: settings.rate,
        ..Conditions::default()
    }
}
