//! The shape of the file, with the place of every value.

use serde::Deserialize;
use toml::Spanned;

/// A configuration file before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) nid: Option<Spanned<String>>,
    pub(super) interfaces: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) interface_name: Option<Spanned<String>>,
    pub(super) handle_prefix: Option<Spanned<String>>,
    pub(super) state_dir: Option<Spanned<String>>,
    pub(super) control_socket: Option<Spanned<String>>,
    pub(super) pin_dir: Option<Spanned<String>>,
    pub(super) nonce: Option<Spanned<String>>,
    pub(super) nonce_bits: Option<Spanned<i64>>,
    pub(super) checksum: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) correspondent: Vec<CorrespondentTable>,
}

/// One `[[correspondent]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrespondentTable {
    pub(super) name: Spanned<String>,
    pub(super) nid: Spanned<String>,
    pub(super) locators: Spanned<Vec<Spanned<String>>>,
}
