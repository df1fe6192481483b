//! What a scenario must hold to beyond its grammar: names, references and bounds.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Host, LinkSettings, Move, MoveKind, Scenario, Site, Vm};

const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);
const LARGEST_DELAY: Duration = Duration::from_secs(60);
/// Interface names have at most 15 characters and carry a host's name with five more.
const LONGEST_NAME: usize = 10;
/// Each host and site costs a namespace or two.
const MOST_NODES: usize = 100;
/// A guest of less has no room for its programs.
const MEMORY: RangeInclusive<u64> = 160 << 20..=16 << 30;
/// In bits a second. At less than this a guest would be copied for longer than the lab waits.
const BANDWIDTHS: RangeInclusive<u64> = 1_000_000..=1_000_000_000_000;
const LATEST_FAULT: Duration = Duration::from_secs(60);
const LARGEST_DISK: u64 = 64 << 30;
const MOST_HYPERVISORS: u8 = 4;
/// radvd refuses shorter intervals (RFC 6275 §7.5) and longer ones (RFC 4861 §6.2.1).
const RA_INTERVALS: (Duration, Duration) = (Duration::from_millis(70), Duration::from_secs(1800));

/// One step of the way from the top of a scenario to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a table.
    Key(&'static str),
    /// Into an array.
    Index(usize),
}

/// A value that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Where it stands.
    pub path: Vec<Step>,
    /// What is wrong with it.
    pub message: String,
}

impl Scenario {
    /// Checks that names are unique and exist where they are used, and that values are in bounds.
    ///
    /// # Errors
    /// The first mistake that is found.
    pub fn validate(&self) -> Result<(), Invalid> {
        let at = Path::TOP;
        at.key("duration").check(
            !self.duration.is_zero() && self.duration <= LONGEST_RUN,
            "a run lasts up to 24 hours, and longer than nothing",
        )?;
        self.validate_sites()?;
        self.validate_hosts()?;
        self.validate_names()?;
        self.validate_moves()?;
        for (index, workload) in self.workloads.iter().enumerate() {
            self.validate_workload(workload, &at.item("workload", index))?;
        }
        Ok(())
    }

    /// The site with this name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// The host with this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// Whether a host makes a soft move.
    pub fn moves_softly(&self, host: &str) -> bool {
        let mut moves = self.moves.iter();
        moves.any(|step| step.host == host && step.kind == MoveKind::Soft)
    }

    fn validate_sites(&self) -> Result<(), Invalid> {
        let (top, mut names, mut prefixes) = (Path::TOP, HashSet::new(), HashSet::new());
        top.key("site").check(
            (1..=MOST_NODES).contains(&self.sites.len()),
            "a scenario has 1 to 100 sites",
        )?;
        for (index, site) in self.sites.iter().enumerate() {
            let at = top.item("site", index);
            at.key("name").check_name(&site.name)?;
            at.key("name").check(
                names.insert(&site.name),
                format_args!("two sites are called \"{}\"", site.name),
            )?;
            at.key("prefixes").check(
                (1..=8).contains(&site.prefixes.len()),
                "a site has 1 to 8 prefixes",
            )?;
            for prefix in &site.prefixes {
                at.key("prefixes").check(
                    prefix.is_usable() && prefixes.insert(prefix),
                    format_args!("{prefix} is used twice, or is no prefix that hosts can use"),
                )?;
            }
            at.key("router").check(
                site.router.is_unicast_link_local(),
                format_args!("{} is no link-local address (fe80::/10)", site.router),
            )?;
            at.key("ra-interval").check(
                (RA_INTERVALS.0..=RA_INTERVALS.1).contains(&site.ra_interval),
                "routers advertise every 70 ms to 1800 s",
            )?;
            at.key("hypervisors").check(
                (1..=MOST_HYPERVISORS).contains(&site.hypervisors),
                "a site has 1 to 4 hypervisors",
            )?;
            validate_link(&site.link, &at.key("link"))?;
        }
        Ok(())
    }

    fn validate_hosts(&self) -> Result<(), Invalid> {
        let (top, mut names, mut nids) = (Path::TOP, HashSet::new(), HashSet::new());
        top.key("host").check(
            (1..=MOST_NODES).contains(&self.hosts.len()),
            "a scenario has 1 to 100 hosts",
        )?;
        for (index, host) in self.hosts.iter().enumerate() {
            let at = top.item("host", index);
            at.key("name").check_name(&host.name)?;
            at.key("name").check(
                names.insert(&host.name),
                format_args!("two hosts are called \"{}\"", host.name),
            )?;
            self.check_site(&at.key("site"), &host.site)?;
            if let Some(reason) = host.nid.unusable_reason() {
                return Err(at
                    .key("nid")
                    .wrong(format_args!("no node can have it: {reason}")));
            }
            at.key("nid").check(
                nids.insert(host.nid),
                format_args!("two hosts have the identifier {}", host.nid),
            )?;
            if let Some(vm) = host.vm {
                validate_machine(host, vm, &at)?;
            }
        }
        Ok(())
    }

    fn validate_moves(&self) -> Result<(), Invalid> {
        let mut earliest = Duration::ZERO;
        for (index, step) in self.moves.iter().enumerate() {
            let at = Path::TOP.item("move", index);
            let host = self.check_host(&at.key("host"), &step.host)?;
            at.key("host").check(
                !host.is_static,
                format_args!(
                    "\"{}\" is static: it would be deaf at another site",
                    host.name
                ),
            )?;
            self.check_site(&at.key("to"), &step.to)?;
            // A virtual machine may go to another hypervisor of its site.
            let has_others = self.site(&step.to).is_some_and(|site| site.hypervisors > 1);
            at.key("to").check(
                self.site_before(index, host) != step.to || host.vm.is_some() && has_others,
                format_args!("\"{}\" is there already", host.name),
            )?;
            // A virtual machine stands still by itself, and the scenario's time with it.
            at.key("silence").check(
                host.vm.is_none() || step.silence.is_zero(),
                "a virtual machine stands still by itself",
            )?;
            at.key("bandwidth").check(
                step.bandwidth.is_none() || host.vm.is_some(),
                format_args!(
                    "\"{}\" is no virtual machine, and only the move of one copies anything",
                    host.name
                ),
            )?;
            at.key("bandwidth").check(
                step.bandwidth.is_none_or(|rate| BANDWIDTHS.contains(&rate)),
                "the copy of a virtual machine keeps to 1mbit to 1000gbit",
            )?;
            at.key("fault").check(
                step.fault.is_none() || host.vm.is_some(),
                format_args!(
                    "\"{}\" is no virtual machine, and has no agents that could break",
                    host.name
                ),
            )?;
            at.key("fault").check(
                step.fault.is_none_or(|fault| fault.after <= LATEST_FAULT),
                "nothing breaks later than a minute after the request",
            )?;
            at.key("kind").check(
                host.vm.is_none() || host.ilnp || step.kind == MoveKind::Hard,
                "there is no daemon in it that could be told before",
            )?;
            let end = if host.vm.is_some() {
                step.at
            } else {
                step.end()
            };
            at.key("at").check(
                step.at >= earliest && end < self.duration,
                "moves stand in the order of their time, the next begins after the last has \
                 ended, and the last ends before the run",
            )?;
            earliest = end;
        }
        Ok(())
    }

    /// Where a host is when a move begins.
    fn site_before<'a>(&'a self, index: usize, host: &'a Host) -> &'a str {
        let earlier = self.moves.iter().take(index).rev();
        let last = earlier.into_iter().find(|step| step.host == host.name);
        last.map_or(&host.site, |step| &step.to)
    }

    pub(super) fn check_host(&self, at: &Path, name: &str) -> Result<&Host, Invalid> {
        self.host(name).ok_or_else(|| {
            let known = names(self.hosts.iter().map(|host| &host.name));
            at.wrong(format_args!(
                "no host is called \"{name}\" (hosts: {known})"
            ))
        })
    }

    pub(super) fn check_site(&self, at: &Path, name: &str) -> Result<(), Invalid> {
        let known = names(self.sites.iter().map(|site| &site.name));
        at.check(
            self.site(name).is_some(),
            format_args!("no site is called \"{name}\" (sites: {known})"),
        )
    }
}

impl Move {
    /// When the old attachment is cut.
    pub fn end(&self) -> Duration {
        match self.kind {
            MoveKind::Hard => self.at + self.silence,
            MoveKind::Soft => self.at + self.overlap,
        }
    }
}

/// QEMU and the kernel of guests set the bounds.
fn validate_machine(host: &Host, vm: Vm, at: &Path) -> Result<(), Invalid> {
    at.key("vm").key("memory").check(
        MEMORY.contains(&vm.memory) && vm.memory.is_multiple_of(1 << 20),
        "a virtual machine has 160 MiB to 16 GiB of memory, in whole MiB",
    )?;
    if let Some(disk) = vm.disk {
        let at = at.key("vm").key("disk");
        let is_whole = |octets: u64| octets.is_multiple_of(1 << 20);
        at.key("size").check(
            (1 << 20..=LARGEST_DISK).contains(&disk.size) && is_whole(disk.size),
            "a disk has 1 MiB to 64 GiB, in whole MiB",
        )?;
        at.key("written").check(
            disk.written <= disk.size && is_whole(disk.written),
            "no more is written than the disk has, in whole MiB",
        )?;
    }
    at.key("static").check(
        !host.is_static && host.resolver.is_none(),
        "a virtual machine is not static, and its programs ask no resolver",
    )
}

fn validate_link(link: &LinkSettings, at: &Path) -> Result<(), Invalid> {
    at.key("delay")
        .check(link.delay <= LARGEST_DELAY, "a delay is at most 60 s")?;
    at.key("jitter")
        .check(link.jitter <= LARGEST_DELAY, "a jitter is at most 60 s")?;
    let shares = [
        ("loss", link.loss),
        ("duplication", link.duplication),
        ("reordering", link.reordering),
        ("locator-update-loss", link.locator_update_loss),
    ];
    for (key, share) in shares {
        at.key(key)
            .check((0.0..=1.0).contains(&share), "a share is 0 to 1")?;
    }
    Ok(())
}

pub(super) fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The way to the value that is looked at.
pub(super) struct Path(Vec<Step>);

impl Path {
    /// The top of the scenario.
    pub(super) const TOP: Self = Self(vec![]);

    pub(super) fn key(&self, key: &'static str) -> Self {
        Self([self.0.as_slice(), &[Step::Key(key)]].concat())
    }

    pub(super) fn item(&self, key: &'static str, index: usize) -> Self {
        Self([self.0.as_slice(), &[Step::Key(key), Step::Index(index)]].concat())
    }

    pub(super) fn wrong(&self, message: impl Display) -> Invalid {
        Invalid {
            path: self.0.clone(),
            message: message.to_string(),
        }
    }

    pub(super) fn check(&self, holds: bool, message: impl Display) -> Result<(), Invalid> {
        if holds {
            Ok(())
        } else {
            Err(self.wrong(message))
        }
    }

    pub(super) fn check_name(&self, name: &str) -> Result<(), Invalid> {
        let fits = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        self.check(
            fits,
            format_args!("{name:?} is no name: one to {LONGEST_NAME} letters, digits and hyphens"),
        )
    }
}
