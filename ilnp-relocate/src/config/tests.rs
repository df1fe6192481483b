use std::path::Path;

use proptest::prelude::*;

use super::{Config, Hypervisor};

const EXAMPLE: &str = include_str!("../../agent.toml");
const DIRECTORY: &str = "/etc/ilnp";

const SMALL: &str = r#"
site = "a"
listen = ["[::1]:7446"]
[tls]
ca = "ca.pem"
certificate = "a.pem"
key = "a.key"
revoked = "revoked.pem"
"#;

const GUEST: &str = r#"
[[guest]]
name = "vm1"
machine = "pc-q35-7.2"
cpu = "qemu64"
memory = "192MiB"
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text.as_bytes(), Path::new(DIRECTORY)).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|mistake| {
                let position = mistake.position;
                format!(
                    "{}:{}: {}\n",
                    position.line, position.column, mistake.message
                )
            })
            .collect()
    })
}

#[test]
fn the_example_is_right() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.site.as_str(), "a");
    assert_eq!(config.peers.len(), 1);
    assert_eq!(config.tls.key, Path::new("/etc/ilnp/a.key"));
    let Hypervisor::Qemu(settings) = &config.guest("vm1").unwrap().hypervisor else {
        panic!("{config:?}");
    };
    assert_eq!(settings.memory, 192 << 20);
    assert_eq!(
        settings.disks[0].base.as_deref(),
        Some(Path::new("/etc/ilnp/base.qcow2"))
    );
    assert!(matches!(
        config.guest("vm2").unwrap().hypervisor,
        Hypervisor::Libvirt(_)
    ));
}

#[test]
fn what_is_left_out_has_a_default() {
    let config = parse(&format!("{SMALL}{GUEST}")).unwrap();
    assert_eq!(config.state_dir, Path::new("/var/lib/ilnp-relocate"));
    assert_eq!(
        config.control_socket,
        Path::new("/run/ilnp-relocate/agent.sock")
    );
    assert_eq!(config.network, None);
}

/// Each mistake is told with its place.
#[test]
fn mistakes_are_told_with_their_places() {
    let with = |more: &str| parse(&format!("{SMALL}{more}")).unwrap_err();
    let guest = |from: &str, to: &str| with(&GUEST.replace(from, to));
    for (told, expected) in [
        (parse(""), "1:1: missing field `site`"),
        (parse("sit = 1"), "1:1: unknown key `sit`"),
        (parse(&SMALL.replace("\"a\"", "\"A\"")), "2:8: found \"A\""),
        (
            parse(&SMALL.replace("[::1]:7446", "[::1]")),
            "3:11: found \"[::1]\", expected an address with a port",
        ),
        (
            parse(&SMALL.replace("[\"[::1]:7446\"]", "[]")),
            "3:10: found 0 addresses, expected 1 to 256",
        ),
    ] {
        let told = told.unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
    for (told, expected) in [
        (
            with("[[peer]]\nsite = \"a\"\naddress = \"[::1]:1\"\n"),
            "10:8: found \"a\", which is this site itself",
        ),
        (
            with("[network]\nlocators = [\"fe80::/64\"]\nrouter = \"fe80::1\"\n"),
            "10:13: found fe80::/64, expected a Locator",
        ),
        (
            with("[network]\nlocators = [\"2001:db8::/64\"]\nrouter = \"::1\"\n"),
            "expected the router's link-local address",
        ),
        (with(&GUEST.repeat(2)), "again, which line 11 has already"),
        (
            guest("192MiB", "a lot"),
            "14:10: found \"a lot\", expected a number of octets",
        ),
        (guest("memory = \"192MiB\"", ""), "11:8: found no memory"),
        (guest("vm1", "../vm1"), "11:8: the guest name"),
        (guest("cpu", "speed"), "unknown key `speed`"),
        (
            guest("machine", "hypervisor = \"xen\"\nmachine"),
            "12:14: found \"xen\", expected \"qemu\" or \"libvirt\"",
        ),
        (
            guest("machine", "hypervisor = \"libvirt\"\nmachine"),
            "13:11: found a key of QEMU guests",
        ),
        (
            guest("machine", "uri = \"qemu:///system\"\nmachine"),
            "12:7: found a key of libvirt guests",
        ),
    ] {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let text = format!("{SMALL}{GUEST}")
        .replace("[::1]:7446", "nowhere")
        .replace("\"a\"", "\"\"")
        .replace("192MiB", "0");
    let told = parse(&text).unwrap_err();
    let lines: Vec<_> = told.lines().map(|line| line.split(':').next()).collect();
    assert_eq!(lines, [Some("2"), Some("3"), Some("14")], "{told}");
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        at in 0..EXAMPLE.len(),
        octets in proptest::collection::vec(any::<u8>(), 0..8),
        cut in 0..16_usize,
    ) {
        let mut text = EXAMPLE.as_bytes().to_vec();
        let end = (at + cut).min(text.len());
        text.splice(at..end, octets);
        let _ = Config::parse(&text, Path::new(DIRECTORY));
    }
}
