//! The part of the check that concerns `[[guest]]`.

use std::collections::HashMap;
use std::path::Path;

use toml::Spanned;

use super::check::Checker;
use super::file::{DiskTable, GuestTable};
use super::{Guest, Hypervisor, quantity};
use crate::{libvirt, qemu};

/// The longest text that a libvirt domain or URI has.
const MAX_TEXT: usize = 256;

impl Checker<'_> {
    /// Checks every `[[guest]]`.
    pub(super) fn guests(
        &mut self,
        tables: &[GuestTable],
        run_dir: &Path,
        state_dir: &Path,
    ) -> Vec<Guest> {
        let mut seen = HashMap::new();
        let mut guests = Vec::new();
        for table in tables {
            self.once(&mut seen, &table.name, "guest");
            let hypervisor = match table
                .hypervisor
                .as_ref()
                .map(|kind| kind.get_ref().as_str())
            {
                None | Some("qemu") => self.qemu(table, run_dir, state_dir),
                Some("libvirt") => self.libvirt(table, run_dir, state_dir),
                Some(other) => {
                    if let Some(kind) = &table.hypervisor {
                        self.refuse(
                            kind,
                            format!("found {other:?}, expected \"qemu\" or \"libvirt\""),
                        );
                    }
                    None
                }
            };
            guests.extend(hypervisor.map(|hypervisor| Guest {
                name: table.name.get_ref().clone(),
                hypervisor,
            }));
        }
        guests
    }

    fn qemu(&mut self, table: &GuestTable, run_dir: &Path, state_dir: &Path) -> Option<Hypervisor> {
        for value in [&table.domain, &table.uri].into_iter().flatten() {
            self.refuse(
                value,
                "found a key of libvirt guests: expected hypervisor = \"libvirt\" beside it, or nothing",
            );
        }
        let memory = self.memory(table);
        let text = |value: &Option<Spanned<String>>, default: &str| {
            value
                .as_ref()
                .map_or_else(|| default.to_owned(), |value| value.get_ref().clone())
        };
        let machine = self.required(table, &table.machine, "machine");
        let cpu = self.required(table, &table.cpu, "cpu");
        let settings = qemu::Settings {
            name: table.name.get_ref().clone(),
            program: text(&table.program, "qemu-system-x86_64").into(),
            accelerator: text(&table.accelerator, "kvm"),
            processors: table
                .processors
                .as_ref()
                .map_or(1, |value| *value.get_ref()),
            arguments: table
                .arguments
                .as_ref()
                .map(|list| list.get_ref().clone())
                .unwrap_or_default(),
            port: table.port.as_ref().is_some_and(|port| *port.get_ref()),
            disks: table.disk.iter().map(|disk| self.disk(disk)).collect(),
            run_dir: run_dir.to_owned(),
            state_dir: state_dir.to_owned(),
            machine: machine?,
            cpu: cpu?,
            memory: memory?,
        };
        if let Err(error) = settings.validate() {
            self.refuse(&table.name, error.to_string());
        }
        Some(Hypervisor::Qemu(Box::new(settings)))
    }

    fn memory(&mut self, table: &GuestTable) -> Option<u64> {
        let text = self.required(table, &table.memory, "memory")?;
        match quantity::octets(&text) {
            Ok(octets) => Some(octets),
            Err(error) => {
                self.refuse(table.memory.as_ref()?, error.to_string());
                None
            }
        }
    }

    /// A text that a guest in a QEMU must have: sites would differ in what they take for it.
    fn required(
        &mut self,
        table: &GuestTable,
        value: &Option<Spanned<String>>,
        key: &str,
    ) -> Option<String> {
        if value.is_none() {
            let name = table.name.get_ref();
            self.refuse(
                &table.name,
                format!(
                    "found no {key} for {name:?}, expected one: it must be the same at every site"
                ),
            );
        }
        value.as_ref().map(|value| value.get_ref().clone())
    }

    fn disk(&mut self, table: &DiskTable) -> qemu::DiskSettings {
        let base = table.base.as_ref();
        qemu::DiskSettings {
            id: table.id.get_ref().clone(),
            base: base.map(|base| self.path(Some(base), "")),
            overlay: self.path(Some(&table.overlay), ""),
        }
    }

    /// Everything else about it is libvirt's business.
    fn libvirt(
        &mut self,
        table: &GuestTable,
        run_dir: &Path,
        state_dir: &Path,
    ) -> Option<Hypervisor> {
        let texts = [
            &table.program,
            &table.machine,
            &table.cpu,
            &table.memory,
            &table.accelerator,
        ];
        for value in texts.into_iter().flatten() {
            self.not_for_libvirt(value);
        }
        if let Some(value) = &table.processors {
            self.not_for_libvirt(value);
        }
        if let Some(value) = &table.arguments {
            self.not_for_libvirt(value);
        }
        if let Some(value) = &table.port {
            self.not_for_libvirt(value);
        }
        for disk in &table.disk {
            self.not_for_libvirt(&disk.id);
        }
        for value in [&table.domain, &table.uri].into_iter().flatten() {
            let text = value.get_ref();
            if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                self.refuse(
                    value,
                    format!("found {text:?}, expected 1 to {MAX_TEXT} printable characters"),
                );
            } else if text.starts_with('-') {
                self.refuse(
                    value,
                    format!("found {text:?}, which `virsh` would take for an option"),
                );
            }
        }
        if let Err(why) = qemu::check_name(table.name.get_ref()) {
            let name = table.name.get_ref();
            self.refuse(&table.name, format!("the guest name {name:?} {why}"));
        }
        let domain = self.required(table, &table.domain, "domain");
        let uri = table.uri.as_ref().map(|uri| uri.get_ref().clone());
        Some(Hypervisor::Libvirt(libvirt::Domain {
            guest: table.name.get_ref().clone(),
            uri: uri.unwrap_or_else(|| "qemu:///system".to_owned()),
            name: domain?,
            directory: run_dir.to_owned(),
            state_directory: state_dir.to_owned(),
        }))
    }

    fn not_for_libvirt<T>(&mut self, value: &Spanned<T>) {
        self.refuse(
            value,
            "found a key of QEMU guests: libvirt's own definition of the domain says this, expected domain and uri alone",
        );
    }
}
