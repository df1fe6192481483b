//! The part of the check that concerns `[[correspondent]]`.

use std::collections::HashMap;

use ilnp_core::id::{HandlePrefix, Locator, Nid};
use toml::Spanned;

use super::Correspondent;
use super::check::Checker;
use super::file::CorrespondentTable;

/// The most Locators that a Locator Update carries (RFC 6743 §2).
const MAX_LOCATORS: usize = 255;
/// The longest DNS name in text.
const MAX_NAME: usize = 253;

impl Checker<'_> {
    /// Checks every `[[correspondent]]`; `own` is this node's identifier, when it is configured.
    pub(super) fn correspondents(
        &mut self,
        tables: &[CorrespondentTable],
        own: Option<Nid>,
        handles: HandlePrefix,
    ) -> Vec<Correspondent> {
        let mut seen = Seen::default();
        tables
            .iter()
            .filter_map(|table| self.correspondent(table, own, handles, &mut seen))
            .collect()
    }

    fn correspondent(
        &mut self,
        table: &CorrespondentTable,
        own: Option<Nid>,
        handles: HandlePrefix,
        seen: &mut Seen,
    ) -> Option<Correspondent> {
        let name = self.name(&table.name);
        if let Some(first) = seen.names.insert(name.clone(), table.name.span().start) {
            let line = self.line(first);
            self.refuse(
                &table.name,
                format!("found {name:?} again, which line {line} has already, expected one table for a name"),
            );
        }
        let locators = self.locators(&table.locators, handles);
        let nid = self.nid(&table.nid)?;
        if Some(nid) == own {
            self.refuse(
                &table.nid,
                format!("found {nid}, which is this node's own, expected the correspondent's"),
            );
        }
        if let Some(first) = seen.nids.insert(nid, table.nid.span().start) {
            let line = self.line(first);
            self.refuse(
                &table.nid,
                format!("found {nid} again, which line {line} has already, expected one table for an identifier"),
            );
        }
        Some(Correspondent {
            name,
            nid,
            locators,
        })
    }

    fn name(&mut self, value: &Spanned<String>) -> String {
        let name = value.get_ref().trim_end_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if name.len() > MAX_NAME || !name.split('.').all(label) {
            self.refuse(
                value,
                format!(
                    "found {:?}, expected a host name, as cn.example",
                    value.get_ref()
                ),
            );
        }
        name
    }

    fn locators(
        &mut self,
        list: &Spanned<Vec<Spanned<String>>>,
        handles: HandlePrefix,
    ) -> Vec<Locator> {
        let count = list.get_ref().len();
        if count == 0 || count > MAX_LOCATORS {
            self.refuse(
                list,
                format!("found {count} Locators, expected 1 to {MAX_LOCATORS}"),
            );
        }
        let mut locators = Vec::new();
        for value in list.get_ref() {
            let Some(locator) = self.locator(value, handles) else {
                continue;
            };
            if locators.contains(&locator) {
                self.refuse(value, format!("found {locator} twice, expected it once"));
            }
            locators.push(locator);
        }
        locators
    }
}

/// What earlier tables said, and at which octet of the file.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    nids: HashMap<Nid, usize>,
}
