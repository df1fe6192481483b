//! Knot's configuration.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::{Grant, Role, Setup, Zone};

/// The sections that refer to each other; Knot wants them in this order.
#[derive(Default)]
struct Sections {
    remotes: String,
    acls: String,
    zones: String,
}

pub(super) fn prepare(setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
    let place = directory.display();
    let mut text = format!(
        "server:\n    rundir: \"{place}\"\n    listen: {}\n",
        at(setup.address)
    );
    if setup.core.is_some() {
        text.push_str("    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n");
    }
    write!(
        text,
        "log:\n  - target: stderr\n    any: info\ndatabase:\n    storage: \"{place}\"\nkey:\n"
    )?;
    for key in &setup.keys {
        let (name, algorithm, secret) = (&key.name, &key.algorithm, &key.secret);
        writeln!(
            text,
            "  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}"
        )?;
    }
    let mut sections = Sections::default();
    for zone in &setup.zones {
        sections.add(zone, setup, directory)?;
    }
    let Sections {
        remotes,
        acls,
        zones,
    } = sections;
    write!(text, "remote:\n{remotes}acl:\n{acls}zone:\n{zones}")?;
    let config = directory.join("knot.conf");
    fs::write(&config, text)?;
    let mut command = Command::new("knotd");
    command.arg("-c").arg(config);
    Ok(command)
}

impl Sections {
    fn add(&mut self, zone: &Zone, setup: &Setup<'_>, directory: &Path) -> anyhow::Result<()> {
        let name = &zone.name;
        let file = directory.join(format!("{name}.zone"));
        let mut body = format!("  - domain: {name}\n    file: \"{}\"\n", file.display());
        match &zone.role {
            Role::Primary {
                text,
                grants,
                notify,
                transfer_key,
            } => {
                fs::write(file, text)?;
                let told: Vec<String> = (notify.iter())
                    .map(|&server| self.remote(server, None))
                    .collect::<Result<_, _>>()?;
                let mut rules = vec![self.rule("transfer", transfer_key.as_deref(), "")?];
                for grant in grants {
                    rules.extend(self.grant(grant, setup)?);
                }
                write!(
                    body,
                    "    zonefile-sync: -1\n    zonefile-load: difference\n    \
                     journal-content: all\n    serial-policy: increment\n    acl: [{}]\n",
                    rules.join(", ")
                )?;
                // An empty list is an error to Knot.
                if !told.is_empty() {
                    writeln!(body, "    notify: [{}]", told.join(", "))?;
                }
            }
            Role::Secondary { primary, key } => {
                let primary = self.remote(*primary, key.as_deref())?;
                let mut rules = vec![self.rule("notify, transfer", None, "")?];
                if let Some(key) = key {
                    rules.push(self.rule("notify", Some(key), "")?);
                }
                write!(
                    body,
                    "    master: {primary}\n    acl: [{}]\n",
                    rules.join(", ")
                )?;
            }
            Role::Stub(_) => bail!("Knot is no resolver"),
        }
        self.zones.push_str(&body);
        Ok(())
    }

    /// The updates that a grant allows. Knot takes a key out of the rule when it is the owner.
    fn grant(&mut self, grant: &Grant, setup: &Setup<'_>) -> anyhow::Result<Vec<String>> {
        match grant {
            Grant::Own(types) => {
                let what = format!(
                    "    update-owner: key\n    update-owner-match: equal\n    update-type: [{}]\n",
                    types.join(", ")
                );
                (setup.keys.iter())
                    .map(|key| self.rule("update", Some(&key.name), &what))
                    .collect()
            }
            Grant::Name { key, name, types } => {
                let what = format!(
                    "    update-owner: name\n    update-owner-match: equal\n    \
                     update-owner-name: [{name}.]\n    update-type: [{}]\n",
                    types.join(", ")
                );
                Ok(vec![self.rule("update", Some(key), &what)?])
            }
        }
    }

    fn rule(&mut self, action: &str, key: Option<&str>, what: &str) -> anyhow::Result<String> {
        let id = format!("acl-{}", self.acls.matches("- id:").count());
        writeln!(self.acls, "  - id: {id}\n    action: [{action}]")?;
        if let Some(key) = key {
            writeln!(self.acls, "    key: {key}")?;
        }
        self.acls.push_str(what);
        Ok(id)
    }

    fn remote(&mut self, server: SocketAddr, key: Option<&str>) -> anyhow::Result<String> {
        let id = format!("remote-{}", self.remotes.matches("- id:").count());
        writeln!(self.remotes, "  - id: {id}\n    address: {}", at(server))?;
        if let Some(key) = key {
            writeln!(self.remotes, "    key: {key}")?;
        }
        Ok(id)
    }
}

fn at(server: SocketAddr) -> String {
    format!("{}@{}", server.ip(), server.port())
}
