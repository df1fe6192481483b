//! The network of these tests: the scene with a BIND at a site of its own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use experiments::scenario::Protocol;
use experiments::scenario::{Dns, NameServer, Resolver, Scenario, Software};
use ilnp_core::id::{IlVector, Locator};
use nix::sys::signal::Signal;
use serde_json::Value;
use tests::scene::{self, Scene, site};
use tests::session;

/// The mobile host's name.
pub(crate) const MOBILE_NAME: &str = "m.example.org";
/// Its correspondent's name.
pub(crate) const PEER_NAME: &str = "c.example.org";
/// Where the name server stands.
pub(crate) const SERVER_SITE: &str = "e";
/// What takes longer than this does not happen.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

const SERVER: &str = "@2001:db8:e::53";
const POLL: Duration = Duration::from_millis(20);

/// A scene in which both hosts publish themselves, and the mobile host asks the name server for
/// names.
pub(crate) fn start(name: &str) -> anyhow::Result<Scene> {
    start_with(name, |_| {})
}

/// The same with changes.
pub(crate) fn start_with(name: &str, setup: impl FnOnce(&mut Scenario)) -> anyhow::Result<Scene> {
    let mut scene = build(name, setup)?;
    scene.lab().start_name_servers()?;
    scene.lab().start_daemons()?;
    Ok(scene)
}

/// The network with neither server nor daemons.
pub(crate) fn build(name: &str, setup: impl FnOnce(&mut Scenario)) -> anyhow::Result<Scene> {
    Scene::build(name, Protocol::Ilnp, |scenario| {
        scenario.sites.push(site(SERVER_SITE));
        scenario.name_servers.push(NameServer {
            name: "ns1".to_owned(),
            site: SERVER_SITE.to_owned(),
            kind: Software::Bind,
            zone: Some("example.org".to_owned()),
            secondary_of: None,
        });
        let names = [MOBILE_NAME, PEER_NAME];
        for (host, name) in scenario.hosts.iter_mut().zip(names) {
            host.dns = Some(Dns {
                name: name.to_owned(),
                primaries: vec!["ns1".to_owned()],
            });
        }
        if let Some(mobile) = scenario.hosts.first_mut() {
            mobile.resolver = Some(Resolver {
                upstreams: vec!["ns1".to_owned()],
            });
        }
        setup(scenario);
    })
}

/// Waits until something is so.
pub(crate) fn await_that(
    limit: Duration,
    what: &str,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    while !is_so()? {
        ensure!(begin.elapsed() < limit, "not so within {limit:?}: {what}");
        std::thread::sleep(POLL);
    }
    Ok(begin.elapsed())
}

/// What the name server has of a name and type, one sorted line a record.
pub(crate) fn records(scene: &Scene, name: &str, rtype: &str) -> anyhow::Result<Vec<String>> {
    let mut dig = scene.router(SERVER_SITE)?.command("dig");
    let text = session::output(dig.args([SERVER, "+short", "+tries=1", "+time=2", name, rtype]))?;
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

/// What the stub resolver of a host answers, with dig's words around it.
pub(crate) fn ask_stub(scene: &Scene, host: &str, question: &[&str]) -> anyhow::Result<String> {
    let mut dig = scene.host(host)?.command("dig");
    session::output(dig.args(["@::1", "+tries=1", "+time=8"]).args(question))
}

/// An L64 record as dig writes it.
pub(crate) fn l64(preference: u16, site: &str) -> String {
    format!("{preference} 2001:db8:{site}:0")
}

/// The real address of a host at a site.
pub(crate) fn address(host: &str, site: &str) -> String {
    IlVector::new(scene::nid(host), scene::locator(site))
        .address()
        .to_string()
}

/// Waits until the name server has confirmed that a host is at these sites, and says how that
/// stands at the end.
pub(crate) fn await_published(
    scene: &mut Scene,
    host: &str,
    sites: &[&str],
) -> anyhow::Result<Value> {
    let wanted: Vec<_> = sites.iter().map(|site| scene::locator(site)).collect();
    let mut last = Value::Null;
    await_that(BOUND, "published", || {
        last = primary(scene, host)?;
        let locators = last["confirmed"]["locators"].clone();
        let locators: Vec<Locator> = serde_json::from_value(locators).unwrap_or_default();
        Ok(last["state"] == "confirmed" && locators == wanted)
    })
    .with_context(|| format!("{host}: {last}"))?;
    Ok(last)
}

/// How publishing stands at the name server, as `ilnp status` of a host says.
pub(crate) fn primary(scene: &mut Scene, host: &str) -> anyhow::Result<Value> {
    Ok(scene.ask(host, &["status"])?["dns"]["primaries"][0].take())
}

/// Changes a line of a daemon's configuration.
pub(crate) fn configure(
    scene: &mut Scene,
    host: &str,
    change: impl FnOnce(&str) -> String,
) -> anyhow::Result<()> {
    let (daemon, _) = scene.lab().daemon(host)?;
    let before = std::fs::read_to_string(daemon.configuration())?;
    std::fs::write(daemon.configuration(), change(&before))?;
    Ok(())
}

/// Lets a daemon read its configuration again.
pub(crate) fn reload(scene: &mut Scene, host: &str) -> anyhow::Result<()> {
    let (daemon, _) = scene.lab().daemon(host)?;
    let process = daemon.process().context("the daemon does not run")?;
    process.signal(Signal::SIGHUP);
    Ok(())
}

/// Starts a daemon again, with the configuration as it is now.
pub(crate) fn restart(scene: &mut Scene, host: &str) -> anyhow::Result<()> {
    let (daemon, host) = scene.lab().daemon(host)?;
    daemon.stop();
    daemon.start(host)?;
    daemon.wait_until_ready(host)?;
    Ok(())
}

/// Adds a table of filter rules to the router of a site.
pub(crate) fn filter(scene: &Scene, site: &str, rule: &str) -> anyhow::Result<()> {
    let rules = format!(
        "table ip6 names {{\n chain drop_some {{\n\
         type filter hook forward priority 1;\n {rule} drop\n }}\n }}"
    );
    session::output(scene.router(site)?.command("nft").arg(rules)).map(drop)
}

/// Takes the rules of [`filter`] away.
pub(crate) fn unfilter(scene: &Scene, site: &str) -> anyhow::Result<()> {
    let mut nft = scene.router(site)?.command("nft");
    session::output(nft.args(["delete", "table", "ip6", "names"])).map(drop)
}

/// A file that a daemon keeps.
pub(crate) fn state_file(scene: &mut Scene, host: &str, file: &str) -> PathBuf {
    let run = scene.lab().topology().run_directory();
    run.join(host).join("state").join(file)
}
