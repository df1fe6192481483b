//! How a guest stands.

use serde::{Deserialize, Serialize};

use super::prepared::{Prepared, Standby};
use super::task::Task;
use crate::custody::Standing;
use crate::report::{Report, SCHEMA};

/// How a guest stands at a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The guest.
    pub guest: String,
    /// The number of the last attempt to move it that this site took part in.
    pub epoch: u64,
    /// What this site is to it.
    pub standing: Standing,
    /// Whether it is here and its hypervisor answers; none while a relocation goes on
    /// or is tried.
    pub running: Option<bool>,
    /// The relocation that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relocation: Option<Report>,
    /// The move that it is prepared for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Prepared>,
    /// What an operator has to look after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Task {
    /// How it stands; whether a hypervisor answers that should is left to be found out.
    pub(super) fn status(&self) -> Status {
        let record = self.custody.record();
        let at_rest = self.leaving.is_none() && self.trying.is_none() && self.custody.is_at_rest();
        let running = match record.standing {
            Standing::Mine { .. } if at_rest => Some(true),
            _ if at_rest => Some(false),
            _ => None,
        };
        Status {
            schema: SCHEMA,
            guest: self.guest.name.clone(),
            epoch: record.epoch,
            standing: record.standing.clone(),
            running,
            relocation: self
                .leaving
                .as_ref()
                .map(|leaving| leaving.recorder.report()),
            prepared: self.prepared.as_ref().map(Standby::told),
            problem: self.problem.clone(),
        }
    }
}
