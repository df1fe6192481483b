//! From the file to the configuration: every value is checked, every mistake is collected.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ilnp_core::id::Locator;
use ilnp_service::mistake::{Mistake, Position};
use toml::Spanned;

use super::file::{File, NetworkTable, PeerTable};
use super::{Config, DEFAULT_SOCKET, Network, Peer};
use crate::site::Site;
use crate::tls::Files;

/// The longest path of a Unix socket, its closing zero left out.
const MAX_SOCKET_PATH: usize = 107;
/// As many addresses, prefixes or sites as anybody has.
const MAX_ENTRIES: usize = 256;

/// Checks every value of `file`, which was read from `text` in `directory`.
pub(super) fn check(text: &str, directory: &Path, file: &File) -> Result<Config, Vec<Mistake>> {
    let mut checker = Checker {
        text,
        directory,
        mistakes: Vec::new(),
    };
    let config = checker.config(file);
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.position);
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(mistakes),
    }
}

/// Collects mistakes.
pub(super) struct Checker<'a> {
    text: &'a str,
    directory: &'a Path,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    fn config(&mut self, file: &File) -> Option<Config> {
        let site = self.parsed::<Site>(&file.site);
        let listen = self.addresses(&file.listen);
        let state_dir = self.path(file.state_dir.as_ref(), "/var/lib/ilnp-relocate");
        let run_dir = self.path(file.run_dir.as_ref(), "/run/ilnp-relocate");
        let control_socket = self.socket(file);
        let tls = Files {
            ca: self.path(Some(&file.tls.ca), ""),
            certificate: self.path(Some(&file.tls.certificate), ""),
            key: self.path(Some(&file.tls.key), ""),
            revoked: self.path(Some(&file.tls.revoked), ""),
        };
        let network = file.network.as_ref().map(|table| self.network(table));
        let peers = self.peers(&file.peer, site.as_ref());
        let guests = self.guests(&file.guest, &run_dir, &state_dir);
        Some(Config {
            site: site?,
            listen,
            state_dir,
            run_dir,
            control_socket,
            tls,
            network: match network {
                Some(network) => Some(network?),
                None => None,
            },
            peers,
            guests,
        })
    }

    /// Notes a mistake in `value`.
    pub(super) fn refuse<T>(&mut self, value: &Spanned<T>, message: impl Into<String>) {
        self.mistakes.push(Mistake {
            position: Position::of(self.text, value.span().start),
            message: message.into(),
        });
    }

    /// A value that knows how it is written.
    fn parsed<T: FromStr<Err: Display>>(&mut self, value: &Spanned<String>) -> Option<T> {
        match value.get_ref().parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.refuse(value, format!("found {:?}: {error}", value.get_ref()));
                None
            }
        }
    }

    /// Refuses what an earlier table of the same kind says already.
    pub(super) fn once(
        &mut self,
        seen: &mut HashMap<String, usize>,
        value: &Spanned<String>,
        what: &str,
    ) {
        let place = value.span().start;
        if let Some(first) = seen.insert(value.get_ref().clone(), place) {
            let line = Position::of(self.text, first).line;
            let found = value.get_ref();
            self.refuse(
                value,
                format!("found {found:?} again, which line {line} has already, expected one table for a {what}"),
            );
        }
    }

    /// A path, relative to the directory of the file.
    pub(super) fn path(&mut self, value: Option<&Spanned<String>>, default: &str) -> PathBuf {
        let Some(value) = value else {
            return default.into();
        };
        if value.get_ref().is_empty() || value.get_ref().contains('\0') {
            self.refuse(
                value,
                format!("found {:?}, expected a path", value.get_ref()),
            );
        }
        self.directory.join(value.get_ref())
    }

    fn socket(&mut self, file: &File) -> PathBuf {
        let path = self.path(file.control_socket.as_ref(), DEFAULT_SOCKET);
        let octets = path.as_os_str().len();
        if let Some(value) = &file.control_socket
            && octets > MAX_SOCKET_PATH
        {
            self.refuse(
                value,
                format!("found a path of {octets} octets, expected at most {MAX_SOCKET_PATH} for a Unix socket"),
            );
        }
        path
    }

    fn address(&mut self, value: &Spanned<String>) -> Option<SocketAddr> {
        let address = value.get_ref().parse::<SocketAddr>().ok();
        if address.is_none_or(|address| address.port() == 0) {
            self.refuse(
                value,
                format!(
                    "found {:?}, expected an address with a port, as \"[2001:db8:a::10]:7446\"",
                    value.get_ref()
                ),
            );
        }
        address
    }

    fn addresses(&mut self, list: &Spanned<Vec<Spanned<String>>>) -> Vec<SocketAddr> {
        self.count(list, "addresses");
        let mut addresses = Vec::new();
        for value in list.get_ref() {
            let Some(address) = self.address(value) else {
                continue;
            };
            if addresses.contains(&address) {
                self.refuse(value, format!("found {address} twice, expected it once"));
            }
            addresses.push(address);
        }
        addresses
    }

    fn count<T>(&mut self, list: &Spanned<Vec<T>>, what: &str) {
        let count = list.get_ref().len();
        if count == 0 || count > MAX_ENTRIES {
            self.refuse(
                list,
                format!("found {count} {what}, expected 1 to {MAX_ENTRIES}"),
            );
        }
    }

    fn network(&mut self, table: &NetworkTable) -> Option<Network> {
        self.count(&table.locators, "Locators");
        let mut locators = Vec::new();
        for value in table.locators.get_ref() {
            let Some(locator) = self.parsed::<Locator>(value) else {
                continue;
            };
            if !locator.is_usable() {
                self.refuse(
                    value,
                    format!("found {locator}, expected a Locator that packets can be sent to (not unspecified, loopback, link-local or multicast)"),
                );
            } else if locators.contains(&locator) {
                self.refuse(value, format!("found {locator} twice, expected it once"));
            }
            locators.push(locator);
        }
        let router = self.parsed::<Ipv6Addr>(&table.router);
        if router.is_some_and(|router| !router.is_unicast_link_local()) {
            self.refuse(
                &table.router,
                format!(
                    "found {:?}, expected the router's link-local address, as \"fe80::1\"",
                    table.router.get_ref()
                ),
            );
        }
        let router_mac = table.router_mac.as_ref().map(|mac| self.parsed(mac));
        Some(Network {
            locators,
            router: router?,
            router_mac: router_mac.flatten(),
        })
    }

    fn peers(&mut self, tables: &[PeerTable], own: Option<&Site>) -> Vec<Peer> {
        let mut seen = HashMap::new();
        let mut peers = Vec::new();
        for table in tables {
            self.once(&mut seen, &table.site, "site");
            let (site, address) = (
                self.parsed::<Site>(&table.site),
                self.address(&table.address),
            );
            if site.as_ref() == own && site.is_some() {
                self.refuse(
                    &table.site,
                    format!(
                        "found {:?}, which is this site itself, expected another one",
                        table.site.get_ref()
                    ),
                );
            }
            if let (Some(site), Some(address)) = (site, address) {
                peers.push(Peer { site, address });
            }
        }
        peers
    }
}
