//! The part of the check that concerns `[dns]` and `[resolver]`.

use std::net::{Ipv6Addr, SocketAddr};

use ilnp_dns::name::Name;
use ilnp_dns::stub::Ipv4;
use toml::Spanned;

use super::check::Checker;
use super::file::{DnsTable, ResolverTable};
use super::names::{Dns, Resolver};
use crate::names::install::Install;
use crate::names::name_of;

/// The longest TTL (RFC 2181 §8).
const MAX_TTL: u32 = 0x7fff_ffff;
/// More servers than anybody has.
const MAX_SERVERS: usize = 16;
/// Where a stub resolver listens when nothing is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 53);

type Servers = Spanned<Vec<Spanned<String>>>;

impl Checker<'_> {
    /// Checks `[dns]`.
    pub(super) fn dns(&mut self, table: &DnsTable) -> Option<Dns> {
        let name = self.domain_name(&table.name);
        let zone = table.zone.as_ref().map(|zone| self.domain_name(zone));
        if let (Some(name), Some(Some(zone)), Some(value)) = (&name, &zone, &table.zone)
            && !name.is_within(zone)
        {
            let found = value.get_ref();
            self.refuse(
                value,
                format!("found {found:?}, expected the zone that {name} is in"),
            );
        }
        let lp = table.lp.iter().filter_map(|value| {
            let target = self.domain_name(value)?;
            if Some(&target) == name.as_ref() {
                self.refuse(
                    value,
                    "found the host's own name, expected one at which its site publishes L64 records (RFC 6742 §2.4)".to_owned(),
                );
            }
            Some(target)
        });
        let lp = lp.collect();
        Some(Dns {
            zone: zone.flatten(),
            primaries: self.servers(&table.primaries),
            key_file: self.path(Some(&table.tsig_key_file), "/etc/ilnp/vm1.key"),
            ttl: self.ttl(table.ttl.as_ref(), 5),
            nid_ttl: self.ttl(table.nid_ttl.as_ref(), 3600),
            lp,
            name: name?,
        })
    }

    /// Checks `[resolver]`.
    pub(super) fn resolver(&mut self, table: &ResolverTable) -> Resolver {
        let listen = table.listen.as_ref().map(|list| self.servers(list));
        let listen = listen.unwrap_or_else(|| vec![LISTEN]);
        let upstreams = table.upstreams.as_ref().map(|list| {
            let upstreams = self.servers(list);
            for value in list.get_ref() {
                if let Ok(address) = value.get_ref().parse()
                    && listen.contains(&address)
                {
                    self.refuse(
                        value,
                        format!("found {address}, where the stub resolver itself listens, expected another server"),
                    );
                }
            }
            upstreams
        });
        Resolver {
            listen,
            upstreams,
            install: self.word(
                table.install.as_ref(),
                &[
                    ("auto", Install::Auto),
                    ("resolved", Install::Resolved),
                    ("resolv.conf", Install::ResolvConf),
                    ("no", Install::No),
                ],
            ),
            ipv4: self.word(
                table.ipv4.as_ref(),
                &[("hide", Ipv4::Hide), ("keep", Ipv4::Keep)],
            ),
        }
    }

    /// One of a few words.
    fn word<T: Copy + Default>(
        &mut self,
        value: Option<&Spanned<String>>,
        words: &[(&str, T)],
    ) -> T {
        let Some(value) = value else {
            return T::default();
        };
        let found = words.iter().find(|(word, _)| word == value.get_ref());
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.refuse(
                value,
                format!(
                    "found {:?}, expected {}",
                    value.get_ref(),
                    words.join(" or ")
                ),
            );
        }
        found.map(|&(_, word)| word).unwrap_or_default()
    }

    /// A domain name, with or without the dot at its end.
    fn domain_name(&mut self, value: &Spanned<String>) -> Option<Name> {
        let text = value.get_ref();
        let name = name_of(text);
        if name.is_none() {
            self.refuse(
                value,
                format!("found {text:?}, expected a domain name, as \"vm1.example.org\""),
            );
        }
        name
    }

    /// Addresses with ports, at least one.
    fn servers(&mut self, list: &Servers) -> Vec<SocketAddr> {
        let count = list.get_ref().len();
        if count == 0 || count > MAX_SERVERS {
            self.refuse(
                list,
                format!("found {count} addresses, expected 1 to {MAX_SERVERS}"),
            );
        }
        let mut servers = Vec::new();
        for value in list.get_ref() {
            match value.get_ref().parse::<SocketAddr>() {
                Ok(address) if servers.contains(&address) => {
                    self.refuse(value, format!("found {address} twice, expected it once"));
                }
                Ok(address) => servers.push(address),
                Err(_) => self.refuse(
                    value,
                    format!(
                        "found {:?}, expected an address with a port, as \"[2001:db8::53]:53\"",
                        value.get_ref()
                    ),
                ),
            }
        }
        servers
    }

    fn ttl(&mut self, value: Option<&Spanned<i64>>, default: u32) -> u32 {
        let Some(value) = value else {
            return default;
        };
        let ttl = u32::try_from(*value.get_ref()).ok();
        let ttl = ttl.filter(|ttl| *ttl <= MAX_TTL);
        if ttl.is_none() {
            self.refuse(
                value,
                format!(
                    "found {}, expected 0 to {MAX_TTL} seconds (RFC 2181 §8)",
                    value.get_ref()
                ),
            );
        }
        ttl.unwrap_or(default)
    }
}
