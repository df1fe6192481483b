//! The router in the middle, which knows every site's prefixes.

use super::{Namespace, RunId, Site};
use crate::error::LabError;
use crate::link::{INNER, Impairment, OUTER};
use crate::process;

/// What the core router answers from (RFC 4443 §2.2).
const ADDRESS: &str = "2001:db8:ffff::1/128";

/// Makes the core router, connected to nothing.
pub(super) fn create(run: &RunId) -> Result<Namespace, LabError> {
    let core = run.namespace("core", "0")?;
    core.sysctl(&[("conf/all/forwarding", "1")])?;
    core.ip(&[format!("address add {ADDRESS} dev lo")])?;
    Ok(core)
}

/// Connects a site's router with the core, through a link namespace when the link is imperfect.
pub(super) fn connect(
    run: &RunId,
    core: &Namespace,
    site: &Site,
    seed: u64,
) -> Result<Option<Impairment>, LabError> {
    let settings = site.settings();
    let port = format!("s-{}", settings.name);
    let impairment = if settings.link == crate::scenario::LinkSettings::default() {
        veth((core, &port), (site.router(), "wan"))?;
        None
    } else {
        let link = run.namespace("link", &settings.name)?;
        link.sysctl(&[
            ("conf/all/disable_ipv6", "1"),
            ("conf/default/disable_ipv6", "1"),
        ])?;
        veth((core, &port), (&link, OUTER))?;
        veth((site.router(), "wan"), (&link, INNER))?;
        if let Some(most) = settings.link.largest_batch() {
            // What is done to a frame must be done to one packet, not to a batch of segments, unless
            // that takes no longer than anybody measures.
            core.ip(&[format!("link set {port} gso_max_segs {most}")])?;
            site.router()
                .ip(&[format!("link set wan gso_max_segs {most}")])?;
        }
        link.ip(&[INNER, OUTER].map(|end| format!("link set {end} up")))?;
        Some(Impairment::start(link, &settings.link, seed)?)
    };
    let mut lines = bring_up(&port, "fe80::1");
    lines.extend(
        settings
            .prefixes
            .iter()
            .map(|prefix| format!("route add {prefix} via fe80::2 dev {port}")),
    );
    core.ip(&lines)?;
    let mut lines = bring_up("wan", "fe80::2");
    lines.push("route add ::/0 via fe80::1 dev wan".to_owned());
    site.router().ip(&lines)?;
    Ok(impairment)
}

fn bring_up(interface: &str, link_local: &str) -> Vec<String> {
    vec![
        format!("link set {interface} addrgenmode none"),
        format!("link set {interface} up"),
        format!("address add {link_local}/64 dev {interface} nodad"),
    ]
}

/// Makes a veth pair between two namespaces.
pub(super) fn veth(
    (near, near_name): (&Namespace, &str),
    (far, far_name): (&Namespace, &str),
) -> Result<(), LabError> {
    let mut command = std::process::Command::new("ip");
    command.args([
        "link",
        "add",
        near_name,
        "netns",
        near.name(),
        "type",
        "veth",
    ]);
    command.args(["peer", "name", far_name, "netns", far.name()]);
    process::run(&mut command, "").map(drop)
}
