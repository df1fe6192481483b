//! `[dns]` and `[resolver]`: what is read, and what is refused with its place.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use ilnp_dns::stub::Ipv4;
use ilnp_hostd::config::Config;
use ilnp_hostd::names::install::Install;

const DNS: &str = "[dns]\nname = \"vm1.example.org\"\nprimaries = [\"[2001:db8:c::53]:53\"]\n\
                   tsig-key-file = \"/etc/ilnp/vm1.key\"\n";

/// Asserts that `text` has exactly one mistake, at `place`, whose message contains every word.
#[track_caller]
fn one(text: &str, place: &str, words: &[&str]) {
    let mistakes = Config::parse(text.as_bytes()).unwrap_err();
    let found: Vec<_> = mistakes
        .iter()
        .map(|it| {
            format!(
                "{}:{}: {}",
                it.position.line, it.position.column, it.message
            )
        })
        .collect();
    assert_eq!(found.len(), 1, "{text:?}: {found:?}");
    assert!(found[0].starts_with(&format!("{place}: ")), "{found:?}");
    for word in words {
        assert!(found[0].contains(word), "{word:?} is not in {found:?}");
    }
}

#[test]
fn defaults_are_those_that_the_example_documents() {
    let config = Config::parse(format!("{DNS}\n[resolver]\n").as_bytes()).unwrap();
    let dns = config.dns.unwrap();
    assert_eq!(dns.name.to_string(), "vm1.example.org.");
    assert_eq!((dns.ttl, dns.nid_ttl, dns.zone), (5, 3600, None));
    assert!(dns.lp.is_empty());
    let resolver = config.resolver.unwrap();
    assert_eq!(resolver.listen, ["[::1]:53".parse().unwrap()]);
    assert_eq!(resolver.upstreams, None);
    assert_eq!(resolver.install, Install::Auto);
    assert_eq!(resolver.ipv4, Ipv4::Hide);
}

#[test]
fn without_the_tables_there_is_neither() {
    let config = Config::parse(b"").unwrap();
    assert_eq!((config.dns, config.resolver), (None, None));
}

#[test]
fn everything_can_be_set() {
    let text = format!(
        "{DNS}zone = \"example.org\"\nttl = 0\nnid-ttl = 60\nlp = [\"site1.example.org.\"]\n\
         [resolver]\nlisten = [\"127.0.0.1:5353\"]\nupstreams = [\"192.0.2.53:53\"]\n\
         install = \"resolv.conf\"\nipv4 = \"keep\"\n"
    );
    let config = Config::parse(text.as_bytes()).unwrap();
    let dns = config.dns.unwrap();
    assert_eq!(dns.zone.unwrap().to_string(), "example.org.");
    assert_eq!((dns.ttl, dns.nid_ttl), (0, 60));
    assert_eq!(dns.lp[0].to_string(), "site1.example.org.");
    let resolver = config.resolver.unwrap();
    assert_eq!(resolver.listen, ["127.0.0.1:5353".parse().unwrap()]);
    let upstreams = resolver.upstreams.unwrap();
    assert_eq!(upstreams, ["192.0.2.53:53".parse().unwrap()]);
    assert_eq!(resolver.install, Install::ResolvConf);
    assert_eq!(resolver.ipv4, Ipv4::Keep);
}

#[test]
fn publishing() {
    let with = |line: &str| format!("{DNS}{line}\n");
    one("[dns]\nname = \"a\"\n", "1:1", &["missing field"]);
    one(&with("keys = 1"), "5:1", &["unknown key `keys`"]);
    one(&with("ttl = -1"), "5:7", &["found -1", "seconds"]);
    one(&with("nid-ttl = 2147483648"), "5:11", &["2147483647"]);
    one(&with("zone = \"example.com\""), "5:8", &["vm1.example.org"]);
    one(&with("lp = [\"VM1.example.org\"]"), "5:7", &["own name"]);
    one(&with("lp = [\"a..b\"]"), "5:7", &["domain name"]);
    let replaced = |from: &str, to: &str| DNS.replace(from, to);
    one(
        &replaced("vm1.example.org", "."),
        "2:8",
        &["expected a domain name"],
    );
    one(
        &replaced("[2001:db8:c::53]:53", "2001:db8:c::53"),
        "3:14",
        &["found \"2001:db8:c::53\"", "with a port"],
    );
    one(
        &replaced("\"[2001:db8:c::53]:53\"", ""),
        "3:13",
        &["found 0 addresses"],
    );
    one(
        &replaced("/etc/ilnp/vm1.key", "vm1.key"),
        "4:17",
        &["absolute path"],
    );
}

#[test]
fn resolving() {
    let with = |line: &str| format!("[resolver]\n{line}\n");
    one(
        &with("install = \"yes\""),
        "2:11",
        &["\"auto\" or \"resolved\""],
    );
    one(&with("ipv4 = \"drop\""), "2:8", &["\"hide\" or \"keep\""]);
    one(
        &with("listen = [\"[::1]:53\", \"[::1]:53\"]"),
        "2:23",
        &["twice"],
    );
    one(
        &with("upstreams = [\"[::1]:53\"]"),
        "2:14",
        &["itself listens"],
    );
    one(
        &with("listen = [\"localhost:53\"]"),
        "2:11",
        &["with a port"],
    );
}
