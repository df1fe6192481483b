//! The configuration of `ilnp-dnsd`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::{Grant, Role, Setup};

pub(super) fn prepare(setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
    let mut key_files = vec![];
    for key in &setup.keys {
        key.write(directory)?;
        key_files.push(format!("{}.key", key.name));
    }
    let mut text = format!(
        "listen = [\"{}\"]\nstate-dir = \"{}\"\nkey-files = {key_files:?}\n",
        setup.address,
        directory.join("state").display()
    );
    for zone in &setup.zones {
        let Role::Primary {
            text: records,
            grants,
            notify,
            transfer_key,
        } = &zone.role
        else {
            bail!("ilnp-dnsd is a primary only");
        };
        let name = &zone.name;
        fs::write(directory.join(format!("{name}.zone")), records)?;
        let notify: Vec<String> = notify.iter().map(ToString::to_string).collect();
        writeln!(
            text,
            "\n[[zone]]\nname = \"{name}\"\nfile = \"{name}.zone\"\nnotify = {notify:?}"
        )?;
        if let Some(key) = transfer_key {
            writeln!(text, "transfer-key = \"{key}\"")?;
        }
        for grant in grants {
            text.push_str(&permission(grant, name, setup)?);
        }
    }
    let config = directory.join("dnsd.toml");
    fs::write(&config, text)?;
    let mut command = Command::new(crate::program("ilnp-dnsd"));
    command.arg("--config").arg(config);
    Ok(command)
}

fn permission(grant: &Grant, zone: &str, setup: &Setup<'_>) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut add = |key: &str, name: &str, types: &[&str]| {
        writeln!(
            text,
            "[[zone.grant]]\nkey = \"{key}\"\nname = \"{name}\"\ntypes = {types:?}"
        )
    };
    match grant {
        Grant::Own(types) => {
            // A key of transfers has no name of its own in the zone.
            let keys = setup.keys.iter();
            for key in keys.filter(|key| key.name.ends_with(zone)) {
                add(&key.name, &key.name, types)?;
            }
        }
        Grant::Name { key, name, types } => add(key, name, types)?,
    }
    Ok(text)
}
