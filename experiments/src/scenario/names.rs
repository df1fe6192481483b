//! Names in a scenario: servers, hosts that publish themselves, and hosts that look others up.

use std::collections::HashSet;

use ilnp_dns::name::Name;
use serde::{Deserialize, Serialize};

use super::validate::{Invalid, Path, names};
use super::{Protocols, Scenario, Workload};

/// The longest name that a scenario may use; host name and zone fit in a line of a report.
const LONGEST_NAME: usize = 80;
/// Each has a process and an address of its own.
const MOST_SERVERS: usize = 8;

/// A name server: a machine of its own at a site, with an address that never changes:
/// `<first prefix>::53` for the first of the scenario, `::54` for the second, and so on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NameServer {
    /// At most ten letters, digits and hyphens; no host has the same.
    pub name: String,
    /// The site that it stands at.
    pub site: String,
    /// What runs on it.
    pub kind: Software,
    /// The zone that it is the primary server of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The primary server whose zone it copies, which notifies it of changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_of: Option<String>,
}

/// The software of a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Software {
    /// The server of this project; only as primary.
    IlnpDnsd,
    /// ISC BIND.
    Bind,
}

impl Software {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::IlnpDnsd => "ilnp-dnsd",
            Self::Bind => "BIND",
        }
    }
}

/// A host publishes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dns {
    /// Its name, as `vm1.example.org`.
    pub name: String,
    /// The name servers that it sends its updates to.
    pub primaries: Vec<String>,
}

/// A host's programs look names up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Resolver {
    /// The name servers that the stub resolver of the host asks.
    pub upstreams: Vec<String>,
}

impl Scenario {
    /// The name server with this name.
    pub fn name_server(&self, name: &str) -> Option<&NameServer> {
        self.name_servers.iter().find(|server| server.name == name)
    }

    /// The zone of a server, its own or that of its primary.
    pub fn zone_of<'a>(&'a self, server: &'a NameServer) -> Option<&'a str> {
        let primary = || self.name_server(server.secondary_of.as_deref()?);
        let zone = server.zone.as_ref();
        zone.or_else(|| primary()?.zone.as_ref())
            .map(String::as_str)
    }

    pub(super) fn validate_names(&self) -> Result<(), Invalid> {
        let (top, mut known) = (Path::TOP, HashSet::new());
        top.key("name-server").check(
            self.name_servers.len() <= MOST_SERVERS,
            "a scenario has up to 8 name servers",
        )?;
        for (index, server) in self.name_servers.iter().enumerate() {
            let at = top.item("name-server", index);
            at.key("name").check_name(&server.name)?;
            at.key("name").check(
                known.insert(&server.name) && self.host(&server.name).is_none(),
                format_args!("two machines are called \"{}\"", server.name),
            )?;
            self.check_site(&at.key("site"), &server.site)?;
            self.validate_role(server, &at)?;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let at = top.item("host", index);
            if let Some(dns) = &host.dns {
                self.validate_dns(dns, &at.key("dns"))?;
            }
            if let Some(resolver) = &host.resolver {
                let at = at.key("resolver").key("upstreams");
                at.check(!resolver.upstreams.is_empty(), "a resolver needs a server")?;
                let mut upstreams = resolver.upstreams.iter();
                upstreams.try_for_each(|name| self.check_server(&at, name).map(drop))?;
            }
            at.key("ilnp").check(
                host.ilnp || (host.dns.is_none() && host.resolver.is_none()),
                "only the daemon of a host publishes it and resolves names",
            )?;
        }
        Ok(())
    }

    /// A server is the primary of a zone, or copies another's.
    fn validate_role(&self, server: &NameServer, at: &Path) -> Result<(), Invalid> {
        match (&server.zone, &server.secondary_of) {
            (Some(zone), None) => at.key("zone").check(is_host_name(zone), no_name(zone)),
            (None, Some(primary)) => {
                at.key("kind").check(
                    server.kind == Software::Bind,
                    "only BIND is a secondary server here",
                )?;
                let at = at.key("secondary-of");
                let is_primary = self.check_server(&at, primary)?.zone.is_some();
                at.check(
                    is_primary,
                    format_args!("\"{primary}\" is no primary server"),
                )
            }
            _ => Err(at.key("zone").wrong(
                "a server has `zone`, which it is the primary server of, or `secondary-of`",
            )),
        }
    }

    fn validate_dns(&self, dns: &Dns, at: &Path) -> Result<(), Invalid> {
        at.key("name")
            .check(is_host_name(&dns.name), no_name(&dns.name))?;
        let publishers = self.hosts.iter().filter_map(|host| host.dns.as_ref());
        at.key("name").check(
            publishers.filter(|other| other.name == dns.name).count() == 1,
            format_args!("two hosts publish \"{}\"", dns.name),
        )?;
        let at_primaries = at.key("primaries");
        at_primaries.check(
            !dns.primaries.is_empty(),
            "a host publishes itself at one server or more",
        )?;
        for primary in &dns.primaries {
            let zone = self.check_server(&at_primaries, primary)?.zone.as_deref();
            at_primaries.check(
                zone.is_some_and(|zone| is_within(&dns.name, zone)),
                format_args!(
                    "\"{primary}\" is not the primary server of \"{}\"",
                    dns.name
                ),
            )?;
        }
        Ok(())
    }

    pub(super) fn validate_by_name(&self, workload: &Workload, at: &Path) -> Result<(), Invalid> {
        at.check(
            self.protocol == Protocols::Ilnp,
            "names are there over ILNP alone: protocol = \"ilnp\"",
        )?;
        let resolves = self
            .host(&workload.from)
            .is_some_and(|h| h.resolver.is_some());
        let publishes = self.host(&workload.to).is_some_and(|h| h.dns.is_some());
        at.check(
            resolves && publishes,
            format_args!(
                "\"{}\" needs a [host.resolver], and \"{}\" a [host.dns]",
                workload.from, workload.to
            ),
        )
    }

    fn check_server(&self, at: &Path, name: &str) -> Result<&NameServer, Invalid> {
        self.name_server(name).ok_or_else(|| {
            let known = names(self.name_servers.iter().map(|server| &server.name));
            at.wrong(format_args!(
                "no name server is called \"{name}\" (name servers: {known})"
            ))
        })
    }
}

/// Whether a text is a name of letters, digits and hyphens without a dot at its end.
fn is_host_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    text.len() <= LONGEST_NAME && text.bytes().all(plain) && absolute(text).is_some()
}

fn no_name(text: &str) -> String {
    format!("{text:?} is no name of letters, digits, hyphens and dots, as \"vm1.example.org\"")
}

fn is_within(name: &str, zone: &str) -> bool {
    match (absolute(name), absolute(zone)) {
        (Some(name), Some(zone)) => name.is_within(&zone) && name != zone,
        _ => false,
    }
}

fn absolute(text: &str) -> Option<Name> {
    format!("{text}.").parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;

    const GOOD: &str = r#"
name = "names"
protocol = "ilnp"
duration = "10s"
[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]
[[name-server]]
name = "ns1"
site = "a"
kind = "ilnp-dnsd"
zone = "example.org"
[[name-server]]
name = "ns2"
site = "a"
kind = "bind"
secondary-of = "ns1"
[[host]]
name = "vm1"
site = "a"
nid = "0214:4fff:fe20:ee64"
[host.dns]
name = "vm1.example.org"
primaries = ["ns1"]
[[host]]
name = "other"
site = "a"
nid = "0216:6fff:fe22:ee66"
[host.resolver]
upstreams = ["ns2"]
[[workload]]
program = "ssh"
from = "other"
to = "vm1"
by-name = true
at = "5s"
"#;

    #[test]
    fn a_server_has_the_zone_of_its_primary() {
        let scenario = parse(GOOD, "good.toml").unwrap();
        for server in &scenario.name_servers {
            assert_eq!(scenario.zone_of(server), Some("example.org"));
        }
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(parse(&text, "again.toml").unwrap(), scenario);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = [
            (
                "\"bind\"",
                "\"ilnp-dnsd\"",
                "f.toml:16:8: only BIND is a secondary",
            ),
            (
                "secondary-of = \"ns1\"",
                "secondary-of = \"ns2\"",
                "f.toml:17:16: \"ns2\" is no primary",
            ),
            (
                "secondary-of = \"ns1\"",
                "secondary-of = \"ns3\"",
                "f.toml:17:16: no name server is called \"ns3\" (name servers: ns1, ns2)",
            ),
            (
                "secondary-of = \"ns1\"\n",
                "",
                "f.toml:13:1: a server has `zone`",
            ),
            (
                "\"example.org\"",
                "\"exa;mple.org\"",
                "f.toml:12:8: \"exa;mple.org\" is no name",
            ),
            (
                "\"vm1.example.org\"",
                "\"vm1.example.com\"",
                "f.toml:24:13: \"ns1\" is not the primary server",
            ),
            (
                "primaries = [\"ns1\"]",
                "primaries = [\"ns2\"]",
                "f.toml:24:13: \"ns2\" is not the primary server",
            ),
            (
                "name = \"ns2\"",
                "name = \"vm1\"",
                "f.toml:14:8: two machines are called \"vm1\"",
            ),
            (
                "upstreams = [\"ns2\"]",
                "upstreams = []",
                "f.toml:30:13: a resolver needs a server",
            ),
            (
                "to = \"vm1\"",
                "to = \"other\"",
                "a session needs two hosts",
            ),
            (
                "from = \"other\"\nto = \"vm1\"",
                "from = \"vm1\"\nto = \"other\"",
                "f.toml:35:11: \"vm1\" needs a [host.resolver]",
            ),
            (
                "protocol = \"ilnp\"",
                "protocol = \"both\"",
                "f.toml:35:11: names are there over ILNP alone",
            ),
            ("\"5s\"", "\"9s\"", "f.toml:36:6: a session begins"),
        ];
        for (old, new, expected) in table {
            assert!(GOOD.contains(old), "{old}");
            let text = GOOD.replacen(old, new, 1);
            let found = parse(&text, "f.toml").unwrap_err().to_string();
            assert!(found.contains(expected), "{new}: {found}");
        }
    }
}
