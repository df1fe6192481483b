//! What a link's settings do to packets, in real network namespaces.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
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

/// How long the octets of a connection may stay away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A lab with this link between its two hosts, and the folder of its results.
fn lab(settings: LinkSettings) -> anyhow::Result<(Lab, tempfile::TempDir)> {
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
    Ok((lab, out))
}

/// Sends probes both ways over a link for two seconds, and returns the two flows.
fn flows(settings: LinkSettings) -> anyhow::Result<Vec<Flow>> {
    let (lab, _out) = lab(settings)?;
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
        length: 64,
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

#[test]
fn a_link_that_only_delays_carries_segments_together() {
    let settings = LinkSettings {
        delay: Duration::from_millis(20),
        ..LinkSettings::default()
    };
    let (lab, _out) = lab(settings).unwrap();
    let address = lab.address("left", "right").unwrap();
    let remote = SocketAddr::from((address, 9001));
    let inside = |host| lab.host(host).unwrap().namespace();
    let listener = inside("right").inside(|| TcpListener::bind(remote));
    let listener = listener.unwrap().unwrap();
    let sent: Vec<u8> = (0..8_000_000u32).map(|place| (place % 251) as u8).collect();
    let stream = inside("left").inside(|| TcpStream::connect(remote));
    let mut stream = stream.unwrap().unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            stream.write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = vec![];
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        far.read_to_end(&mut received).unwrap();
        received
    });
    assert!(received == sent, "{} octets", received.len());
    let link = lab.topology().links()[0].namespace();
    let mut command = link.command("ip");
    let said = command.args(["-s", "-j", "link", "show", "inner"]).output();
    let said: serde_json::Value = serde_json::from_slice(&said.unwrap().stdout).unwrap();
    let count = |what: &str| said[0]["stats64"]["rx"][what].as_u64().unwrap();
    let average = count("bytes") / count("packets");
    println!("{average} octets a frame");
    assert!(average > 1514, "no frame alone is as long: {average}");
}
