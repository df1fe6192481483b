//! What has to be done, decided from what was seen: no input or output here.
//!
//! Both directions are made of [`Step`]s in an order that a crash may cut anywhere: what is about to
//! be done is written down before, and forgotten after it was undone. Whatever somebody else did
//! meanwhile stays, unless it would leave this host asking a stub resolver that does not run.

use std::net::{IpAddr, SocketAddr};

use super::error::InstallError;
use super::observe::{OUR_RECORD, Observed, ResolvConf};
use super::record::{Original, Record, Text};
use super::resolv_conf::{self, Nameserver};

/// How the stub resolver is put in front of this host's applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// By whatever this host uses.
    #[default]
    Auto,
    /// Through systemd-resolved.
    Resolved,
    /// By replacing `/etc/resolv.conf`.
    ResolvConf,
    /// Not at all.
    No,
}

/// One of the ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// systemd-resolved sends everything to the stub resolver, as the server of the ILNP interface.
    Resolved,
    /// resolvconf writes `/etc/resolv.conf`.
    Resolvconf,
    /// This program does.
    ResolvConf,
}

impl Way {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolved => "systemd-resolved",
            Self::Resolvconf => "resolvconf",
            Self::ResolvConf => "/etc/resolv.conf",
        }
    }
}

/// What is done at once, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write down what is about to be done.
    Remember(Record),
    /// Nothing is done to this host any more.
    Forget,
    /// Put this at `/etc/resolv.conf`.
    Put(Original),
    /// Run `resolvectl`.
    Resolvectl(Vec<String>),
    /// The same, when its failure means that there is nothing to undo.
    ResolvectlIfThere(Vec<String>),
    /// Run `resolvconf` with an input.
    Resolvconf(&'static [&'static str], String),
}

/// The way to take: that of `record` as long as there is one.
pub(super) fn way(
    install: Install,
    observed: &Observed,
    record: Option<&Record>,
) -> Result<Option<Way>, InstallError> {
    let of_resolved = observed.resolv_conf.is_of_resolved();
    let way = match (install, record) {
        (Install::No, _) => return Ok(None),
        (_, Some(Record::Resolved { .. })) | (Install::Resolved, _) => Way::Resolved,
        (_, Some(Record::Resolvconf)) => Way::Resolvconf,
        (_, Some(Record::ResolvConf { .. })) | (Install::ResolvConf, _) => Way::ResolvConf,
        (Install::Auto, None) if of_resolved => Way::Resolved,
        (Install::Auto, None) if observed.resolvconf.is_some() => Way::Resolvconf,
        (Install::Auto, None) => Way::ResolvConf,
    };
    match way {
        Way::Resolved if observed.resolved.is_none() => Err(InstallError::NoResolved),
        way => Ok(Some(way)),
    }
}

/// Where the stub resolver is reached by `way`: of the addresses that it listens on, the first that
/// the way can name.
pub(super) fn server(listen: &[SocketAddr], way: Way) -> Result<SocketAddr, InstallError> {
    let can_name =
        |address: &&SocketAddr| way == Way::Resolved || address.port() == resolv_conf::PORT;
    let address = listen.iter().find(can_name);
    let address = address.ok_or_else(|| InstallError::NoPort53 { way: way.name() })?;
    Ok(SocketAddr::new(
        resolv_conf::reachable(address.ip()),
        address.port(),
    ))
}

/// What is still to be done. `behind` is what a resolver would read without us where
/// `/etc/resolv.conf` was a link.
pub(super) fn install(
    way: Way,
    server: SocketAddr,
    interface: &str,
    observed: &Observed,
    record: Option<&Record>,
    behind: Option<&[u8]>,
) -> Result<Vec<Step>, InstallError> {
    let ours = resolv_conf::is_ours(&observed.resolv_conf.text);
    if way == Way::ResolvConf && ours && record.is_none() {
        return Err(InstallError::Another);
    }
    if is_done(way, server, observed) {
        // A link's target may have got other settings since.
        return Ok(match (record, behind) {
            (Some(Record::ResolvConf { installed, .. }), Some(behind))
                if observed.resolv_conf.text == installed.0 =>
            {
                renew(server.ip(), observed, record, behind)
            }
            _ => Vec::new(),
        });
    }
    match way {
        Way::Resolved => Ok(through_resolved(server, interface)),
        Way::Resolvconf => Ok(vec![
            Step::Remember(Record::Resolvconf),
            Step::Resolvconf(&["-a", OUR_RECORD], format!("nameserver {}\n", server.ip())),
        ]),
        Way::ResolvConf => {
            let resolv_conf = &observed.resolv_conf;
            Ok(replace(
                server.ip(),
                resolv_conf.itself.clone(),
                &resolv_conf.text,
            ))
        }
    }
}

/// Whether programs ask `server` and nobody else.
pub(super) fn is_done(way: Way, server: SocketAddr, observed: &Observed) -> bool {
    match way {
        Way::Resolved => observed
            .resolved
            .as_ref()
            .is_some_and(|resolved| resolved.on_interface == [as_resolved_writes(server)]),
        Way::Resolvconf | Way::ResolvConf => {
            resolv_conf::names_only(&observed.resolv_conf.text, server.ip())
        }
    }
}

/// Undoes what `record` says, with `now` at `/etc/resolv.conf`.
pub(super) fn undo(record: &Record, now: &ResolvConf) -> Vec<Step> {
    let mut steps = match record {
        Record::Resolved { interface } => {
            // Fails when the interface is gone, and the setting with it.
            vec![Step::ResolvectlIfThere(words(&["revert", interface]))]
        }
        Record::Resolvconf => vec![Step::Resolvconf(&["-d", OUR_RECORD], String::new())],
        Record::ResolvConf {
            server,
            original,
            installed,
        } => put_back(*server, original, installed, now),
    };
    steps.push(Step::Forget);
    steps
}

/// The servers that answered this host's programs before, ours left out.
pub(super) fn upstreams(
    way: Option<Way>,
    listen: &[SocketAddr],
    observed: &Observed,
    record: Option<&Record>,
    behind: Option<&[u8]>,
) -> Vec<Nameserver> {
    let text = match (way, record, behind) {
        (Some(Way::Resolved), ..) => observed.resolved.as_ref().map(|there| &there.uplinks[..]),
        (Some(Way::Resolvconf), ..) => observed.resolvconf.as_ref().map(|there| &there.others[..]),
        (_, Some(Record::ResolvConf { .. }), Some(behind)) => Some(behind),
        (_, Some(Record::ResolvConf { original, .. }), None) => match original {
            Original::File { text, .. } => Some(&text.0[..]),
            Original::Missing | Original::Link(_) => None,
        },
        (_, _, _) => Some(&observed.resolv_conf.text[..]),
    };
    let mut servers = resolv_conf::nameservers(text.unwrap_or_default());
    // systemd-resolved reads a file that is not its own, and would ask the stub resolver that asks
    // it: whom it asks itself is asked instead.
    if let Some(resolved) = &observed.resolved
        && servers.iter().any(resolv_conf::is_resolved)
    {
        servers.retain(|server| !resolv_conf::is_resolved(server));
        servers.extend(resolv_conf::nameservers(&resolved.uplinks));
    }
    servers.retain(|server| !is_ours(server, listen));
    servers
}

fn is_ours(server: &Nameserver, listen: &[SocketAddr]) -> bool {
    listen.iter().any(|address| {
        address.port() == resolv_conf::PORT
            && resolv_conf::reachable(address.ip()) == server.address
    })
}

/// Domains whose names systemd-resolved takes to the servers of another link, past the stub
/// resolver: it prefers the longest match, and `~.` is the shortest.
pub(super) fn bypassed(way: Option<Way>, observed: &Observed) -> Vec<String> {
    match (way, &observed.resolved) {
        (Some(Way::Resolved), Some(resolved)) => resolv_conf::search_domains(&resolved.uplinks),
        _ => Vec::new(),
    }
}

/// The settings are bound to the interface: the kernel takes them away with it, and
/// systemd-resolved leaves them out while nobody serves the interface.
fn through_resolved(server: SocketAddr, interface: &str) -> Vec<Step> {
    let server = as_resolved_writes(server);
    let mut steps = vec![Step::Remember(Record::Resolved {
        interface: interface.to_owned(),
    })];
    steps.extend(
        [
            ["dns", interface, &server],
            ["domain", interface, "~."],
            ["default-route", interface, "yes"],
            ["llmnr", interface, "no"],
            ["mdns", interface, "no"],
        ]
        .map(|command| Step::Resolvectl(words(&command))),
    );
    steps
}

fn as_resolved_writes(server: SocketAddr) -> String {
    if server.port() == resolv_conf::PORT {
        server.ip().to_string()
    } else {
        server.to_string()
    }
}

fn replace(server: IpAddr, original: Original, text: &[u8]) -> Vec<Step> {
    let mode = match original {
        Original::File { mode, .. } => mode,
        Original::Missing | Original::Link(_) => 0o644,
    };
    let installed = Text(resolv_conf::with_only(server, text));
    vec![
        Step::Remember(Record::ResolvConf {
            server,
            original,
            installed: installed.clone(),
        }),
        Step::Put(Original::File {
            text: installed,
            mode,
        }),
    ]
}

/// Takes over what changed behind the link that we replaced.
fn renew(server: IpAddr, observed: &Observed, record: Option<&Record>, behind: &[u8]) -> Vec<Step> {
    match record {
        Some(Record::ResolvConf { original, .. })
            if resolv_conf::with_only(server, behind) != observed.resolv_conf.text =>
        {
            replace(server, original.clone(), behind)
        }
        _ => Vec::new(),
    }
}

fn put_back(server: IpAddr, original: &Original, installed: &Text, now: &ResolvConf) -> Vec<Step> {
    let back = |original: Original| vec![Step::Put(original)];
    if is_rest_of(now, &installed.0) {
        return back(original.clone());
    }
    let names_us = resolv_conf::names_only(&now.text, server);
    match original {
        Original::File { text, .. } if now.text != text.0 && is_rest_of(now, &text.0) => {
            back(original.clone())
        }
        // An edited text of ours: the editor's lines stay.
        Original::File { text, mode } if names_us => back(Original::File {
            text: Text(resolv_conf::with_servers_of(&text.0, &now.text)),
            mode: *mode,
        }),
        Original::Missing | Original::Link(_) if names_us => back(original.clone()),
        // Somebody else's, and it works without us.
        _ => Vec::new(),
    }
}

/// Whether a crash can have left this of `text`: a file that is written in place may be cut short.
fn is_rest_of(now: &ResolvConf, text: &[u8]) -> bool {
    !matches!(now.itself, Original::Link(_)) && text.starts_with(&now.text)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
