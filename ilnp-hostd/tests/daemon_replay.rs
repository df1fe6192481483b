//! A recording, played back, does what the daemon did.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::process::{Command, Output};

use ilnp_core::id::{Handle, HandlePrefix, Lifetime, Nid, Preference};
use ilnp_core::node::{
    Config, DatapathUpdate, DnsRequest, Input, LinkEvent, LocalLocator, LocatorHealth, Node,
    RemoteLocator, Resolved,
};
use ilnp_core::time::Instant;
use ilnp_core::wire::Packet;
use ilnp_hostd::api::monitor;
use ilnp_hostd::datapath::Counters;
use ilnp_hostd::driver::{About, Engine, Host, Request};
use ilnp_hostd::record::Recorder;
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};

/// Keeps what the node sent.
#[derive(Default)]
struct Wire(Vec<Packet>);

impl Host for Wire {
    fn apply(&mut self, _: DatapathUpdate) -> Option<Input> {
        None
    }

    fn send(&mut self, packet: &Packet) {
        self.0.push(packet.clone());
    }

    fn ask_dns(&mut self, _: DnsRequest) {}

    fn look_around(&mut self) {}

    fn way_changed(&mut self, _: Option<Handle>) {}

    fn counters(&mut self) -> Result<Counters, String> {
        Ok(Counters::default())
    }

    fn interface_name(&self, index: u32) -> String {
        index.to_string()
    }
}

fn replay(file: &Path, json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ilnp"));
    if json {
        command.arg("--json");
    }
    command.arg("replay").arg(file).output().unwrap()
}

/// Two pings to a configured correspondent, a move between them, and a deadline.
fn record(file: &Path) -> Vec<Packet> {
    let nid: Nid = "0214:4fff:fe20:ee64".parse().unwrap();
    let peer: Nid = "0216:6fff:fe22:ee66".parse().unwrap();
    let config = Config::new(nid);
    let seed = [7; 32];
    let recorder = Recorder::create(file, &config, seed).unwrap();
    let about = About {
        nid,
        handles: HandlePrefix::DEFAULT,
        interface: "ilnp0".to_owned(),
        started: Instant::ZERO,
    };
    let mut engine = Engine::new(
        Node::new(config, seed),
        about,
        broadcast::Sender::<monitor::Report>::new(1),
        Some(recorder),
    );
    let at = |prefix: &str| {
        Input::Link(LinkEvent::Locators(vec![LocalLocator {
            locator: prefix.parse().unwrap(),
            interface: 2,
            router: None,
            health: LocatorHealth::Working,
            valid_until: None,
            mtu: 1500,
        }]))
    };
    let ping = |sequence| Input::Ping {
        handle: Handle::new(peer),
        identifier: 1,
        sequence,
    };
    let known = Input::Resolved(Resolved {
        configured: true,
        name: None,
        nid: peer,
        locators: vec![RemoteLocator {
            locator: "2001:db8:c::/64".parse().unwrap(),
            preference: Preference(10),
            lifetime: Lifetime(300),
        }],
    });
    let mut wire = Wire::default();
    let inputs = [
        known,
        at("2001:db8:a::/64"),
        ping(1),
        at("2001:db8:b::/64"),
        ping(2),
        Input::Timeout,
    ];
    for (second, input) in (1..).zip(inputs) {
        let now = Instant::from_nanos(second * 1_000_000_000);
        engine.handle(now, input, &mut wire);
    }
    // A name that the stub resolver found, and one of the same host at another place.
    for (name, locator) in [
        ("peer.example", "2001:db8:c::/64"),
        ("evil.example", "2001:db8:e::/64"),
    ] {
        let (answer, mut answered) = oneshot::channel();
        let found = Resolved {
            configured: false,
            name: Some(name.to_owned()),
            nid: peer,
            locators: vec![RemoteLocator {
                locator: locator.parse().unwrap(),
                preference: Preference(10),
                lifetime: Lifetime(0),
            }],
        };
        let now = Instant::from_nanos(7_000_000_000);
        engine.answer(now, Request::Learn(found, answer), &mut wire);
        assert!(answered.try_recv().unwrap().is_some());
    }
    engine.flush_recording();
    wire.0
}

#[test]
fn replays_what_happened_the_same_every_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    let sent = record(&file);
    assert!(sent.len() >= 2, "{sent:?}");

    let json = replay(&file, true);
    assert!(json.status.success());
    assert_eq!(json.stdout, replay(&file, true).stdout);
    let transmitted: Vec<Packet> = String::from_utf8(json.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line["output"].get("transmit").cloned())
        .map(|packet| serde_json::from_value(packet).unwrap())
        .collect();
    assert_eq!(transmitted, sent);

    let text = String::from_utf8(replay(&file, false).stdout).unwrap();
    assert!(
        text.contains(r#"out {"dns":{"publish":[{"locator":"2001:db8:b::/64","preference":10}]}}"#),
        "{text}"
    );
    assert!(text.contains(r#""name":"evil.example""#), "{text}");
    assert!(text.contains("3.000000000 out transmit 2001:db8:a:0:214:4fff:fe20:ee64 > 2001:db8:c:0:216:6fff:fe22:ee66"), "{text}");
}

#[test]
fn a_recording_is_private_and_never_overwritten() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    record(&file);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let config = Config::new("2:1:1:1".parse().unwrap());
    assert!(Recorder::create(&file, &config, [0; 32]).is_err());
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording");
    record(&file);
    let good = std::fs::read_to_string(&file).unwrap();
    for (text, line) in [
        (String::new(), "line 1"),
        ("nonsense\n".to_owned(), "line 1"),
        (good.replacen("\"schema\":1", "\"schema\":9", 1), "line 1"),
        (good.clone() + "{\"input\":{}}\n", "line 10"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = replay(&file, false);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(
        replay(&directory.path().join("none"), false).status.code(),
        Some(1)
    );
}
