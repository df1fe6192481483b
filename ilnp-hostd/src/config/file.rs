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
    pub(super) dns: Option<DnsTable>,
    pub(super) resolver: Option<ResolverTable>,
    pub(super) relocation: Option<RelocationTable>,
}

/// One `[[correspondent]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrespondentTable {
    pub(super) name: Spanned<String>,
    pub(super) nid: Spanned<String>,
    pub(super) locators: Spanned<Vec<Spanned<String>>>,
}

/// `[dns]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DnsTable {
    pub(super) name: Spanned<String>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) primaries: Spanned<Vec<Spanned<String>>>,
    pub(super) tsig_key_file: Spanned<String>,
    pub(super) ttl: Option<Spanned<i64>>,
    pub(super) nid_ttl: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) lp: Vec<Spanned<String>>,
}

/// `[resolver]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ResolverTable {
    pub(super) listen: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) upstreams: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) install: Option<Spanned<String>>,
    pub(super) ipv4: Option<Spanned<String>>,
}

/// `[relocation]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelocationTable {
    pub(super) port: Option<Spanned<String>>,
}
