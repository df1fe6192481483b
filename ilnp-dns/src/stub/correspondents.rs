//! What the stub resolver needs of the daemon.

use ilnp_core::id::{Handle, Locator};

use crate::name::Name;
use crate::resolve::Found;

/// The daemon's knowledge of correspondents.
pub trait Correspondents: Send + Sync + 'static {
    /// Whether this host has a Locator to send from. While it has none, every answer passes
    /// through unchanged.
    fn attached(&self) -> bool;

    /// Takes in what DNS says of a correspondent. Once this returns, packets to the handle find
    /// their way: the application gets its answer only then.
    fn learn(&self, found: Found) -> impl Future<Output = Learnt> + Send;

    /// Whom a handle stands for; `None` when nobody is known by it.
    fn known(&self, handle: Handle) -> impl Future<Output = Option<Known>> + Send;
}

/// What became of a correspondent that was found in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// Applications reach it by this handle.
    Handle(Handle),
    /// It was found not to speak ILNP, whatever DNS says: the answer passes through unchanged.
    Classic,
}

/// A correspondent that the daemon knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name that led to it.
    pub name: Option<Name>,
    /// Where it is now, best first.
    pub locators: Vec<Locator>,
}
