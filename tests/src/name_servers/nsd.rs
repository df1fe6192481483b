//! NSD's configuration.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::{Role, Setup};

pub(super) fn prepare(setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
    let place = directory.display();
    let mut text = format!(
        "server:\n    ip-address: {}\n    username: \"\"\n    chroot: \"\"\n    \
         zonesdir: \"{place}\"\n    database: \"\"\n    pidfile: \"{place}/nsd.pid\"\n    \
         xfrdfile: \"{place}/xfrd.state\"\n    xfrdir: \"{place}\"\n    \
         zonelistfile: \"{place}/zone.list\"\n    xfrd-reload-timeout: 0\n    server-count: 1\n    \
         verbosity: 2\nremote-control:\n    control-enable: no\n",
        at(setup.address)
    );
    for key in &setup.keys {
        writeln!(
            text,
            "key:\n    name: \"{}\"\n    algorithm: {}\n    secret: \"{}\"",
            key.name, key.algorithm, key.secret
        )?;
    }
    for zone in &setup.zones {
        let name = &zone.name;
        writeln!(
            text,
            "zone:\n    name: \"{name}\"\n    zonefile: \"{name}.zone\""
        )?;
        match &zone.role {
            Role::Primary {
                text: records,
                notify,
                ..
            } => {
                fs::write(directory.join(format!("{name}.zone")), records)?;
                for &server in notify {
                    writeln!(text, "    notify: {} NOKEY", at(server))?;
                }
            }
            Role::Secondary { primary, key } => {
                let key = key.as_deref();
                let (source, all) = (primary.ip(), "0.0.0.0/0");
                let anybody = if source.is_ipv4() { all } else { "::/0" };
                writeln!(text, "    allow-notify: {anybody} NOKEY")?;
                if let Some(key) = key {
                    writeln!(text, "    allow-notify: {anybody} {key}")?;
                }
                let key = key.unwrap_or("NOKEY");
                writeln!(text, "    request-xfr: {} {key}", at(*primary))?;
            }
            Role::Stub(_) => bail!("NSD is no resolver"),
        }
        text.push_str("    provide-xfr: 0.0.0.0/0 NOKEY\n    provide-xfr: ::/0 NOKEY\n");
    }
    let config = directory.join("nsd.conf");
    fs::write(&config, text)?;
    let mut command = Command::new("nsd");
    command.arg("-d").arg("-c").arg(config);
    Ok(command)
}

fn at(server: SocketAddr) -> String {
    format!("{}@{}", server.ip(), server.port())
}
