//! Every mistake in a configuration is reported with its line, its column, what was found and what
//! was expected.

use ilnp_hostd::config::Config;

/// The mistakes of a configuration, one `line:column: message` each.
fn mistakes(text: &str) -> Vec<String> {
    match Config::parse(text.as_bytes()) {
        Ok(config) => panic!("{text:?} was accepted: {config:?}"),
        Err(mistakes) => mistakes
            .into_iter()
            .map(|mistake| {
                let position = mistake.position;
                format!("{}:{}: {}", position.line, position.column, mistake.message)
            })
            .collect(),
    }
}

/// Asserts that `text` has exactly one mistake, at `place`, whose message contains every word.
#[track_caller]
fn one(text: &str, place: &str, words: &[&str]) {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{text:?}: {found:?}");
    assert!(found[0].starts_with(&format!("{place}: ")), "{found:?}");
    for word in words {
        assert!(found[0].contains(word), "{word:?} is not in {found:?}");
    }
}

#[test]
fn syntax_and_types() {
    one("nid = \n", "1:7", &[]);
    one(
        "\nnid = \"0:1:2:3\"\nnid = \"0:1:2:3\"\n",
        "3:1",
        &["duplicate key"],
    );
    one(
        "nonce-bits = \"96\"\n",
        "1:14",
        &["string \"96\"", "expected"],
    );
    one(
        "interfaces = \"eth0\"\n",
        "1:14",
        &["string \"eth0\"", "sequence"],
    );
    one("correspondent = 7\n", "1:17", &["integer `7`"]);
    one("nid = \"\u{e4}\"\u{e4}", "1:10", &[]);
}

#[test]
fn octets_that_are_no_text() {
    let mistakes = Config::parse(b"# ok\nnid = \"\xff\"\n").unwrap_err();
    assert_eq!(
        (mistakes[0].position.line, mistakes[0].position.column),
        (2, 8)
    );
    assert!(mistakes[0].message.contains("UTF-8"));
}

#[test]
fn unknown_keys() {
    one(
        "nonce-bit = 96\n",
        "1:1",
        &["unknown key `nonce-bit`", "`nonce-bits`"],
    );
    one("[dsn]\nname = \"vm1\"\n", "1:2", &["unknown key `dsn`"]);
    one(
        "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocator = []\n",
        "4:1",
        &["unknown key `locator`", "`locators`"],
    );
    one(
        "[[correspondent]]\nname = \"a\"\nlocators = []\n",
        "1:1",
        &["missing field `nid`"],
    );
}

#[test]
fn identifiers() {
    one(
        "nid = \"0114:4fff:fe20:ee64\"",
        "1:7",
        &["found 0114:4fff:fe20:ee64", "group bit"],
    );
    one(
        "nid = \"14::64\"",
        "1:7",
        &["found \"14::64\"", "four groups"],
    );
    one("nid = \"0:0:0:1\"", "1:7", &["first 32 bits"]);
}

#[test]
fn prefixes_and_locators() {
    one(
        "handle-prefix = \"fd69:6c6e:7000:2628::/64\"",
        "1:17",
        &["fd69:6c6e:7000:2628::/64", "0xffff"],
    );
    one(
        "handle-prefix = \"fe80::17f:0:0:0:0/64\"",
        "1:17",
        &["expected"],
    );
    for unusable in ["fe80::/64", "ff02::/64", "::/64"] {
        one(
            &format!(
                "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocators = [\n  \"2001:db8::/64\",\n  \"{unusable}\"]\n"
            ),
            "6:3",
            &[unusable, "link-local"],
        );
    }
    one(
        "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocators = [\"fd69:6c6e:7001:2626::/64\"]\n",
        "4:13",
        &["handles"],
    );
    one(
        "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocators = [\"2001:db8::/48\"]\n",
        "4:13",
        &["/64"],
    );
    one(
        "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocators = []\n",
        "4:12",
        &["found 0 Locators", "1 to 255"],
    );
    one(
        "[[correspondent]]\nname = \"a\"\nnid = \"2:1:1:1\"\nlocators = [\"2001:db8::/64\", \"2001:db8::/64\"]\n",
        "4:30",
        &["twice"],
    );
}

#[test]
fn nonce_and_checksum() {
    one("nonce-bits = 33", "1:14", &["found 33", "96 or 32"]);
    one(
        "nonce = \"initial\"",
        "1:9",
        &["\"initial\"", "expected \"always\"", "forge"],
    );
    one("nonce = \"never\"", "1:9", &["\"never\"", "\"always\""]);
    one(
        "checksum = \"classic\"",
        "1:12",
        &["\"classic\"", "\"ilnp\""],
    );
}

#[test]
fn names_and_paths() {
    one("interface-name = \"\"", "1:18", &["1 to 15"]);
    one(
        "interface-name = \"sixteen-letters-\"",
        "1:18",
        &["1 to 15"],
    );
    one("interface-name = \"ilnp%d\"", "1:18", &["'%'"]);
    one("interfaces = [\"eth0\", \"e/0\"]", "1:23", &["\"e/0\""]);
    one("interfaces = []", "1:14", &["at least one"]);
    one("interfaces = [\"eth0\", \"eth0\"]", "1:23", &["twice"]);
    one("interfaces = [\"ilnp0\"]", "1:15", &["itself"]);
    one("state-dir = \"var/lib\"", "1:13", &["absolute path"]);
    one("pin-dir = \"\"", "1:11", &["absolute path"]);
    one(
        &format!("control-socket = \"/{}\"", "s".repeat(107)),
        "1:18",
        &["108 octets", "107"],
    );
}

#[test]
fn correspondents() {
    let table = |name: &str, nid: &str| {
        format!(
            "[[correspondent]]\nname = \"{name}\"\nnid = \"{nid}\"\nlocators = [\"2001:db8::/64\"]\n"
        )
    };
    one(
        &(table("a", "2:1:1:1") + &table("b", "0002:1:1:1")),
        "7:7",
        &["0002:0001:0001:0001 again", "line 3"],
    );
    one(
        &(table("a", "2:1:1:1") + &table("A.", "2:1:1:2")),
        "6:8",
        &["\"a\" again", "line 2"],
    );
    one(
        &("nid = \"2:1:1:1\"\n".to_owned() + &table("a", "2:1:1:1")),
        "4:7",
        &["this node's own"],
    );
    one(&table("a b", "2:1:1:1"), "2:8", &["host name"]);
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let found = mistakes("checksum = \"x\"\nnid = \"1\"\nnonce-bits = 1\n");
    let places: Vec<_> = found.iter().map(|line| &line[..4]).collect();
    assert_eq!(places, ["1:12", "2:7:", "3:14"]);
}

#[test]
fn an_empty_file_and_the_example_mean_the_defaults() {
    let defaults = Config::parse(b"").unwrap();
    assert_eq!(defaults.interface_name, "ilnp0");
    assert_eq!(
        defaults.control_socket.to_str(),
        Some("/run/ilnp/hostd.sock")
    );
    let example = include_str!("../hostd.toml");
    assert_eq!(Config::parse(example.as_bytes()).unwrap(), defaults);
}

/// The example's own claims: each line that shows a default, uncommented, changes nothing.
#[test]
fn the_example_shows_the_defaults() {
    let example = include_str!("../hostd.toml");
    let uncommented: String = example
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .filter(|line| !line.starts_with(' '))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Config::parse(uncommented.as_bytes()).unwrap();
    assert_eq!(config.nid.unwrap().to_string(), "0214:4fff:fe20:ee64");
    assert_eq!(config.interfaces.as_deref(), Some(&["eth0".to_owned()][..]));
    assert_eq!(config.correspondents.len(), 1);
    let dns = config.dns.as_ref().unwrap();
    assert_eq!((dns.ttl, dns.nid_ttl), (5, 3600));
    let resolver = config.resolver.as_ref().unwrap();
    let bare = Config::parse(b"[resolver]").unwrap().resolver.unwrap();
    assert_eq!(resolver.upstreams.as_ref().map(Vec::len), Some(1));
    assert_eq!(
        (&resolver.listen, resolver.install, resolver.ipv4),
        (&bare.listen, bare.install, bare.ipv4)
    );
    let defaults = Config::parse(b"").unwrap();
    assert_eq!(
        Config {
            nid: None,
            interfaces: None,
            correspondents: Vec::new(),
            dns: None,
            resolver: None,
            ..config
        },
        defaults
    );
}

/// Ten thousand tables are read in the time that each takes, not in its square.
#[test]
fn many_correspondents_are_no_trouble() {
    let text: String = (0..10_000)
        .map(|n| {
            format!("[[correspondent]]\nname = \"h{n}\"\nnid = \"200:0:1:{n:x}\"\nlocators = [\"2001:db8:1:{n:x}::/64\"]\n")
        })
        .collect();
    let config = Config::parse(text.as_bytes()).unwrap();
    assert_eq!(config.correspondents.len(), 10_000);
}
