//! Signed updates of one zone, as many as are answered: each replaces the Locator of a host.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::dns::answer::outline;
use crate::dns::exchange::{PATIENCE, socket};
use crate::dns::tsig::Signer;
use crate::dns::{compose, rcode, rtype};
use crate::name_servers::Key;

/// What sends updates for many hosts, each with its own key, which has the name of the host.
#[derive(Debug)]
pub struct Updater {
    server: SocketAddr,
    zone: String,
    hosts: Vec<(String, Signer)>,
    /// How long an answer may take.
    patience: Duration,
    /// Updates sent so far. The lower half of a Locator tells its update.
    sent: u32,
}

/// An update that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The host.
    pub host: usize,
    /// Its Locator.
    pub locator: u64,
}

impl Updater {
    /// For these hosts of a zone.
    ///
    /// # Errors
    /// For keys that cannot be used.
    pub fn new(server: SocketAddr, zone: &str, keys: &[Key]) -> anyhow::Result<Self> {
        let hosts = keys
            .iter()
            .map(|key| Ok((key.name.clone(), Signer::new(key)?)));
        Ok(Self {
            server,
            zone: zone.to_owned(),
            hosts: hosts.collect::<anyhow::Result<_>>()?,
            patience: PATIENCE,
            sent: 0,
        })
    }

    /// Waits no longer than this for an answer.
    #[must_use]
    pub fn impatient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends updates, `window` in flight, until `enough` says so of the number that was
    /// acknowledged; then waits for the last ones. What was acknowledged goes to `done` in the order
    /// of the answers.
    ///
    /// # Errors
    /// For any answer but NOERROR, and when one does not come in time. `done` has what
    /// was acknowledged until then.
    pub fn run(
        &mut self,
        window: usize,
        mut enough: impl FnMut(usize) -> bool,
        done: &mut Vec<Done>,
    ) -> anyhow::Result<()> {
        let socket = socket(self.server)?;
        socket.set_read_timeout(Some(self.patience))?;
        let mut in_flight = HashMap::new();
        let mut buffer = [0; 1500];
        loop {
            while in_flight.len() < window && !enough(done.len()) {
                let (id, update) = self.send(&socket)?;
                in_flight.insert(id, update);
            }
            if in_flight.is_empty() {
                return Ok(());
            }
            let length = socket.recv(&mut buffer).context("no answer to an update")?;
            let answer = &buffer[..length];
            let code = outline(answer).context("no DNS answer")?.0;
            if code != rcode::NOERROR {
                bail!("an update was answered with the response code {code}");
            }
            let id = u16::from_be_bytes([answer[0], answer[1]]);
            done.extend(in_flight.remove(&id));
        }
    }

    fn send(&mut self, socket: &UdpSocket) -> anyhow::Result<(u16, Done)> {
        let host = usize::try_from(self.sent)? % self.hosts.len();
        self.sent += 1;
        let locator = 0x2001_0db8_0000_0000 | u64::from(self.sent);
        let id = u16::try_from(self.sent & 0xffff)?;
        let (name, signer) = &self.hosts[host];
        let changes = [
            compose::delete(name, rtype::L64),
            compose::add(name, rtype::L64, &compose::preferred(10, locator)),
        ];
        let mut message = compose::update(id, &self.zone, &[], &changes);
        signer.sign(&mut message);
        socket.send(&message)?;
        Ok((id, Done { host, locator }))
    }

    /// Acknowledged updates a second.
    ///
    /// # Errors
    /// As [`Updater::run`].
    pub fn rate(&mut self, window: usize, span: Duration) -> anyhow::Result<f64> {
        let start = Instant::now();
        let mut done = vec![];
        self.run(window, |_| start.elapsed() >= span, &mut done)?;
        Ok(f64::from(u32::try_from(done.len())?) / start.elapsed().as_secs_f64())
    }
}
