//! What the programs counted.

use std::collections::BTreeMap;

use ilnp_core::drop_reason::DropReason;
use serde::Serialize;

use super::error::DataPathError;

/// Index of the first counter that is not a [`DropReason`]; `COUNTERS_FLOW` in `bpf/lib/drop.h`.
const FLOW: u32 = 64;

/// How many packets went which way since the data path was set up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Sent to correspondents.
    pub translated_out: u64,
    /// Received from correspondents.
    pub translated_in: u64,
    /// Left to the daemon.
    pub to_daemon: u64,
    /// Sent to the wire by the daemon.
    pub injected: u64,
    /// Dropped by the programs; reasons that never applied are left out.
    pub drops: BTreeMap<DropReason, u64>,
}

impl Counters {
    /// Reads all counters through a function that reads one.
    pub(super) fn read(
        one: impl Fn(u32) -> Result<u64, DataPathError>,
    ) -> Result<Self, DataPathError> {
        let mut drops = BTreeMap::new();
        for &reason in DropReason::ALL {
            let count = one(reason.code().into())?;
            if count > 0 {
                drops.insert(reason, count);
            }
        }
        Ok(Self {
            translated_out: one(FLOW)?,
            translated_in: one(FLOW + 1)?,
            to_daemon: one(FLOW + 2)?,
            injected: one(FLOW + 3)?,
            drops,
        })
    }
}
