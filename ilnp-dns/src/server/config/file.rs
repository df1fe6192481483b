//! The shape of the file, with the place of every value.

use serde::Deserialize;
use toml::Spanned;

/// A configuration file before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) listen: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) state_dir: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) key_files: Vec<Spanned<String>>,
    pub(super) aaaa_additional: Option<bool>,
    #[serde(default)]
    pub(super) zone: Vec<ZoneTable>,
}

/// One `[[zone]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ZoneTable {
    pub(super) name: Spanned<String>,
    pub(super) file: Spanned<String>,
    #[serde(default)]
    pub(super) notify: Vec<Spanned<String>>,
    pub(super) transfer_key: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) grant: Vec<GrantTable>,
}

/// One `[[zone.grant]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantTable {
    pub(super) key: Spanned<String>,
    pub(super) name: Spanned<String>,
    pub(super) types: Spanned<Vec<Spanned<String>>>,
}
