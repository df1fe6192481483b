//! From the file to the configuration: every value is checked, every mistake is collected.

use std::path::PathBuf;
use std::str::FromStr;

use ilnp_core::id::{HandlePrefix, Locator, Nid, ParseIdError};
use ilnp_core::wire::NonceLength;
use ilnp_service::mistake::{Mistake, Position};
use toml::Spanned;

use super::Config;
use super::file::File;

/// The longest path of a Unix socket, its closing zero left out.
const MAX_SOCKET_PATH: usize = 107;
/// The longest interface name, its closing zero left out.
const MAX_INTERFACE_NAME: usize = 15;

/// Checks every value of `file`, which was read from `text`.
pub(super) fn check(text: &str, file: File) -> Result<Config, Vec<Mistake>> {
    let mut checker = Checker {
        text,
        mistakes: Vec::new(),
    };
    let config = checker.config(&file);
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.position);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(mistakes)
    }
}

/// Collects mistakes.
pub(super) struct Checker<'a> {
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    /// The configuration, with defaults in place of what is wrong.
    fn config(&mut self, file: &File) -> Config {
        self.nonce_policy(file.nonce.as_ref());
        self.checksum(file.checksum.as_ref());
        let nid = file.nid.as_ref().and_then(|value| self.nid(value));
        let handle_prefix = file
            .handle_prefix
            .as_ref()
            .and_then(|value| self.handle_prefix(value))
            .unwrap_or_default();
        let interface_name = self.interface_name(file.interface_name.as_ref());
        Config {
            nid,
            interfaces: file
                .interfaces
                .as_ref()
                .map(|list| self.interfaces(list, &interface_name)),
            interface_name,
            handle_prefix,
            state_dir: self.path(file.state_dir.as_ref(), "/var/lib/ilnp"),
            control_socket: self.socket(file.control_socket.as_ref()),
            pin_dir: self.path(file.pin_dir.as_ref(), "/sys/fs/bpf/ilnp"),
            nonce_length: self.nonce_length(file.nonce_bits.as_ref()),
            correspondents: self.correspondents(&file.correspondent, nid, handle_prefix),
            dns: file.dns.as_ref().and_then(|table| self.dns(table)),
            relocation_port: self.path(
                file.relocation
                    .as_ref()
                    .and_then(|table| table.port.as_ref()),
                &format!("/dev/virtio-ports/{}", ilnp_core::relocation::PORT),
            ),
            resolver: file.resolver.as_ref().map(|table| self.resolver(table)),
        }
    }

    /// Notes a mistake in `value`.
    pub(super) fn refuse<T>(&mut self, value: &Spanned<T>, message: String) {
        self.mistakes.push(Mistake {
            position: Position::of(self.text, value.span().start),
            message,
        });
    }

    fn parsed<T: FromStr<Err = ParseIdError>>(&mut self, value: &Spanned<String>) -> Option<T> {
        let parsed = value.get_ref().parse::<T>();
        if let Err(error) = &parsed {
            self.refuse(
                value,
                format!("found {:?}, expected {}", error.found, error.expected),
            );
        }
        parsed.ok()
    }

    pub(super) fn nid(&mut self, value: &Spanned<String>) -> Option<Nid> {
        let nid: Nid = self.parsed(value)?;
        let Some(reason) = nid.unusable_reason() else {
            return Some(nid);
        };
        self.refuse(
            value,
            format!("found {nid}, expected an identifier that a node can use: {reason}"),
        );
        None
    }

    fn handle_prefix(&mut self, value: &Spanned<String>) -> Option<HandlePrefix> {
        let prefix: HandlePrefix = self.parsed(value)?;
        if prefix.locator().is_usable() {
            return Some(prefix);
        }
        self.refuse(
            value,
            format!("found {prefix}, expected a prefix that addresses can be made of"),
        );
        None
    }

    pub(super) fn locator(
        &mut self,
        value: &Spanned<String>,
        handles: HandlePrefix,
    ) -> Option<Locator> {
        let locator: Locator = self.parsed(value)?;
        if handles.alias_of(locator).is_some() {
            self.refuse(
                value,
                format!("found {locator}, which handles are made of, expected a Locator that packets can be sent to"),
            );
        } else if !locator.is_usable() {
            self.refuse(
                value,
                format!("found {locator}, expected a Locator that packets can be sent to (not unspecified, loopback, link-local or multicast)"),
            );
        }
        Some(locator)
    }

    fn nonce_policy(&mut self, value: Option<&Spanned<String>>) {
        match value.map(|value| (value, value.get_ref().as_str())) {
            None | Some((_, "always")) => {}
            Some((value, "initial")) => self.refuse(
                value,
                "found \"initial\", expected \"always\": a correspondent could not tell later packets, \
                 without a Nonce, from classic IPv6, and anybody could forge them"
                    .to_owned(),
            ),
            Some((value, other)) => {
                self.refuse(value, format!("found {other:?}, expected \"always\""));
            }
        }
    }

    fn nonce_length(&mut self, value: Option<&Spanned<i64>>) -> NonceLength {
        match value.map(|value| (value, *value.get_ref())) {
            None | Some((_, 96)) => NonceLength::Long,
            Some((_, 32)) => NonceLength::Short,
            Some((value, other)) => {
                self.refuse(
                    value,
                    format!("found {other}, expected 96 or 32 (RFC 6744 §2)"),
                );
                NonceLength::Long
            }
        }
    }

    fn checksum(&mut self, value: Option<&Spanned<String>>) {
        if let Some(value) = value
            && value.get_ref() != "ilnp"
        {
            self.refuse(
                value,
                format!(
                    "found {:?}, expected \"ilnp\" (RFC 6744 §3)",
                    value.get_ref()
                ),
            );
        }
    }

    pub(super) fn path(&mut self, value: Option<&Spanned<String>>, default: &str) -> PathBuf {
        let Some(value) = value else {
            return default.into();
        };
        let path = PathBuf::from(value.get_ref());
        if !path.is_absolute() || value.get_ref().contains('\0') {
            self.refuse(
                value,
                format!(
                    "found {:?}, expected an absolute path, as {default:?}",
                    value.get_ref()
                ),
            );
        }
        path
    }

    fn socket(&mut self, value: Option<&Spanned<String>>) -> PathBuf {
        let path = self.path(value, "/run/ilnp/hostd.sock");
        let octets = path.as_os_str().len();
        if let Some(value) = value
            && octets > MAX_SOCKET_PATH
        {
            self.refuse(
                value,
                format!("found a path of {octets} octets, expected at most {MAX_SOCKET_PATH} for a Unix socket"),
            );
        }
        path
    }

    fn interface_name(&mut self, value: Option<&Spanned<String>>) -> String {
        match value {
            None => "ilnp0".to_owned(),
            Some(value) => self.interface(value),
        }
    }

    fn interface(&mut self, value: &Spanned<String>) -> String {
        let name = value.get_ref();
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || "/:%".contains(c);
        if name.is_empty() || name.len() > MAX_INTERFACE_NAME {
            self.refuse(
                value,
                format!(
                    "found {name:?}, expected an interface name of 1 to {MAX_INTERFACE_NAME} octets"
                ),
            );
        } else if name == "." || name == ".." || name.contains(forbidden) {
            self.refuse(
                value,
                format!(
                    "found {name:?}, expected an interface name (without spaces, '/', ':' and '%')"
                ),
            );
        }
        name.clone()
    }

    fn interfaces(&mut self, list: &Spanned<Vec<Spanned<String>>>, own: &str) -> Vec<String> {
        if list.get_ref().is_empty() {
            self.refuse(
                list,
                "found no interface, expected at least one (leave the key out to use every suitable interface)".to_owned(),
            );
        }
        let mut names = Vec::new();
        for value in list.get_ref() {
            let name = self.interface(value);
            if names.contains(&name) {
                self.refuse(value, format!("found {name:?} twice, expected it once"));
            } else if name == own {
                self.refuse(
                    value,
                    format!("found {name:?}, which is the ILNP interface itself, expected one that leads to the network"),
                );
            }
            names.push(name);
        }
        names
    }

    /// The line of the octet at `offset`.
    pub(super) fn line(&self, offset: usize) -> usize {
        Position::of(self.text, offset).line
    }
}
