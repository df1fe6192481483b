use std::path::Path;

use super::Config;

/// What `text` is told, a line for each mistake.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = Config::parse(text.as_bytes(), Path::new("/etc/ilnp")).unwrap_err();
    let line = |mistake: &super::Mistake| {
        let position = mistake.position;
        format!("{}:{}: {}", position.line, position.column, mistake.message)
    };
    mistakes.iter().map(line).collect()
}

#[test]
fn the_example_is_read() {
    let example = include_bytes!("../../../dnsd.toml");
    let config = Config::parse(example, Path::new("/etc/ilnp")).unwrap();
    assert_eq!(config.listen, ["[::]:53".parse().unwrap()]);
    assert_eq!(config.key_files[0], Path::new("/etc/ilnp/vm1.key"));
    let zone = &config.zones[0];
    assert_eq!(zone.name.to_string(), "example.org.");
    assert_eq!(zone.grants[0].key.to_string(), "vm1-key.");
    assert!(config.aaaa_additional);
}

#[test]
fn nothing_is_a_configuration_too() {
    let config = Config::parse(b"", Path::new("")).unwrap();
    assert_eq!(config.listen, ["[::]:53".parse().unwrap()]);
    assert_eq!(config.state_dir, Path::new("/var/lib/ilnp-dnsd"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = r#"listen = ["::1:53", "[::1]:53", "[::1]:53"]
state-dir = ""

[[zone]]
name = "example..org"
file = "example.org.zone"

[[zone]]
name = "example.org"
file = "example.org.zone"
notify = ["host:53"]
[[zone.grant]]
key = "vm1-key"
name = "vm1.example.net"
types = ["L65"]
[[zone.grant]]
key = "vm1-key"
name = "vm1.example.org"
types = []
"#;
    let expected = [
        "1:11: found \"::1:53\", expected an address and a port, as in \"[2001:db8::53]:53\"",
        "1:33: found [::1]:53 twice, expected it once",
        "2:13: found \"\", expected a path",
        "5:8: found \"example..org\", expected a domain name: \"example..org.\" has a label that is empty or longer than 63 octets",
        "11:11: found \"host:53\", expected an address and a port, as in \"[2001:db8::53]:53\"",
        "14:8: found vm1.example.net., expected a name within the zone example.org.",
        "15:10: found \"L65\", expected a record type, as \"L64\" or \"TYPE106\"",
        "19:9: found no type, expected at least one, as in [\"NID\", \"L64\", \"AAAA\"]",
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn zones_are_given_once() {
    let zone = "[[zone]]\nname = \"a.example\"\nfile = \"a\"\n";
    assert_eq!(
        mistakes(&zone.repeat(2)),
        ["5:8: found a.example. twice, expected it once"]
    );
}

#[test]
fn syntax_and_keys_are_checked() {
    assert_eq!(
        mistakes("listen = [\n"),
        ["1:11: unclosed array, expected `]`"]
    );
    assert!(mistakes("speed = 1\n")[0].starts_with("1:1: unknown key `speed`"));
    assert_eq!(
        Config::parse(b"# \xff", Path::new("")).unwrap_err()[0].message,
        "found an octet that is not UTF-8, expected text"
    );
}
