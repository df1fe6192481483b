//! The configuration file of a host's daemon.

use std::fmt::Write;
use std::path::Path;

use crate::error::LabError;
use crate::name_server::{Keys, PORT, address};
use crate::scenario;
use crate::topology::{Party, Site, Topology};

/// For how many seconds resolvers may keep where a host is.
const TTL: u32 = 5;

/// The file with the key that signs the updates of a guest, in the guest.
pub(crate) const KEY_IN_GUEST: &str = "/etc/ilnp/update.key";

/// The text of the file; `directory` is for what the daemon keeps, and in a guest, which it has to
/// itself, it is not said.
pub(crate) fn of(
    topology: &Topology,
    host: Party<'_>,
    keys: Option<&Keys>,
    directory: Option<&Path>,
) -> Result<String, LabError> {
    let mut text = format!("nid = \"{}\"\n", host.settings().nid);
    if let Some(directory) = directory.map(Path::display) {
        let _ = write!(
            text,
            "state-dir = \"{directory}/state\"\n\
             control-socket = \"{directory}/hostd.sock\"\n\
             pin-dir = \"{directory}/bpf/ilnp\"\n",
        );
    }
    if let (Some(dns), Some(keys)) = (&host.settings().dns, keys) {
        let key = match host {
            Party::Host(_) => keys.file(&dns.name),
            Party::Machine(_) => KEY_IN_GUEST.into(),
        };
        text.push_str(&publishing(topology, dns, &key)?);
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
        .parties()
        .filter(|other| other.speaks_ilnp() && other.name() != host.name());
    let to_look_up =
        |other: &Party<'_>| host.settings().resolver.is_some() && other.settings().dns.is_some();
    for other in others.filter(|other| !to_look_up(other)) {
        text.push_str(&correspondent(topology, other));
    }
    Ok(text)
}

fn publishing(topology: &Topology, dns: &scenario::Dns, key: &Path) -> Result<String, LabError> {
    Ok(format!(
        "\n[dns]\nname = \"{name}\"\nprimaries = [{primaries}]\n\
         tsig-key-file = \"{key}\"\nttl = {TTL}\n",
        name = dns.name,
        primaries = servers(topology, &dns.primaries)?,
        key = key.display(),
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

fn correspondent(topology: &Topology, other: Party<'_>) -> String {
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
