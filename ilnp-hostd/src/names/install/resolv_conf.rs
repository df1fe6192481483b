//! The text of a `resolv.conf`: who is asked, and everything else.
//!
//! Octets, since nothing promises that the file is UTF-8. What counts as a line with a keyword is
//! what glibc and musl both take for one: the keyword at the very start, a space or a tab after it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The port of every server that a `resolv.conf` names: it has no way to give another one.
pub(super) const PORT: u16 = 53;

/// The first octets of every file that this program writes in the place of `/etc/resolv.conf`.
const MARK: &str = "# Written by ilnp-hostd";

/// Where systemd-resolved answers programs.
const RESOLVED: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(127, 0, 0, 54)];

/// The keywords, servers left out, that the resolvers of programs obey.
const SETTINGS: [&str; 4] = ["search", "domain", "options", "sortlist"];

/// A name server as the file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nameserver {
    /// Its address.
    pub(super) address: IpAddr,
    /// The interface that a link-local address is on.
    pub(super) interface: Option<String>,
}

impl Nameserver {
    /// Reads `address` or `address%interface`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, interface) = match text.split_once('%') {
            None => (text, None),
            Some((address, interface)) => (address, Some(interface.to_owned())),
        };
        Some(Self {
            address: address.parse().ok()?,
            interface: interface.filter(|name| !name.is_empty()),
        })
    }

    /// Where it is asked; `None` when its interface does not exist (any more).
    pub(super) fn socket_address(
        &self,
        index_of: impl Fn(&str) -> Option<u32>,
    ) -> Option<SocketAddr> {
        match (self.address, &self.interface) {
            (IpAddr::V6(address), Some(interface)) => {
                let scope = interface.parse().ok().or_else(|| index_of(interface))?;
                Some(SocketAddrV6::new(address, PORT, 0, scope).into())
            }
            (address, _) => Some(SocketAddr::new(address, PORT)),
        }
    }
}

/// The servers that `text` names, in its order; words that are no addresses are left out, as
/// resolvers do.
pub(super) fn nameservers(text: &[u8]) -> Vec<Nameserver> {
    values(text, "nameserver")
        .filter_map(|value| Nameserver::parse(value.split_ascii_whitespace().next()?))
        .collect()
}

/// The domains that short names are completed with: those of the last line that counts.
pub(super) fn search_domains(text: &[u8]) -> Vec<String> {
    let last = lines(text)
        .filter_map(|line| value_of(line, "search").or_else(|| value_of(line, "domain")))
        .last();
    let domains = last.into_iter().flat_map(|value| {
        value
            .split_ascii_whitespace()
            .map(|domain| domain.trim_end_matches('.').to_owned())
            .collect::<Vec<_>>()
    });
    domains.filter(|domain| !domain.is_empty()).collect()
}

/// What takes the place of `original`: `server` alone, with the other settings kept.
///
/// No other server is named beside it: musl asks all of them at once and takes the first answer,
/// and glibc goes on to the next one after a failure. Both would get past the stub resolver.
pub(super) fn with_only(server: IpAddr, original: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "{MARK}, whose stub resolver answers the programs of this host.\n\
         # `ilnp-hostd --cleanup` puts back what was here before.\n\
         nameserver {server}\n"
    )
    .into_bytes();
    let settings = |line: &&[u8]| SETTINGS.iter().any(|word| value_of(line, word).is_some());
    for line in lines(original).filter(settings) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

/// `edited`, which somebody made out of a text of [`with_only`], with the servers of `original`
/// again.
pub(super) fn with_servers_of(original: &[u8], edited: &[u8]) -> Vec<u8> {
    let is_server = |line: &[u8]| value_of(line, "nameserver").is_some();
    let ours = |line: &[u8]| {
        is_server(line) || line.starts_with(MARK.as_bytes()) || line.starts_with(b"# `ilnp-hostd")
    };
    let servers = lines(original).filter(|line| is_server(line));
    let kept = lines(edited).filter(|line| !ours(line));
    let mut text = Vec::new();
    for line in servers.chain(kept) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

/// Whether this program wrote the text, on this host or on the one that it was copied from.
pub(super) fn is_ours(text: &[u8]) -> bool {
    text.starts_with(MARK.as_bytes())
}

/// Whether `text` sends every question to `server` and to nobody else.
pub(super) fn names_only(text: &[u8], server: IpAddr) -> bool {
    let servers = nameservers(text);
    !servers.is_empty() && servers.iter().all(|other| other.address == server)
}

/// Whether this is systemd-resolved.
pub(super) fn is_resolved(server: &Nameserver) -> bool {
    RESOLVED.map(IpAddr::V4).contains(&server.address)
}

/// The loopback address for `address` when it stands for all addresses, itself otherwise.
pub(super) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        other => other,
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&octet| octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

fn values<'a>(text: &'a [u8], keyword: &'a str) -> impl Iterator<Item = &'a str> {
    lines(text).filter_map(move |line| value_of(line, keyword))
}

/// What follows `keyword`, when the line starts with it.
fn value_of<'a>(line: &'a [u8], keyword: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(keyword.as_bytes())?;
    if !rest.first()?.is_ascii_whitespace() {
        return None;
    }
    str::from_utf8(rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"# of a provider\ndomain old.example\nsearch example.org. lab.example.org\n\
        nameserver 2001:db8::53\nnameserver\t192.0.2.53 # second\nnameserver fe80::1%eth0\n\
        nameserver nonsense\nnameservers 192.0.2.1\n nameserver 192.0.2.2\n;nameserver 192.0.2.3\n\
        options edns0 timeout:1\n";

    fn addresses(text: &[u8]) -> Vec<String> {
        let servers = nameservers(text).into_iter();
        servers.map(|server| server.address.to_string()).collect()
    }

    fn own() -> IpAddr {
        Ipv6Addr::LOCALHOST.into()
    }

    #[test]
    fn finds_servers_as_resolvers_do() {
        assert_eq!(addresses(TEXT), ["2001:db8::53", "192.0.2.53", "fe80::1"]);
        assert_eq!(nameservers(TEXT)[2].interface.as_deref(), Some("eth0"));
        assert!(nameservers(b"").is_empty());
        assert!(nameservers(b"nameserver").is_empty());
        assert!(nameservers(b"nameserver \xff\xfe\n").is_empty());
    }

    #[test]
    fn link_local_servers_need_their_interface() {
        let server = Nameserver::parse("fe80::1%eth0").unwrap();
        let address = server.socket_address(|name| (name == "eth0").then_some(7));
        assert_eq!(address.unwrap().to_string(), "[fe80::1%7]:53");
        assert_eq!(server.socket_address(|_| None), None);
        let server = Nameserver::parse("fe80::1%3").unwrap();
        let address = server.socket_address(|_| None).unwrap();
        assert_eq!(address.to_string(), "[fe80::1%3]:53");
    }

    #[test]
    fn the_last_search_list_counts() {
        assert_eq!(
            search_domains(TEXT),
            ["example.org", "lab.example.org"],
            "search overrides domain"
        );
        assert!(search_domains(b"search .\n").is_empty());
        assert!(search_domains(b"nameserver ::1\n").is_empty());
    }

    #[test]
    fn settings_are_kept_and_servers_are_not() {
        let ours = with_only(own(), TEXT);
        let text = String::from_utf8(ours.clone()).unwrap();
        assert!(names_only(&ours, own()));
        assert!(is_ours(&ours));
        assert!(text.contains("\noptions edns0 timeout:1\n"), "{text}");
        assert!(text.contains("\nsearch example.org. lab.example.org\n"));
        assert!(!text.contains("provider"), "comments are about servers");
        assert_eq!(with_only(own(), &ours), ours, "written once or twice");
    }

    #[test]
    fn an_edited_text_gets_its_servers_back() {
        let mut edited = with_only(own(), b"nameserver 192.0.2.53\nsearch a.example\n");
        edited.extend_from_slice(b"options ndots:2");
        let back = with_servers_of(b"nameserver 192.0.2.53\nsearch a.example\n", &edited);
        assert_eq!(
            String::from_utf8(back).unwrap(),
            "nameserver 192.0.2.53\nsearch a.example\noptions ndots:2\n"
        );
    }

    #[test]
    fn a_text_without_servers_names_nobody() {
        assert!(!names_only(b"", own()));
        assert!(!names_only(b"nameserver ::1\nnameserver ::2\n", own()));
        assert!(names_only(b"nameserver ::1\n", own()));
    }

    #[test]
    fn text_that_is_not_utf8_is_kept() {
        let ours = with_only(own(), b"nameserver ::2\noptions edns0\n# \xe9t\xe9\n");
        assert!(ours.ends_with(b"options edns0\n"));
    }

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        assert_eq!(reachable("::".parse().unwrap()), own());
        assert_eq!(
            reachable("0.0.0.0".parse().unwrap()),
            IpAddr::from([127, 0, 0, 1])
        );
        assert_eq!(reachable("::2".parse().unwrap()).to_string(), "::2");
    }
}
