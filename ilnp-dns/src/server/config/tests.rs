use std::path::Path;

use zeroize::Zeroizing;

use super::{Config, Mistake};
use crate::key::{Algorithm, TsigKey};
use ilnp_service::mistake::FileError;

/// A key that is called as its file.
fn key(path: &Path) -> Result<TsigKey, FileError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
    let name = format!("{stem}-key.").parse().unwrap();
    Ok(TsigKey::new(
        name,
        Algorithm::HmacSha256,
        Zeroizing::new(vec![7; 32]),
    ))
}

fn parse(text: &[u8]) -> Result<Config, Vec<Mistake>> {
    Config::parse(text, Path::new("/etc/ilnp"), key)
}

/// What `text` is told, a line for each mistake.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse(text.as_bytes()).unwrap_err();
    let line = |mistake: &Mistake| {
        let position = mistake.position;
        format!("{}:{}: {}", position.line, position.column, mistake.message)
    };
    mistakes.iter().map(line).collect()
}

#[test]
fn the_example_is_read() {
    let example = include_bytes!("../../../dnsd.toml");
    let config = parse(example).unwrap();
    assert_eq!(config.listen, ["[::]:53".parse().unwrap()]);
    let zone = &config.zones[0];
    assert_eq!(zone.name.to_string(), "example.org.");
    assert_eq!(zone.file, Path::new("/etc/ilnp/example.org.zone"));
    assert_eq!(zone.grants[0].key.to_string(), "vm1-key.");
    assert!(config.aaaa_additional);
}

#[test]
fn nothing_is_a_configuration_too() {
    let config = parse(b"").unwrap();
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
fn keys_are_known_and_given_once() {
    let zone = "[[zone]]\nname = \"a\"\nfile = \"a\"\ntransfer-key = \"b-key\"\n";
    assert_eq!(
        mistakes(zone),
        ["4:16: found b-key., expected a key of one of the key-files"]
    );
    assert!(parse(format!("key-files = [\"b.key\"]\n{zone}").as_bytes()).is_ok());
    assert_eq!(
        mistakes("key-files = [\"b.key\", \"b.key\"]\n"),
        ["1:23: found the key b-key. twice, expected it once"]
    );
    let missing = Path::new("/nowhere");
    let mistakes = Config::parse(b"key-files = [\"b.key\"]", missing, TsigKey::read).unwrap_err();
    assert!(mistakes[0].message.contains("/nowhere/b.key"));
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
        parse(b"# \xff").unwrap_err()[0].message,
        "found an octet that is not UTF-8, expected text"
    );
}
