//! What the API shows of a node.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ilnp_core::drop_reason::DropReason;
use ilnp_core::id::{Handle, Locator, Nid};
use ilnp_core::node::{Activity, CorrespondentSnapshot, DatapathUpdate, Input, Node};
use ilnp_core::time::Instant;
use ilnp_dns::stub::Known;

use super::engine::About;
use super::host::Host;
use crate::api;
use crate::api::correspondents::{Correspondent, Correspondents, RemoteLocator, Update};
use crate::api::counters::Counters;
use crate::api::locators::LocalLocator;
use crate::api::status::{Relocation, Status};
use crate::names::{SessionNames, name_of};

pub(super) fn status(node: &Node, about: &About, now: Instant, host: &impl Host) -> Status {
    let locators = locators(node, now, host);
    Status {
        schema: api::SCHEMA,
        nid: about.nid,
        handle: about.handles.address(Handle::new(about.nid)),
        interface: about.interface.clone(),
        ready: locators.iter().any(|locator| locator.state == "active"),
        fenced: None,
        uptime_s: (now - about.started).as_secs_f64(),
        locators,
        correspondents: node.correspondents(now).len(),
        relocation: node.plan(now).map(|plan| Relocation {
            locators: plan.locators,
            switched: plan.switched,
            remaining_s: plan.remaining_s,
        }),
        dns: None,
        resolver: None,
    }
}

pub(super) fn locators(node: &Node, now: Instant, host: &impl Host) -> Vec<LocalLocator> {
    node.locators(now)
        .into_iter()
        .map(|locator| LocalLocator {
            locator: locator.locator,
            interface: host.interface_name(locator.interface),
            state: locator.state.to_owned(),
            preference: locator.preference.0,
            lifetime_s: locator.lifetime_s.0,
        })
        .collect()
}

/// The first of these Locators that is none of this node's.
pub(super) fn foreign<'a>(
    node: &Node,
    now: Instant,
    locators: &'a [Locator],
) -> Option<&'a Locator> {
    let own = node.locators(now);
    locators
        .iter()
        .find(|&locator| own.iter().all(|own| own.locator != *locator))
}

/// Whether packets leave from this Locator.
pub(super) fn sends_from(node: &Node, now: Instant, locator: Locator) -> bool {
    let own = node.locators(now);
    own.first().is_some_and(|first| first.locator == locator)
}

pub(super) fn correspondents(
    node: &Node,
    about: &About,
    now: Instant,
    host: &mut impl Host,
) -> Correspondents {
    let mut correspondents: Vec<_> = node
        .correspondents(now)
        .into_iter()
        .map(|snapshot| {
            let handle = about.handles.handle(snapshot.handle);
            let activity = handle.and_then(|handle| activity(handle, host));
            shown(snapshot, now, activity)
        })
        .collect();
    correspondents.sort_by_key(|correspondent| correspondent.handle);
    Correspondents {
        schema: api::SCHEMA,
        correspondents,
    }
}

/// What the data path saw of a correspondent: the node does not hear of every packet.
fn activity(handle: Handle, host: &mut impl Host) -> Option<Activity> {
    match host.apply(DatapathUpdate::ReadActivity(handle)) {
        Some(Input::Activity { activity, .. }) => activity,
        _ => None,
    }
}

fn shown(
    snapshot: CorrespondentSnapshot,
    now: Instant,
    activity: Option<Activity>,
) -> Correspondent {
    let seen = activity
        .filter(|activity| activity.heard > Instant::ZERO)
        .map(|activity| (now - activity.heard).as_secs_f64());
    let last_heard_s = match (snapshot.last_heard_s, seen) {
        (Some(heard), Some(seen)) => Some(heard.min(seen)),
        (heard, seen) => heard.or(seen),
    };
    let locators = snapshot.locators.into_iter().map(|locator| RemoteLocator {
        locator: locator.locator,
        state: locator.state.to_owned(),
        preference: locator.preference.0,
        lifetime_s: locator.lifetime_s.0,
    });
    Correspondent {
        nid: snapshot.nid,
        handle: snapshot.handle,
        names: snapshot.names,
        state: snapshot.state.to_owned(),
        locators: locators.collect(),
        last_heard_s,
        update: Update {
            state: snapshot.update.state.to_owned(),
            tries: snapshot.update.tries,
        },
    }
}

/// The handle of the correspondent that a user means: by handle, identifier or name.
pub(super) fn find(node: &Node, about: &About, now: Instant, target: &str) -> Option<Handle> {
    let address = target.parse::<Ipv6Addr>();
    let nid = target.parse::<Nid>();
    let name = target.trim_end_matches('.');
    let found = node.correspondents(now).into_iter().find(|known| {
        if let Ok(address) = address {
            return known.handle == address;
        }
        if let Ok(nid) = nid {
            return known.nid == nid;
        }
        known
            .names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    })?;
    about.handles.handle(found.handle)
}

/// Whom a handle stands for.
pub(super) fn known(node: &Node, now: Instant, handle: Handle) -> Option<Known> {
    let snapshot = node.correspondent(now, handle)?;
    Some(Known {
        name: snapshot.names.first().and_then(|name| name_of(name)),
        locators: snapshot
            .locators
            .iter()
            .map(|remote| remote.locator)
            .collect(),
    })
}

/// The names of the sessions that outlive this daemon.
pub(super) fn session_names(node: &Node) -> Vec<SessionNames> {
    node.learnt_names()
        .map(|(handle, names)| SessionNames {
            handle,
            names: names.to_vec(),
        })
        .collect()
}

/// The counters of the node and of the data path, which count different packets.
pub(super) fn counters(node: &Node, host: &mut impl Host) -> Result<Counters, String> {
    let path = host.counters()?;
    let mut drops: BTreeMap<DropReason, u64> =
        DropReason::ALL.iter().map(|&reason| (reason, 0)).collect();
    for (reason, count) in path.drops.into_iter().chain(node.counters()) {
        *drops.entry(reason).or_default() += count;
    }
    let packets = [
        ("translated-out", path.translated_out),
        ("translated-in", path.translated_in),
        ("to-daemon", path.to_daemon),
        ("injected", path.injected),
    ];
    Ok(Counters {
        schema: api::SCHEMA,
        packets: packets.map(|(name, count)| (name.to_owned(), count)).into(),
        drops: drops
            .into_iter()
            .map(|(reason, count)| (reason.label().to_owned(), count))
            .collect(),
    })
}
