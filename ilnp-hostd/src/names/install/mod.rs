//! Puts the stub resolver in front of this host's applications, and takes it away again.
//!
//! | part | what it does |
//! |---|---|
//! | `observe` | looks at what the host uses |
//! | `plan` | decides what has to be done, without input or output |
//! | `step`, `program` | do it |
//! | `record` | remembers it for whichever run has to undo it |
//! | `watch` | notices when others write |
//!
//! All but the last block: files, and programs that are waited for at most five seconds each.

mod error;
mod observe;
mod plan;
mod program;
mod record;
mod resolv_conf;
mod step;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::InstallError;
use observe::Observed;
use plan::Step;
pub use plan::{Install, Way};
use record::{Original, Record};
pub use watch::Watch;

/// So many times in [`WHILE_CONTESTED`] `/etc/resolv.conf` is written again after somebody else did.
const REWRITES: usize = 10;
const WHILE_CONTESTED: Duration = Duration::from_secs(60);

/// What it takes to put the stub resolver in front of the applications.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How.
    pub install: Install,
    /// Where the stub resolver listens.
    pub listen: Vec<SocketAddr>,
    /// The ILNP interface.
    pub interface: String,
    /// Where what was done is remembered.
    pub state_dir: PathBuf,
}

/// What is so after [`Installation::tend`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tended {
    /// How applications are sent to the stub resolver; `None` when they are not.
    pub way: Option<Way>,
    /// The servers that this host would ask without the stub resolver, none of them the stub
    /// resolver itself. They change when the host moves.
    pub upstreams: Vec<SocketAddr>,
    /// Domains whose names do not come to the stub resolver: systemd-resolved takes them to a link
    /// that has them as search domains. `install = "resolv.conf"` is the remedy.
    pub bypassed: Vec<String>,
}

/// The stub resolver in front of this host's applications.
///
/// It is *tended*: whatever the host does, each [`Installation::tend`] makes it so again.
#[derive(Debug)]
pub struct Installation {
    settings: Settings,
    record_path: PathBuf,
    record: Option<Record>,
    rewritten: VecDeque<Instant>,
}

impl Installation {
    /// Undoes what an earlier run left, and does nothing else yet.
    ///
    /// # Errors
    /// [`InstallError`] when that cannot be undone.
    pub fn new(settings: Settings) -> Result<Self, InstallError> {
        clean_up(&settings.state_dir)?;
        Ok(Self {
            record_path: record::path_in(&settings.state_dir),
            settings,
            record: None,
            rewritten: VecDeque::new(),
        })
    }

    /// Does what is still to be done. To be called once the stub resolver answers, on every change
    /// of the Locators, and every few seconds: other programs write `/etc/resolv.conf` too.
    ///
    /// # Errors
    /// [`InstallError`]; the next call tries again. Applications are answered as before then, or as
    /// they were by this.
    pub fn tend(&mut self, now: Instant) -> Result<Tended, InstallError> {
        let mut observed = self.observe()?;
        let way = plan::way(self.settings.install, &observed, self.record.as_ref())?;
        if let Some(way) = way {
            let server = plan::server(&self.settings.listen, way)?;
            let steps = self.plan(way, server, &observed)?;
            if !steps.is_empty() {
                self.check_contest(way, now)?;
                self.take(&steps)?;
                self.rewritten.push_back(now);
                observed = self.observe()?;
                if !plan::is_done(way, server, &observed) {
                    return Err(no_effect(way, server, &observed));
                }
            }
        }
        let behind = self.behind()?;
        let upstreams = plan::upstreams(
            way,
            &self.settings.listen,
            &observed,
            self.record.as_ref(),
            behind.as_deref(),
        );
        Ok(Tended {
            way,
            upstreams: upstreams
                .iter()
                .filter_map(|server| server.socket_address(index_of))
                .collect(),
            bypassed: plan::bypassed(way, &observed),
        })
    }

    /// Takes the stub resolver away: to be called before it stops answering.
    ///
    /// # Errors
    /// [`InstallError`]; `--cleanup` or the next start tries again.
    pub fn undo(&mut self) -> Result<(), InstallError> {
        clean_up(&self.settings.state_dir)?;
        self.record = None;
        Ok(())
    }

    fn observe(&self) -> Result<Observed, InstallError> {
        observe::observe(&self.settings.interface)
    }

    fn plan(
        &self,
        way: Way,
        server: SocketAddr,
        observed: &Observed,
    ) -> Result<Vec<Step>, InstallError> {
        plan::install(
            way,
            server,
            &self.settings.interface,
            observed,
            self.record.as_ref(),
            self.behind()?.as_deref(),
        )
    }

    /// What a resolver would read if the link that was replaced were back.
    fn behind(&self) -> Result<Option<Vec<u8>>, InstallError> {
        match &self.record {
            Some(Record::ResolvConf {
                original: Original::Link(target),
                ..
            }) => observe::behind(target).map(Some),
            _ => Ok(None),
        }
    }

    fn take(&mut self, steps: &[Step]) -> Result<(), InstallError> {
        for step in steps {
            if let Step::Remember(record) = step {
                self.record = Some(record.clone());
            }
            step::take(step, &self.record_path)?;
        }
        Ok(())
    }

    /// Two programs that both insist would write the file for ever.
    fn check_contest(&mut self, way: Way, now: Instant) -> Result<(), InstallError> {
        let old = |at: &Instant| now.saturating_duration_since(*at) > WHILE_CONTESTED;
        while self.rewritten.front().is_some_and(old) {
            self.rewritten.pop_front();
        }
        if way == Way::ResolvConf && self.rewritten.len() >= REWRITES {
            return Err(InstallError::Contested);
        }
        Ok(())
    }
}

/// Undoes what any run left that kept its record in `state_dir`; nothing when there was none.
///
/// # Errors
/// [`InstallError`] when something is left that cannot be undone.
pub fn clean_up(state_dir: &Path) -> Result<(), InstallError> {
    let path = record::path_in(state_dir);
    let Some(record) = record::read(&path)? else {
        return Ok(());
    };
    step::sweep()?;
    let now = observe::resolv_conf()?;
    for step in plan::undo(&record, &now) {
        step::take(&step, &path)?;
    }
    Ok(())
}

fn no_effect(way: Way, server: SocketAddr, observed: &Observed) -> InstallError {
    let found = match (way, &observed.resolved) {
        (Way::Resolved, Some(resolved)) => resolved.on_interface.clone(),
        _ => resolv_conf::nameservers(&observed.resolv_conf.text)
            .iter()
            .map(|server| server.address.to_string())
            .collect(),
    };
    InstallError::NoEffect {
        way: way.name(),
        server: server.ip(),
        found,
    }
}

fn index_of(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}
