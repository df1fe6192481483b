//! Name servers in the lab: a primary and its secondary answer, and take what a host publishes.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use experiments::lab::{Lab, Options};
use experiments::measure::records::RecordMonitor;
use experiments::scenario::{Protocol, parse};
use ilnp_core::id::Locator;

const SCENARIO: &str = r#"
name = "names"
protocol = "ilnp"
duration = "1s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

[[name-server]]
name = "ns2"
site = "a"
kind = "bind"
secondary-of = "ns1"

[[name-server]]
name = "ns1"
site = "a"
kind = "bind"
zone = "example.org"

[[host]]
name = "vm1"
site = "a"
nid = "0214:4fff:fe20:ee64"
static = true
[host.dns]
name = "vm1.example.org"
primaries = ["ns1"]
"#;
const LOCATOR: Locator = Locator::from_bits(0x2001_0db8_000a_0000);

#[test]
fn a_primary_takes_an_update_and_its_secondary_shows_it() -> anyhow::Result<()> {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces and needs root: run it with sudo"
    );
    let out = tempfile::tempdir()?;
    // No daemon is started here.
    for program in ["ilnp", "ilnp-hostd"] {
        File::create(out.path().join(program))?;
    }
    let options = Options {
        out: out.path().to_owned(),
        bin_dir: Some(out.path().to_owned()),
    };
    let mut lab = Lab::build(&parse(SCENARIO, "names.toml")?, Protocol::Ilnp, &options)?;
    lab.start_name_servers()?;
    let monitors = lab
        .name_servers()
        .iter()
        .map(|server| RecordMonitor::start(lab.topology(), server, "vm1.example.org", lab.clock()))
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(monitors.len() == 2, "both servers run");
    let begin = lab.clock().now();
    update(&lab)?;
    let end = Instant::now() + Duration::from_secs(10);
    for monitor in &monitors {
        while monitor.so_far().last() != [LOCATOR] {
            ensure!(Instant::now() < end, "{:?}", monitor.so_far());
            sleep(Duration::from_millis(5));
        }
        let shown = monitor.so_far();
        let at = shown.first(&[LOCATOR], &(begin..lab.clock().now()));
        println!(
            "{}: after {:?}",
            shown.server,
            at.context("no time")? - begin
        );
    }
    Ok(())
}

/// Publishes `vm1` as its daemon does, with the key of its own.
fn update(lab: &Lab) -> anyhow::Result<()> {
    let key = lab
        .topology()
        .run_directory()
        .join("keys/vm1.example.org.key");
    let mut command = lab.host("vm1")?.command("nsupdate");
    let mut child = command.arg("-k").arg(key).stdin(Stdio::piped()).spawn()?;
    let mut servers = lab.name_servers().iter();
    let primary = servers.find(|server| server.settings().zone.is_some());
    let text = format!(
        "server {}\nzone example.org\n\
         update add vm1.example.org 5 L64 10 2001:db8:a:0\nsend\n",
        primary.context("no primary")?.address()
    );
    child
        .stdin
        .take()
        .context("no input")?
        .write_all(text.as_bytes())?;
    let log = std::fs::read_to_string(lab.out().join("ns1.log"))?;
    ensure!(child.wait()?.success(), "the update was refused:\n{log}");
    Ok(())
}
