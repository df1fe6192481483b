//! The shape of the file, with the place of every value.

use serde::Deserialize;
use toml::Spanned;

/// A configuration file before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) site: Spanned<String>,
    pub(super) listen: Spanned<Vec<Spanned<String>>>,
    pub(super) state_dir: Option<Spanned<String>>,
    pub(super) run_dir: Option<Spanned<String>>,
    pub(super) control_socket: Option<Spanned<String>>,
    pub(super) tls: TlsTable,
    pub(super) network: Option<NetworkTable>,
    #[serde(default)]
    pub(super) peer: Vec<PeerTable>,
    #[serde(default)]
    pub(super) guest: Vec<GuestTable>,
}

/// `[tls]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    pub(super) ca: Spanned<String>,
    pub(super) certificate: Spanned<String>,
    pub(super) key: Spanned<String>,
    pub(super) revoked: Spanned<String>,
}

/// `[network]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NetworkTable {
    pub(super) locators: Spanned<Vec<Spanned<String>>>,
    pub(super) router: Spanned<String>,
    pub(super) router_mac: Option<Spanned<String>>,
}

/// One `[[peer]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerTable {
    pub(super) site: Spanned<String>,
    pub(super) address: Spanned<String>,
}

/// One `[[guest]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuestTable {
    pub(super) name: Spanned<String>,
    pub(super) hypervisor: Option<Spanned<String>>,
    pub(super) domain: Option<Spanned<String>>,
    pub(super) uri: Option<Spanned<String>>,
    pub(super) program: Option<Spanned<String>>,
    pub(super) machine: Option<Spanned<String>>,
    pub(super) cpu: Option<Spanned<String>>,
    pub(super) memory: Option<Spanned<String>>,
    pub(super) processors: Option<Spanned<u32>>,
    pub(super) accelerator: Option<Spanned<String>>,
    pub(super) arguments: Option<Spanned<Vec<String>>>,
    pub(super) port: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) disk: Vec<DiskTable>,
}

/// One `[[guest.disk]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskTable {
    pub(super) id: Spanned<String>,
    pub(super) base: Option<Spanned<String>>,
    pub(super) overlay: Spanned<String>,
}
