//! What a link's settings do to packets, in real network namespaces.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use experiments::lab::{Lab, Options};
use experiments::measure::flow::Flow;
use experiments::scenario::{LinkSettings, Protocol, parse};
use experiments::workload::Session;
use experiments::workload::probe::{self, Ends, Settings};

const SCENARIO: &str = r#"
name = "link"
protocol = "ipv6"
duration = "1s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

[[site]]
name = "b"
prefixes = ["2001:db8:b::/64"]

[[host]]
name = "left"
site = "a"
nid = "0214:4fff:fe20:ee64"
static = true

[[host]]
name = "right"
site = "b"
nid = "0216:6fff:fe22:ee66"
static = true
"#;

/// Sends probes both ways over a link for two seconds, and returns the two flows.
fn flows(settings: LinkSettings) -> anyhow::Result<Vec<Flow>> {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces and needs root: run it with sudo"
    );
    let out = tempfile::tempdir()?;
    let options = Options {
        out: out.path().to_owned(),
        bin_dir: None,
    };
    let mut scenario = parse(SCENARIO, "link.toml")?;
    let site = scenario.sites.first_mut().context("no site")?;
    site.link = settings;
    let lab = Lab::build(&scenario, Protocol::Ipv6, &options)?;
    let ends = Ends {
        from: lab.host("left")?,
        to: lab.topology().party("right")?,
        address: lab.address("left", "right")?,
        port: 9000,
    };
    let settings = Settings {
        over_tcp: false,
        direction: Default::default(),
        interval: Duration::from_millis(1),
    };
    let mut session: Box<dyn Session> = probe::start(&ends, &settings, lab.clock())?;
    sleep(Duration::from_secs(2));
    session.stop_sending();
    sleep(Duration::from_millis(200));
    Ok(session.finish()?.flows)
}

#[test]
fn delay_is_kept_to_the_millisecond() {
    let settings = LinkSettings {
        delay: Duration::from_millis(20),
        ..LinkSettings::default()
    };
    for flow in flows(settings).unwrap() {
        let [shortest, median, longest] = flow.delays().unwrap();
        println!("20 ms became {shortest:?} / {median:?} / {longest:?}");
        assert_eq!(flow.lost(), Some(0));
        assert_eq!(flow.duplicated(), 0);
        assert!(shortest >= Duration::from_millis(20), "{shortest:?}");
        assert!(median < Duration::from_millis(21), "{median:?}");
    }
}

#[test]
fn packets_are_lost_and_doubled_as_the_settings_say() {
    let settings = LinkSettings {
        loss: 0.2,
        duplication: 0.1,
        reordering: 0.1,
        rate: Some(10_000_000),
        ..LinkSettings::default()
    };
    for flow in flows(settings).unwrap() {
        let numbers: Vec<u64> = flow.arrivals.iter().map(|a| a.number).collect();
        let (sent, lost) = (flow.sent.unwrap(), flow.lost().unwrap());
        println!("{lost} of {sent} lost, {} doubled", flow.duplicated());
        assert!((sent / 7..sent / 4).contains(&lost), "{lost} of {sent}");
        assert!((sent / 20..sent / 8).contains(&flow.duplicated()));
        assert!(!numbers.is_sorted(), "some must be overtaken");
    }
}
