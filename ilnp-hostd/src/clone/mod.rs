//! Copies of this host: noticing that there is another one, and keeping away from the identifier.
//!
//! A virtual machine can be started twice from one saved state, or its disk be copied. Both copies
//! then know the same identifier, sessions and Nonces, and correspondents would follow each in turn.
//! So at most one of them may use the identifier; the others are *fenced*
//! ([`Node::handle_fence`](ilnp_core::node::Node::handle_fence)).
//!
//! # Who has custody
//!
//! The agents of the hypervisors agree on who runs the guest, and number the hand-overs: the *epoch*.
//! An epoch belongs to one run of the guest, its *instance*. So a copy may go on with the identifier
//! when it is told of a higher epoch than it knows; the same epoch with another instance, or a lower
//! epoch, means that the identifier is in use elsewhere, or was handed on since this state was saved.
//!
//! # What is evidence
//!
//! | evidence | of whom | acted on |
//! |---|---|---|
//! | epoch and instance, `fence` | the agent, over the guest's port | yes: it runs the machine |
//! | the VM Generation ID changed | the hypervisor | yes: it runs the machine |
//! | machine-id or product UUID changed | the machine | yes, where the identifier is configured; [`identity`](crate::identity) makes a new one otherwise |
//! | boot id | the kernel | no: restored copies have the same one, and every reboot another one |
//! | Nonces used from elsewhere, updates that we did not send acknowledged | correspondents, whoever sees the path | no: each of them could stop this host |
//! | a duplicate address | the link | no: any node of the link can claim one; the Locator is given up, not the identifier |
//! | other records under our name | whoever may change the zone | no: its administrators may, too, without wanting to stop sessions |
//!
//! Nothing that arrives in a packet fences a host. Those who are believed could stop the machine
//! itself.
//!
//! What is decided outlasts the daemon ([`Guard`]): a fenced host stays fenced until it is granted
//! custody, an operator says that it is the only copy, or it takes a new identifier.

mod custodian;
mod custody;
mod guard;
#[cfg(test)]
mod tests;

pub use custodian::{Custodian, Durable, Question, Questions, Shown, Weighed};
pub use custody::{Custody, Evidence, Fenced, Refused, Step, Tenure};
pub use guard::{Guard, GuardError, Unsaved, forget};
