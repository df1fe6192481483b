//! What the software of a name server reads: its configuration and the zone.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::keys::{Keys, TRANSFER};

/// How long resolvers may keep what is in the zone, its absence too. A host that has just come is
/// to be found by who asked for it before.
const TTL: u32 = 5;

/// What a server does, whatever its software is.
pub(super) struct Role<'a> {
    pub(super) name: &'a str,
    pub(super) zone: &'a str,
    /// The server that it copies the zone from; it is the primary itself without one.
    pub(super) primary: Option<Ipv6Addr>,
    /// Whom it notifies.
    pub(super) secondaries: Vec<Ipv6Addr>,
    /// Every server of the zone.
    pub(super) servers: Vec<(&'a str, Ipv6Addr)>,
    /// The names of the hosts that publish themselves with it.
    pub(super) publishers: Vec<&'a str>,
    pub(super) keys: &'a Keys,
    /// A folder of its own for what it keeps.
    pub(super) state: PathBuf,
}

impl Role<'_> {
    /// Where the primary server finds the zone.
    pub(super) fn zone_file(&self) -> PathBuf {
        self.state.join("zone")
    }

    /// The zone before any host has published itself.
    pub(super) fn zone_text(&self) -> String {
        let mut text = format!(
            "$ORIGIN {zone}.\n$TTL {TTL}\n@ SOA {name} hostmaster 1 3600 600 86400 {TTL}\n",
            zone = self.zone,
            name = self.name,
        );
        // Writing to a string does not fail, here and below.
        for (name, address) in &self.servers {
            let _ = writeln!(text, "@ NS {name}\n{name} AAAA {address}");
        }
        text
    }

    /// The configuration of ilnp-dnsd.
    pub(super) fn dnsd_configuration(&self) -> String {
        let quoted = |words: Vec<String>| {
            let words = words.iter().map(|word| format!("\"{word}\""));
            words.collect::<Vec<_>>().join(", ")
        };
        let keys = self.keys.files().map(|file| file.display().to_string());
        let notified = self.secondaries.iter().map(|to| format!("[{to}]:53"));
        let mut text = format!(
            "listen = [\"[::]:53\"]\nstate-dir = \"{state}\"\nkey-files = [{keys}]\n\n\
             [[zone]]\nname = \"{zone}\"\nfile = \"{file}\"\nnotify = [{notified}]\n\
             transfer-key = \"{TRANSFER}\"\n",
            state = self.state.display(),
            keys = quoted(keys.collect()),
            zone = self.zone,
            file = self.zone_file().display(),
            notified = quoted(notified.collect()),
        );
        for name in &self.publishers {
            let _ = write!(
                text,
                "\n[[zone.grant]]\nkey = \"{name}\"\nname = \"{name}\"\n\
                 types = [\"NID\", \"L64\", \"LP\", \"AAAA\"]\n",
            );
        }
        text
    }

    /// The configuration of BIND, as primary or as secondary server.
    pub(super) fn bind_configuration(&self) -> String {
        let mut text = String::new();
        for file in self.keys.files() {
            let _ = writeln!(text, "include \"{}\";", file.display());
        }
        // By default BIND waits five seconds before it notifies, and asks for the state of a zone
        // a few times a second at most.
        let _ = write!(
            text,
            "options {{\n\tdirectory \"{state}\";\n\tpid-file none;\n\tsession-keyfile none;\n\
             \tlock-file none;\n\tlisten-on {{ none; }};\n\tlisten-on-v6 {{ any; }};\n\
             \trecursion no;\n\tdnssec-validation no;\n\tnotify-delay 0;\n\tnotify-rate 1000;\n\
             \tserial-query-rate 1000;\n}};\ncontrols {{ }};\nzone \"{zone}\" {{\n",
            state = self.state.display(),
            zone = self.zone,
        );
        match self.primary {
            Some(primary) => {
                let _ = writeln!(
                    text,
                    "\ttype secondary;\n\tfile \"copy\";\n\tnotify no;\n\
                     \tprimaries {{ {primary} key {TRANSFER}; }};",
                );
            }
            None => {
                let notified = self.secondaries.iter();
                let notified: String = notified
                    .map(|to| format!("{to} key {TRANSFER}; "))
                    .collect();
                let _ = writeln!(
                    text,
                    "\ttype primary;\n\tfile \"{file}\";\n\
                     \tupdate-policy {{ grant * self * NID L64 LP AAAA; }};\n\
                     \tallow-transfer {{ key {TRANSFER}; }};\n\
                     \tnotify explicit;\n\talso-notify {{ {notified}}};",
                    file = self.zone_file().display(),
                );
            }
        }
        text.push_str("};\n");
        text
    }
}
