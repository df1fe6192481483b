//! One site: a switch and a router that advertises the prefixes and drops foreign sources.

use std::path::Path;

use super::core_router::veth;
use super::{Namespace, RunId};
use crate::error::{Doing, LabError};
use crate::process::{self, Process};
use crate::scenario;

/// A site's namespaces.
#[derive(Debug)]
pub struct Site {
    settings: scenario::Site,
    switch: Namespace,
    router: Namespace,
}

impl Site {
    /// Makes the switch and the router of a site.
    pub(super) fn create(run: &RunId, settings: &scenario::Site) -> Result<Self, LabError> {
        let site = Self {
            settings: settings.clone(),
            switch: run.namespace("switch", &settings.name)?,
            router: run.namespace("router", &settings.name)?,
        };
        site.switch.sysctl(&[
            ("conf/all/disable_ipv6", "1"),
            ("conf/default/disable_ipv6", "1"),
        ])?;
        veth((&site.router, "lan"), (&site.switch, "router"))?;
        site.switch.ip(&[
            "link add name lan type bridge mcast_snooping 0",
            "link set lan up",
            "link set router master lan",
            "link set router up",
        ])?;
        site.router.sysctl(&[("conf/all/forwarding", "1")])?;
        let mut lines = vec![
            "link set lan addrgenmode none".to_owned(),
            "link set lan up".to_owned(),
            format!("address add {}/64 dev lan nodad", settings.router),
        ];
        lines.extend(
            settings
                .prefixes
                .iter()
                .map(|prefix| format!("address add {}1/64 dev lan nodad", prefix.prefix())),
        );
        site.router.ip(&lines)?;
        if settings.source_filter {
            let rules = source_filter(settings);
            process::run(site.router.command("nft").args(["-f", "-"]), &rules)?;
        }
        Ok(site)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the scenario says about it.
    pub fn settings(&self) -> &scenario::Site {
        &self.settings
    }

    /// The namespace of its switch: a bridge `lan` with a port for each host and for the router.
    pub fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// The namespace of its router, with the interfaces `lan` and `wan`.
    pub fn router(&self) -> &Namespace {
        &self.router
    }

    /// The MAC address of its router towards the hosts.
    ///
    /// # Errors
    /// When the router is gone.
    pub fn router_mac(&self) -> Result<String, LabError> {
        let file = ["/sys/class/net/lan/address"];
        let said = process::run(self.router.command("cat").args(file), "")?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// Starts radvd on the router.
    pub(super) fn start_advertising(&self, run: &Path, logs: &Path) -> Result<Process, LabError> {
        let name = format!("radvd-{}", self.settings.name);
        let file = run.join(format!("{name}.conf"));
        std::fs::write(&file, radvd_configuration(&self.settings))
            .doing(|| format!("write {}", file.display()))?;
        let mut command = self.router.command("radvd");
        command.args(["--nodaemon", "--logmethod", "stderr", "--config"]);
        command.arg(&file);
        command
            .arg("--pidfile")
            .arg(run.join(format!("{name}.pid")));
        let log = logs.join(format!("{name}.log"));
        Process::start(&name, &mut command, &log)
    }
}

/// Rules that drop what hosts send from sources outside the site (BCP 38).
fn source_filter(site: &scenario::Site) -> String {
    let prefixes: Vec<String> = site.prefixes.iter().map(ToString::to_string).collect();
    format!(
        "table ip6 lab {{\n\
         \tchain source_filter {{\n\
         \t\ttype filter hook forward priority 0; policy accept;\n\
         \t\tiifname \"lan\" ip6 saddr != {{ {} }} counter drop\n\
         \t}}\n}}\n",
        prefixes.join(", ")
    )
}

/// What radvd advertises. Solicitations are answered as fast as RFC 6275 §7.5 lets a router for
/// mobile hosts do it; unsolicited advertisements keep to the interval of the scenario.
fn radvd_configuration(site: &scenario::Site) -> String {
    let longest = site.ra_interval.as_secs_f64();
    let shortest = (longest * 0.75).max(0.03);
    let mut text = format!(
        "interface lan {{\n\
         \tAdvSendAdvert on;\n\
         \tAdvIntervalOpt on;\n\
         \tMinDelayBetweenRAs 0.03;\n\
         \tMinRtrAdvInterval {shortest:.3};\n\
         \tMaxRtrAdvInterval {longest:.3};\n\
         \tAdvDefaultLifetime 1800;\n"
    );
    for prefix in &site.prefixes {
        text.push_str(&format!(
            "\tprefix {prefix} {{ AdvValidLifetime 7200; AdvPreferredLifetime 3600; }};\n"
        ));
    }
    text.push_str("};\n");
    text
}
