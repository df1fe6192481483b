//! Whether this copy of the host may use the identifier.

use std::fmt;

use ilnp_core::id::Nid;
use ilnp_core::relocation::Instance;
use serde::{Deserialize, Serialize};

use crate::identity::Fingerprint;
use crate::kernel::Generation;

/// What this copy knows of itself, and whether it may use the identifier.
///
/// It decides, and does no input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custody {
    nid: Nid,
    machine: Fingerprint,
    generation: Option<Generation>,
    tenure: Option<Tenure>,
    fenced: Option<Fenced>,
}

/// Who has the identifier, as far as this copy was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenure {
    /// How often the guest was handed over.
    pub epoch: u64,
    /// The run of the guest that this epoch belongs to; `None` when only that it is another one is
    /// known.
    pub instance: Option<Instance>,
}

/// Why the identifier must not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Fenced {
    /// The machine was restored from a saved state, or cloned.
    Generation,
    /// The disk was copied to another machine.
    Machine,
    /// The agent says that this is another run of the guest than the one that has the epoch.
    Instance {
        /// The epoch that both have.
        epoch: u64,
    },
    /// The agent that runs this copy knows less than the copy does.
    Stale {
        /// What the agent said.
        epoch: u64,
        /// What this copy knew.
        known: u64,
    },
    /// The agent said so.
    Ordered {
        /// The newest epoch that it knew of.
        epoch: u64,
        /// Why, for people.
        reason: String,
    },
}

/// Something that tells copies apart, from somebody who is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The machine looks like this.
    Machine(Fingerprint),
    /// The hypervisor gives the machine this Generation ID.
    Generation(Generation),
    /// The agent says which run of the guest this is.
    Run {
        /// How often the guest was handed over.
        epoch: u64,
        /// This run.
        instance: Instance,
        /// The Generation ID at the same moment, where there is one: a grant covers it.
        generation: Option<Generation>,
    },
    /// The agent says that another copy has the identifier.
    Order {
        /// The newest epoch that the agent knows of.
        epoch: u64,
        /// Why, for people.
        reason: String,
    },
    /// An operator says that no other copy runs.
    Only,
}

/// What follows from a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// It is to be remembered, no more.
    Remember,
    /// Stop using the identifier at once, then remember why.
    Fence,
    /// Remember that this copy has custody, then use the identifier, with fresh randomness.
    Grant,
}

/// Evidence that changes nothing, because it contradicts what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The order is older than what this copy was granted.
    #[error(
        "this guest has custody since epoch {known}; an order that knows of epoch {epoch} is out of date"
    )]
    OldOrder {
        /// What the agent knows of.
        epoch: u64,
        /// What this copy was granted.
        known: u64,
    },
    /// Custody is not the operator's to give.
    #[error(
        "{0}. Only the agent can grant custody: `ilnp-relocate start` where the guest is to run; or take a new identifier with `ilnp identity new`"
    )]
    Agent(Fenced),
    /// The identifier is in use.
    #[error("this host is not fenced: it uses its identifier")]
    NotFenced,
}

impl Custody {
    /// A host that was never told anything.
    pub const fn new(nid: Nid, machine: Fingerprint, generation: Option<Generation>) -> Self {
        Self {
            nid,
            machine,
            generation,
            tenure: None,
            fenced: None,
        }
    }

    /// The identifier that this is about.
    pub const fn nid(&self) -> Nid {
        self.nid
    }

    /// Why the identifier must not be used; `None` when it may.
    pub const fn fenced(&self) -> Option<&Fenced> {
        self.fenced.as_ref()
    }

    /// Who has the identifier; `None` when no agent ever spoke.
    pub const fn tenure(&self) -> Option<Tenure> {
        self.tenure
    }

    /// Takes a piece of evidence.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed then.
    pub fn weigh(&mut self, evidence: Evidence) -> Result<Step, Refused> {
        let before = self.clone();
        match evidence {
            Evidence::Machine(machine) => self.machine_is(machine),
            Evidence::Generation(generation) => self.generation_is(generation),
            Evidence::Run {
                epoch,
                instance,
                generation,
            } => {
                if self.known_epoch().is_none_or(|known| epoch > known) {
                    self.grant(epoch, instance, generation);
                    return Ok(Step::Grant);
                }
                if let Some(generation) = generation {
                    self.generation_is(generation);
                }
                self.run_is(epoch, instance);
            }
            Evidence::Order { epoch, reason } => self.ordered(epoch, reason)?,
            Evidence::Only => {
                self.only()?;
                return Ok(Step::Grant);
            }
        }
        Ok(match (&before.fenced, &self.fenced) {
            (None, Some(_)) => Step::Fence,
            _ if before != *self => Step::Remember,
            _ => Step::Nothing,
        })
    }

    fn known_epoch(&self) -> Option<u64> {
        self.tenure.map(|tenure| tenure.epoch)
    }

    fn machine_is(&mut self, machine: Fingerprint) {
        if self.machine.contradicts(&machine) {
            self.machine = machine;
            self.fenced.get_or_insert(Fenced::Machine);
        }
    }

    fn generation_is(&mut self, generation: Generation) {
        let before = self.generation.replace(generation);
        if before.is_some_and(|before| before != generation) {
            self.fenced.get_or_insert(Fenced::Generation);
        }
    }

    fn grant(&mut self, epoch: u64, instance: Instance, generation: Option<Generation>) {
        self.tenure = Some(Tenure {
            epoch,
            instance: Some(instance),
        });
        self.generation = generation.or(self.generation);
        self.fenced = None;
    }

    /// An epoch that is not news: it must be the one that this run has.
    fn run_is(&mut self, epoch: u64, instance: Instance) {
        let Some(known) = self.tenure else {
            return;
        };
        if epoch < known.epoch {
            self.agent_fences(Fenced::Stale {
                epoch,
                known: known.epoch,
            });
        } else if known.instance != Some(instance) {
            self.agent_fences(Fenced::Instance { epoch });
        }
    }

    /// What the agent says goes before what the machine looks like; the first that it says stays.
    fn agent_fences(&mut self, why: Fenced) {
        if self.fenced.as_ref().is_none_or(Fenced::is_operators) {
            self.fenced = Some(why);
        }
    }

    fn ordered(&mut self, epoch: u64, reason: String) -> Result<(), Refused> {
        if let Some(known) = self.known_epoch().filter(|known| epoch < *known) {
            return Err(Refused::OldOrder { epoch, known });
        }
        self.tenure = Some(Tenure {
            epoch,
            instance: None,
        });
        self.fenced = Some(Fenced::Ordered { epoch, reason });
        Ok(())
    }

    fn only(&mut self) -> Result<(), Refused> {
        match &self.fenced {
            None => Err(Refused::NotFenced),
            Some(why) if !why.is_operators() => Err(Refused::Agent(why.clone())),
            Some(_) => {
                self.fenced = None;
                Ok(())
            }
        }
    }
}

impl Fenced {
    /// The name that programs see.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Generation => "generation",
            Self::Machine => "machine",
            Self::Instance { .. } => "instance",
            Self::Stale { .. } => "stale",
            Self::Ordered { .. } => "ordered",
        }
    }

    /// Whether an operator can know better: nobody else was asked.
    const fn is_operators(&self) -> bool {
        match self {
            Self::Generation | Self::Machine => true,
            Self::Instance { .. } | Self::Stale { .. } | Self::Ordered { .. } => false,
        }
    }

    /// What an operator can do about it.
    pub const fn remedy(&self) -> &'static str {
        if self.is_operators() {
            "run `ilnp identity keep` if no other copy runs, else `ilnp identity new`"
        } else {
            "start the guest with `ilnp-relocate start` where it is to run, or run `ilnp identity new`"
        }
    }
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation => f.write_str(
                "this machine was restored from a saved state or cloned, and another copy may use the identifier",
            ),
            Self::Machine => f.write_str(
                "this disk was copied from another machine, which may use the identifier",
            ),
            Self::Instance { epoch } => write!(
                f,
                "another copy of this guest has custody since epoch {epoch}"
            ),
            Self::Stale { epoch, known } => write!(
                f,
                "the agent runs this guest as of epoch {epoch}, but it was handed over since: epoch {known}"
            ),
            Self::Ordered { epoch, reason } => {
                write!(f, "the agent says, as of epoch {epoch}: {reason}")
            }
        }
    }
}
