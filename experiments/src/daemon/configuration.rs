//! The configuration file of a host's daemon.

use std::fmt::Write;
use std::path::Path;

use crate::error::LabError;
use crate::name_server::{Keys, PORT, address};
use crate::scenario;
use crate::topology::{Host, Site, Topology};

/// For how many seconds resolvers may keep where a host is.
const TTL: u32 = 5;

/// The text of the file; `directory` is for what the daemon keeps.
pub(super) fn of(
    topology: &Topology,
    host: &Host,
    keys: Option<&Keys>,
    directory: &Path,
) -> Result<String, LabError> {
    let mut text = format!(
        "nid = \"{}\"\n\
         state-dir = \"{directory}/state\"\n\
         control-socket = \"{directory}/hostd.sock\"\n\
         pin-dir = \"{directory}/bpf/ilnp\"\n",
        host.settings().nid,
        directory = directory.display(),
    );
    if let (Some(dns), Some(keys)) = (&host.settings().dns, keys) {
        text.push_str(&publishing(topology, dns, keys)?);
    }
    if let Some(resolver) = &host.settings().resolver {
        let upstreams = servers(topology, &resolver.upstreams)?;
        // Programs find the stub by a resolv.conf of the namespace's own.
        let _ = write!(
            text,
            "\n[resolver]\nlisten = [\"[::1]:{PORT}\"]\nupstreams = [{upstreams}]\ninstall = \"no\"\n",
        );
    }
    let others = topology
        .hosts
        .iter()
        .filter(|other| other.speaks_ilnp() && other.name() != host.name());
    let to_look_up =
        |other: &&Host| host.settings().resolver.is_some() && other.settings().dns.is_some();
    for other in others.filter(|other| !to_look_up(other)) {
        text.push_str(&correspondent(topology, other));
    }
    Ok(text)
}

fn publishing(topology: &Topology, dns: &scenario::Dns, keys: &Keys) -> Result<String, LabError> {
    Ok(format!(
        "\n[dns]\nname = \"{name}\"\nprimaries = [{primaries}]\n\
         tsig-key-file = \"{key}\"\nttl = {TTL}\n",
        name = dns.name,
        primaries = servers(topology, &dns.primaries)?,
        key = keys.file(&dns.name).display(),
    ))
}

/// Name servers as the elements of an array.
fn servers(topology: &Topology, names: &[String]) -> Result<String, LabError> {
    let quoted = names.iter().map(|name| {
        let server = address(topology, topology.name_server(name)?)?;
        Ok(format!("\"[{server}]:{PORT}\""))
    });
    Ok(quoted.collect::<Result<Vec<_>, LabError>>()?.join(", "))
}

fn correspondent(topology: &Topology, other: &Host) -> String {
    let site = topology.site(other.site()).map(Site::settings);
    let locators: Vec<String> = site
        .map(|site| site.prefixes.iter().map(|p| format!("\"{p}\"")).collect())
        .unwrap_or_default();
    format!(
        "\n[[correspondent]]\nname = \"{}.lab\"\nnid = \"{}\"\nlocators = [{}]\n",
        other.name(),
        other.settings().nid,
        locators.join(", "),
    )
}
