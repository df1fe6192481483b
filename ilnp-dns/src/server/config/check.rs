//! From the file to the configuration: every value is checked, every mistake is collected.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;

use super::file::{File, GrantTable, ZoneTable};
use super::{Config, ZoneConfig};
use crate::key::TsigKey;
use crate::name::Name;
use crate::record::RecordType;
use crate::zone::Grant;
use ilnp_service::mistake::{FileError, Mistake, Position};

/// Checks every value of `file`, which was read from `text` in `directory`.
pub(super) fn check(
    text: &str,
    directory: &Path,
    file: &File,
    read_key: impl Fn(&Path) -> Result<TsigKey, FileError>,
) -> Result<Config, Vec<Mistake>> {
    let mut checker = Checker {
        text,
        directory,
        keys: Vec::new(),
        mistakes: Vec::new(),
    };
    checker.read_keys(&file.key_files, read_key);
    let config = checker.config(file);
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.position);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(mistakes)
    }
}

/// Collects mistakes.
struct Checker<'a> {
    text: &'a str,
    directory: &'a Path,
    keys: Vec<Arc<TsigKey>>,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    /// The configuration, with anything in place of what is wrong.
    fn config(&mut self, file: &File) -> Config {
        let state_dir = file.state_dir.as_ref().map(|value| self.path(value));
        let mut zones: Vec<ZoneConfig> = Vec::new();
        for table in &file.zone {
            let zone = self.zone(table);
            if zones.iter().any(|other| other.name == zone.name) {
                self.refuse(
                    &table.name,
                    format!("found {} twice, expected it once", zone.name),
                );
            }
            zones.push(zone);
        }
        Config {
            listen: self.listen(file.listen.as_ref()),
            state_dir: state_dir.unwrap_or_else(|| "/var/lib/ilnp-dnsd".into()),
            keys: self.keys.clone(),
            aaaa_additional: file.aaaa_additional.unwrap_or(true),
            zones,
        }
    }

    fn read_keys(
        &mut self,
        files: &[Spanned<String>],
        read: impl Fn(&Path) -> Result<TsigKey, FileError>,
    ) {
        for value in files {
            let path = self.path(value);
            match read(&path) {
                Err(error) => self.refuse(value, chain(&error)),
                Ok(key) if self.has_key(key.name()) => {
                    self.refuse(
                        value,
                        format!("found the key {} twice, expected it once", key.name()),
                    );
                }
                Ok(key) => self.keys.push(Arc::new(key)),
            }
        }
    }

    fn has_key(&self, name: &Name) -> bool {
        self.keys.iter().any(|key| key.name() == name)
    }

    fn zone(&mut self, table: &ZoneTable) -> ZoneConfig {
        let name = self.name(&table.name);
        ZoneConfig {
            file: self.path(&table.file),
            notify: self.addresses(&table.notify),
            transfer_key: table.transfer_key.as_ref().map(|key| self.key(key)),
            grants: table
                .grant
                .iter()
                .map(|grant| self.grant(grant, &name))
                .collect(),
            name,
        }
    }

    fn grant(&mut self, table: &GrantTable, zone: &Name) -> Grant {
        let name = self.name(&table.name);
        if !name.is_within(zone) {
            self.refuse(
                &table.name,
                format!("found {name}, expected a name within the zone {zone}"),
            );
        }
        if table.types.get_ref().is_empty() {
            self.refuse(
                &table.types,
                "found no type, expected at least one, as in [\"NID\", \"L64\", \"AAAA\"]"
                    .to_owned(),
            );
        }
        Grant {
            key: self.key(&table.key),
            name,
            types: table
                .types
                .get_ref()
                .iter()
                .map(|value| self.record_type(value))
                .collect(),
        }
    }

    fn listen(&mut self, list: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<SocketAddr> {
        let Some(list) = list else {
            return vec![SocketAddr::from(([0_u16; 8], 53))];
        };
        if list.get_ref().is_empty() {
            self.refuse(
                list,
                "found no address, expected at least one, as in [\"[::]:53\"]".to_owned(),
            );
        }
        self.addresses(list.get_ref())
    }

    fn addresses(&mut self, list: &[Spanned<String>]) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for value in list {
            let Ok(address) = value.get_ref().parse() else {
                self.refuse(
                    value,
                    format!(
                        "found {:?}, expected an address and a port, as in \"[2001:db8::53]:53\"",
                        value.get_ref()
                    ),
                );
                continue;
            };
            if addresses.contains(&address) {
                self.refuse(value, format!("found {address} twice, expected it once"));
            }
            addresses.push(address);
        }
        addresses
    }

    /// A name in full, with or without the dot at its end.
    fn name(&mut self, value: &Spanned<String>) -> Name {
        let text = value.get_ref();
        let dot = if text.ends_with('.') { "" } else { "." };
        format!("{text}{dot}").parse().unwrap_or_else(|error| {
            self.refuse(
                value,
                format!("found {text:?}, expected a domain name: {error}"),
            );
            Name::root()
        })
    }

    /// The name of a key that is in one of the key files.
    fn key(&mut self, value: &Spanned<String>) -> Name {
        let name = self.name(value);
        // One mistake is told once: the file of this key may be the one that cannot be read.
        if !self.has_key(&name) && self.mistakes.is_empty() {
            self.refuse(
                value,
                format!("found {name}, expected a key of one of the key-files"),
            );
        }
        name
    }

    fn record_type(&mut self, value: &Spanned<String>) -> RecordType {
        RecordType::from_mnemonic(value.get_ref()).unwrap_or_else(|| {
            self.refuse(
                value,
                format!(
                    "found {:?}, expected a record type, as \"L64\" or \"TYPE106\"",
                    value.get_ref()
                ),
            );
            RecordType::ANY
        })
    }

    fn path(&mut self, value: &Spanned<String>) -> PathBuf {
        if value.get_ref().is_empty() {
            self.refuse(value, "found \"\", expected a path".to_owned());
        }
        self.directory.join(value.get_ref())
    }

    /// Notes a mistake in `value`.
    fn refuse<T>(&mut self, value: &Spanned<T>, message: String) {
        self.mistakes.push(Mistake {
            position: Position::of(self.text, value.span().start),
            message,
        });
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
