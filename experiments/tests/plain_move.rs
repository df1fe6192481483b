//! A tiny scenario over plain IPv6, in real network namespaces.

use std::time::Duration;

use experiments::lab::{Lab, Options};
use experiments::scenario::{MoveKind, Protocol, parse};

const SCENARIO: &str = r#"
name = "tiny"
protocol = "ipv6"
duration = "1s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

[[site]]
name = "b"
prefixes = ["2001:db8:b::/64"]
[site.link]
delay = "10ms"

[[host]]
name = "mobile"
site = "a"
nid = "0214:4fff:fe20:ee64"

[[host]]
name = "fixed"
site = "b"
nid = "0216:6fff:fe22:ee66"
static = true
"#;

/// Round-trip times of pings from a host to another, in milliseconds.
fn round_trips(lab: &Lab, from: &str, to: &str) -> anyhow::Result<Vec<f64>> {
    let target = lab.address(from, to)?.to_string();
    let mut command = lab.host(from)?.command("ping");
    command.args(["-6", "-n", "-c", "20", "-i", "0.02", "-W", "1", &target]);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let times = text.lines().filter_map(|line| line.split_once("time="));
    Ok(times
        .filter_map(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .collect())
}

#[test]
fn a_host_moves_and_its_old_prefix_dies() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces and needs root: run it with sudo"
    );
    let out = tempfile::tempdir().unwrap();
    let options = Options {
        out: out.path().to_owned(),
        bin_dir: None,
    };
    let scenario = parse(SCENARIO, "tiny.toml").unwrap();
    let mut lab = Lab::build(&scenario, Protocol::Ipv6, &options).unwrap();
    let ping = |lab: &Lab, source: &str| {
        let target = lab.address("mobile", "fixed").unwrap().to_string();
        let mut command = lab.host("mobile").unwrap().command("ping");
        command.args(["-6", "-c", "2", "-i", "0.1", "-W", "1"]);
        command.args(["-I", source, &target]);
        command.output().unwrap().status.success()
    };
    let old = lab.address("fixed", "mobile").unwrap().to_string();
    assert!(ping(&lab, &old));
    let mut times = round_trips(&lab, "mobile", "fixed").unwrap();
    assert_eq!(times.len(), 20);
    times.sort_by(f64::total_cmp);
    let median = times[10];
    println!("round trips over a link of 2 x 10 ms: {times:?}");
    assert!((20.0..25.0).contains(&median), "{times:?}");
    let times = lab
        .move_host("mobile", "b", MoveKind::Hard, Duration::ZERO)
        .unwrap();
    assert!(times.cut < times.attached);
    assert!(!ping(&lab, &old), "the old prefix must be dead");
    let names = lab.host("mobile").unwrap().namespace().name().to_owned();
    drop(lab);
    let list = std::process::Command::new("ip")
        .args(["netns", "list"])
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&list.stdout).contains(&names));
}
