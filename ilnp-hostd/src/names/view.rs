//! What the API shows of names, and asks of them.

use std::fmt;
use std::net::Ipv6Addr;

use ilnp_core::id::{Locator, Nid};
use ilnp_dns::name::Name;
use ilnp_dns::publish::PrimaryStatus;
use ilnp_dns::record::RecordType;
use ilnp_dns::resolve::{Records, WithTtl};
use ilnp_dns::stub::{Correspondents as _, Learnt};

use super::publisher::Publisher;
use super::stub::Shown;
use super::text::{name_of, text_of};
use crate::api::names::{Confirmed, Dns, Primary, Problem, Resolver, Upstream};
use crate::api::resolve::Record;

/// The names of a daemon, as the API sees them. The default has none.
#[derive(Clone, Default)]
pub struct NamesView {
    pub(super) publisher: Option<Publisher>,
    pub(super) shown: Option<Shown>,
}

/// What was found out about a name.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What DNS holds.
    pub records: Vec<Record>,
    /// Types that nobody answered for.
    pub unanswered: Vec<String>,
    /// Who it is, and where, best first.
    pub who: Option<(Nid, Vec<Locator>)>,
    /// What the daemon makes of that.
    pub verdict: Verdict,
}

/// What applications are told of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The handle.
    Ilnp(Ipv6Addr),
    /// The addresses that DNS has: the host was found not to speak ILNP, or this one has no Locator.
    Classic,
    /// The addresses that DNS has: it describes no ILNP node.
    None,
}

impl NamesView {
    /// How publishing stands; `None` without `[dns]`.
    pub(crate) fn dns(&self) -> Option<Dns> {
        let (name, status) = self.publisher.as_ref()?.status()?;
        Some(Dns {
            name: text_of(&name),
            primaries: status.primaries.iter().map(primary).collect(),
        })
    }

    /// How the stub resolver stands; `None` without `[resolver]`.
    pub(crate) fn resolver(&self) -> Option<Resolver> {
        let shown = self.shown.as_ref()?;
        let installed = shown.installed.borrow();
        let tended = installed.tended.as_ref();
        Some(Resolver {
            listen: shown.listen.clone(),
            installed: tended
                .and_then(|tended| tended.way)
                .map(|way| way.name().to_owned()),
            error: installed.error.clone(),
            bypassed: tended.map(|it| it.bypassed.clone()).unwrap_or_default(),
            upstreams: shown
                .resolver
                .upstreams()
                .iter()
                .map(|upstream| Upstream {
                    server: upstream.server,
                    answers: upstream.answers,
                })
                .collect(),
        })
    }

    /// Looks a name up and tells the node; `None` when the text is no name, or without
    /// `[resolver]`.
    pub(crate) async fn resolve(&self, text: &str) -> Option<Answer> {
        let shown = self.shown.as_ref()?;
        let name = name_of(text)?;
        let records = shown.resolver.resolve(&name).await;
        let found = records.found();
        let who = found.as_ref().map(|found| {
            let locators = found.locators.iter().map(|found| found.locator);
            (found.nid, locators.collect())
        });
        let verdict = match found {
            None => Verdict::None,
            Some(_) if !shown.learner.attached() => Verdict::Classic,
            Some(found) => match shown.learner.learn(found).await {
                Learnt::Handle(handle) => Verdict::Ilnp(shown.handles.address(handle)),
                Learnt::Classic => Verdict::Classic,
            },
        };
        Some(Answer {
            unanswered: records
                .unanswered
                .iter()
                .map(|(name, rtype)| format!("{} {rtype}", text_of(name)))
                .collect(),
            records: listed(&records),
            who,
            verdict,
        })
    }
}

impl fmt::Debug for NamesView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamesView").finish_non_exhaustive()
    }
}

fn primary(status: &PrimaryStatus) -> Primary {
    let confirmed = status.confirmed.as_ref().map(|confirmed| Confirmed {
        since_s: confirmed.since.elapsed().as_secs_f64(),
        locators: confirmed
            .host
            .locators()
            .map(|(locator, _)| locator)
            .collect(),
    });
    let trying = status.trying.as_ref();
    Primary {
        server: status.address,
        zone: status.zone.as_ref().map(text_of),
        state: match trying {
            Some(_) => "trying",
            None if confirmed.is_some() => "confirmed",
            None => "idle",
        }
        .to_owned(),
        confirmed,
        trying_s: trying.map(|trying| trying.since.elapsed().as_secs_f64()),
        failures: trying.map_or(0, |trying| trying.failures),
        problem: trying
            .and_then(|trying| trying.problem.as_ref())
            .map(|problem| Problem {
                kind: problem.kind().to_owned(),
                message: problem.to_string(),
            }),
    }
}

/// All records, those of the name itself first.
fn listed(records: &Records) -> Vec<Record> {
    let name = &records.name;
    let behind = records.lp_l64.iter();
    let behind = behind.flat_map(|(target, l64)| each(target, RecordType::L64, l64));
    each(name, RecordType::NID, &records.nid)
        .chain(each(name, RecordType::L64, &records.l64))
        .chain(each(name, RecordType::LP, &records.lp))
        .chain(behind)
        .chain(each(name, RecordType::AAAA, &records.aaaa))
        .collect()
}

fn each<T: fmt::Display>(
    name: &Name,
    rtype: RecordType,
    records: &[WithTtl<T>],
) -> impl Iterator<Item = Record> {
    records.iter().map(move |record| Record {
        name: text_of(name),
        rtype: rtype.to_string(),
        ttl: record.ttl,
        data: record.data.to_string(),
    })
}
