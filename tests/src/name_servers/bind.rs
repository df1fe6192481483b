//! BIND's configuration.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use experiments::process::unconfined;

use super::{Grant, Role, Setup, Zone};

pub(super) fn prepare(setup: &Setup<'_>, directory: &Path) -> anyhow::Result<Command> {
    let mut text = options(setup, directory);
    for key in &setup.keys {
        text.push_str(&key.text());
    }
    for zone in &setup.zones {
        text.push_str(&stanza(zone, directory)?);
    }
    let config = directory.join("named.conf");
    fs::write(&config, text)?;
    // `env` starts whatever its first words are.
    let mut command = Command::new("env");
    command.args(unconfined("named"));
    command.arg("-g").arg("-c").arg(config);
    if setup.core.is_some() {
        command.args(["-n", "1"]);
    }
    Ok(command)
}

/// Tells secondaries at once: the defaults hold changes back for five seconds.
fn options(setup: &Setup<'_>, directory: &Path) -> String {
    let upstream = setup.zones.iter().find_map(|zone| match zone.role {
        Role::Stub(server) => Some(server),
        _ => None,
    });
    let listen = match setup.address {
        SocketAddr::V4(own) => format!(
            "listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }};",
            own.port(),
            own.ip()
        ),
        SocketAddr::V6(own) => format!(
            "listen-on {{ none; }}; listen-on-v6 port {} {{ {}; }};",
            own.port(),
            own.ip()
        ),
    };
    // The servers of a static stub zone have no ports of their own.
    let port = upstream.map_or_else(|| setup.address.port(), |server| server.port());
    let recursion = if upstream.is_some() { "yes" } else { "no" };
    format!(
        "options {{\n  directory \"{}\";\n  {listen}\n  port {port};\n  \
         pid-file none; lock-file none; session-keyfile none;\n  \
         update-quota 1000; recursion {recursion}; dnssec-validation no; allow-query {{ any; }};\n  \
         notify-delay 0; serial-query-rate 1000; notify-rate 1000; startup-notify-rate 1000;\n}};\n\
         controls {{ }};\n",
        directory.display()
    )
}

fn stanza(zone: &Zone, directory: &Path) -> anyhow::Result<String> {
    let name = &zone.name;
    let file = format!("{name}.zone");
    let body = match &zone.role {
        Role::Primary {
            text,
            grants,
            notify,
            transfer_key,
        } => {
            fs::write(directory.join(&file), text)?;
            let mut body = format!("type primary; file \"{file}\"; update-policy {{\n");
            for grant in grants {
                let line = policy(grant);
                writeln!(body, "    {line}")?;
            }
            let transfer = transfer_key
                .as_ref()
                .map_or_else(|| "any;".to_owned(), |key| format!("key \"{key}\";"));
            write!(body, "  }}; allow-transfer {{ {transfer} }};")?;
            let told: String = notify.iter().map(|&server| at(server, None)).collect();
            write!(body, " notify explicit; also-notify {{ {told} }};")?;
            body
        }
        Role::Secondary { primary, key } => format!(
            "type secondary; file \"{file}\"; primaries {{ {} }}; \
             notify no; allow-notify {{ any; }}; allow-transfer {{ any; }};",
            at(*primary, key.as_deref())
        ),
        Role::Stub(server) => {
            format!("type static-stub; server-addresses {{ {}; }};", server.ip())
        }
    };
    Ok(format!("zone \"{name}\" {{\n  {body}\n}};\n"))
}

fn policy(grant: &Grant) -> String {
    match grant {
        Grant::Own(types) => format!("grant * self * {};", types.join(" ")),
        Grant::Name { key, name, types } => {
            format!("grant {key} name {name} {};", types.join(" "))
        }
    }
}

fn at(server: SocketAddr, key: Option<&str>) -> String {
    let key = key.map_or_else(String::new, |key| format!(" key \"{key}\""));
    format!("{} port {}{key}; ", server.ip(), server.port())
}
