//! The driver at work: sources in, the engine, the kernel out.

use std::collections::HashMap;
use std::io;

use anyhow::{Context as _, bail};
use ilnp_core::id::HandlePrefix;
use ilnp_core::node::{Input, LinkEvent, Restored};
use ilnp_core::wire::Packet;
use tokio::sync::mpsc;

use super::engine::Engine;
use super::kernel_host::KernelHost;
use super::request::Request;
use crate::attachment::{AttachmentEvent, Planner};
use crate::clock::{self, Alarm};
use crate::clone::{Guard, Questions};
use crate::config::{Config, Correspondent};

/// How many packets are read from `ilnp0` before the other sources are looked at again. Packets come
/// in crowds when a host has just lost its Locator, and the news of the next one must not wait behind
/// them; on an emulated processor each takes a millisecond.
const BATCH: usize = 8;

/// Where everything comes from that does not come from the kernel.
#[derive(Debug)]
pub struct Sources {
    /// What the API asks for.
    pub requests: mpsc::Receiver<Request>,
    /// New configurations.
    pub reloads: mpsc::Receiver<Config>,
}

/// The task that owns the node.
#[derive(Debug)]
pub struct Driver {
    pub(super) engine: Engine,
    pub(super) host: KernelHost,
    /// Whether the identifier may be used.
    pub(super) guard: Guard,
    pub(super) questions: Questions,
    sources: Sources,
    alarm: Alarm,
    handles: HandlePrefix,
    /// Whether this host had a Locator since the start.
    located: bool,
    /// What is in force.
    pub(super) config: Config,
}

impl Driver {
    /// A driver that has told its node of the restored and the configured correspondents, and does
    /// not use the identifier when that must not be.
    ///
    /// # Errors
    /// When the kernel has no timer left.
    pub fn new(
        engine: Engine,
        host: KernelHost,
        custody: (Guard, Questions),
        sources: Sources,
        config: Config,
        restored: Vec<Restored>,
    ) -> anyhow::Result<Self> {
        let (guard, questions) = custody;
        let mut driver = Self {
            engine,
            host,
            guard,
            questions,
            sources,
            alarm: Alarm::new().context("cannot make a timer")?,
            handles: config.handle_prefix,
            located: false,
            config: Config {
                correspondents: Vec::new(),
                ..config.clone()
            },
        };
        driver.show();
        if driver.guard.custody().fenced().is_some() {
            driver.fence();
            // The data path of an earlier daemon must not go on either.
            driver.host.forget_inherited();
        }
        for entry in restored {
            driver.engine.restore(clock::now(), entry, &mut driver.host);
        }
        driver.introduce(config.correspondents);
        Ok(driver)
    }

    /// For those who know of moves in advance.
    pub fn planner(&self) -> Planner {
        self.host.attachments.planner()
    }

    /// Works until the identifier is given up.
    ///
    /// # Errors
    /// When `ilnp0`, the alarm or a source fails for good: the daemon cannot go on then.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let deadline = self.engine.deadline();
            self.alarm.set(deadline).context("cannot set a timer")?;
            // `ilnp0` comes last: a flood of packets must not keep the others waiting.
            tokio::select! {
                biased;
                expired = self.alarm.wait() => {
                    expired.context("cannot read a timer")?;
                    self.engine.handle(clock::now(), Input::Timeout, &mut self.host);
                }
                event = self.host.attachments.events.recv() => {
                    let Some(event) = event else {
                        self.host.attachments.failed().await?;
                        bail!("the host's attachment is not watched any more");
                    };
                    self.attachment(event);
                }
                question = self.questions.incoming.recv() => {
                    if self.custody(question.context("nobody tells of copies of this host")?) {
                        return Ok(());
                    }
                }
                request = self.sources.requests.recv() => {
                    let request = request.context("the API ended")?;
                    self.engine.answer(clock::now(), request, &mut self.host);
                }
                Some(config) = self.sources.reloads.recv() => self.reload(config),
                Some(stalled) = self.host.search.found.recv() => self.host.tell(&stalled),
                packet = self.host.tun.recv() => {
                    self.packets(packet.context("cannot read from the ILNP interface")?)?;
                    // The sources are tasks of this thread: they must have their turn to have any news.
                    tokio::task::yield_now().await;
                }
            }
            self.engine.flush_recording();
        }
    }

    /// Gives the host's attachment its settings back, after [`run`](Self::run).
    ///
    /// # Errors
    /// What could not be given back.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.host.attachments.stop().await?)
    }

    /// Handles a packet and those that wait behind it.
    fn packets(&mut self, first: Packet) -> anyhow::Result<()> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(packet) = next else {
                break;
            };
            self.packet(packet);
            next = match self.host.tun.try_recv() {
                Ok(packet) => Some(packet),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                Err(error) => return Err(error).context("cannot read from the ILNP interface"),
            };
        }
        if let Some(packet) = next {
            self.packet(packet);
        }
        Ok(())
    }

    /// What goes to a handle comes from a local program, everything else from the wire.
    fn packet(&mut self, packet: Packet) {
        let to_handle = packet
            .octets
            .get(24..40)
            .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
            .is_some_and(|octets| self.handles.handle(octets.into()).is_some());
        let input = if to_handle {
            Input::Outbound(packet)
        } else {
            Input::Inbound(packet)
        };
        self.engine.handle(clock::now(), input, &mut self.host);
    }

    fn attachment(&mut self, event: AttachmentEvent) {
        match event {
            AttachmentEvent::Link(event) => {
                let LinkEvent::Locators(locators) = &event;
                // Sessions that were taken over use the old slots until their Locators are here.
                let first = !self.located && !locators.is_empty();
                let input = Input::Link(event);
                self.engine.handle(clock::now(), input, &mut self.host);
                if first {
                    self.located = true;
                    self.host.forget_inherited();
                }
            }
            AttachmentEvent::InterfaceUsed { index, name, mtu } => {
                self.host.interface_used(index, name, mtu);
            }
            AttachmentEvent::InterfaceGone { index } => self.host.interface_gone(index),
            AttachmentEvent::Noticed { at } => self.engine.noticed(at),
        }
    }

    /// Takes what a new configuration says of correspondents, and says what waits for a restart.
    fn reload(&mut self, config: Config) {
        let waiting = self.config.differing_keys(&config);
        if !waiting.is_empty() {
            tracing::warn!(
                keys = waiting.join(", "),
                "these keys changed and wait for a restart"
            );
        }
        let mut before: HashMap<_, _> = self
            .config
            .correspondents
            .iter()
            .map(|correspondent| (correspondent.nid, correspondent))
            .collect();
        let (known, new): (Vec<_>, Vec<_>) = config
            .correspondents
            .into_iter()
            .partition(|correspondent| before.remove(&correspondent.nid) == Some(correspondent));
        if !before.is_empty() {
            tracing::warn!("correspondents that left the configuration stay known until a restart");
        }
        self.config.correspondents = known;
        self.introduce(new);
        tracing::info!("configuration reloaded");
    }

    /// Tells the node of configured correspondents.
    fn introduce(&mut self, correspondents: Vec<Correspondent>) {
        for correspondent in correspondents {
            let input = Input::Resolved(correspondent.resolved());
            self.engine.handle(clock::now(), input, &mut self.host);
            self.config.correspondents.push(correspondent);
        }
    }
}
