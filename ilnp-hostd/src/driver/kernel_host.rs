//! The machine that the daemon runs on.

use std::collections::BTreeMap;

use anyhow::Context as _;
use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::node::{DatapathUpdate, DnsRequest, Input};
use ilnp_core::wire::Packet;

use super::complaints::Complaints;
use super::host::Host;
use super::stalled::{Search, Stalled};
use crate::attachment::Attachments;
use crate::clock;
use crate::datapath::{Counters, DataPath, Tun};
use crate::names::Wishes;
use ilnp_service::explain::explain;

/// The kernel: data path, `ilnp0` and attachment.
#[derive(Debug)]
pub struct KernelHost {
    /// The device that packets are read from and written to.
    pub(super) tun: Tun,
    /// Where this host is.
    pub(super) attachments: Attachments,
    /// What finds TCP connections that wait.
    pub(super) search: Search,
    handles: HandlePrefix,
    data_path: DataPath,
    /// The names of the interfaces that bear Locators.
    used: BTreeMap<u32, String>,
    wishes: Wishes,
    complaints: Complaints,
}

impl KernelHost {
    /// The kernel behind these, in a runtime; `wishes` takes what is wanted of DNS.
    pub fn new(
        data_path: DataPath,
        tun: Tun,
        attachments: Attachments,
        handles: HandlePrefix,
        wishes: Wishes,
    ) -> Self {
        Self {
            tun,
            attachments,
            search: Search::start(handles),
            handles,
            data_path,
            used: BTreeMap::new(),
            wishes,
            complaints: Complaints::default(),
        }
    }

    /// Tells a TCP connection that waits that there was no way, and that there may be one now.
    pub(super) fn tell(&mut self, stalled: &Stalled) {
        let (packet, times) = stalled.message();
        for _ in 0..times {
            self.send(&packet);
        }
    }

    /// Attaches the programs to an interface that bears Locators.
    pub(super) fn interface_used(&mut self, index: u32, name: String, mtu: u32) {
        if !self.used.contains_key(&index) {
            match self.data_path.attach(index).context("cannot attach to it") {
                Ok(()) => tracing::info!(interface = name, mtu, "interface in use"),
                Err(error) => tracing::error!(
                    interface = name,
                    error = explain(&error),
                    "interface of no use"
                ),
            }
        }
        self.used.insert(index, name);
    }

    /// Detaches the programs from an interface.
    pub(super) fn interface_gone(&mut self, index: u32) {
        let Some(name) = self.used.remove(&index) else {
            return;
        };
        // The programs of an interface that was removed went with it.
        if let Err(error) = self.data_path.detach(index) {
            tracing::debug!(interface = name, %error, "nothing to detach from");
        }
        tracing::info!(interface = name, "interface out of use");
    }

    /// Neither publishes the identifier nor bears addresses of it, or does so again.
    pub(super) fn fence(&self, fenced: bool) {
        if fenced {
            self.wishes.withhold();
        }
        self.attachments.fence(fenced);
    }

    /// Takes away what an earlier daemon left on interfaces and in slots that are not used any more.
    pub(super) fn forget_inherited(&mut self) {
        let attached = self.data_path.attached();
        let unused = attached
            .into_iter()
            .filter(|index| !self.used.contains_key(index))
            .collect::<Vec<_>>();
        let forgotten = unused
            .into_iter()
            .try_for_each(|index| self.data_path.detach(index))
            .and_then(|()| self.data_path.forget_inherited_slots());
        if let Err(error) = forgotten {
            self.complaints
                .make(clock::now(), "remove what an earlier daemon left", error);
        }
    }
}

impl Host for KernelHost {
    fn apply(&mut self, update: DatapathUpdate) -> Option<Input> {
        match self.data_path.apply(update) {
            Ok(answer) => answer,
            Err(error) => {
                self.complaints
                    .make(clock::now(), "change the data path", error);
                None
            }
        }
    }

    fn send(&mut self, packet: &Packet) {
        if let Err(error) = self.tun.send(packet) {
            self.complaints
                .make(clock::now(), "write to the ILNP interface", error);
        }
    }

    fn ask_dns(&mut self, request: DnsRequest) {
        self.wishes.take(request);
    }

    fn look_around(&mut self) {
        self.attachments.hint();
    }

    fn way_changed(&mut self, to: Option<Handle>) {
        self.search.look(self.handles, to);
    }

    fn stay(&mut self) {
        self.attachments.stay();
    }

    fn counters(&mut self) -> Result<Counters, String> {
        self.data_path
            .counters()
            .map_err(|error| explain(&error.into()))
    }

    fn interface_name(&self, index: u32) -> String {
        match self.used.get(&index) {
            Some(name) => name.clone(),
            None => format!("#{index}"),
        }
    }
}
