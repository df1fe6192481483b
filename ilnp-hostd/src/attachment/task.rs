//! Runs the [`Detector`].

use std::io;

use ilnp_core::id::IlVector;
use ilnp_core::node::LocalLocator;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::yield_now;

use super::clean_up::clean_up;
use super::withdraw::withdraw;
use super::{Action, AttachmentEvent, Config, Detector, Piece, Plan, Settings};
use crate::clock::{self, Alarm};
use crate::kernel::discovery::{Discovery, Heard};
use crate::kernel::ilnp_interface::IlnpInterface;
use crate::kernel::{KernelError, KernelEvent, Link, Monitor, Netlink, Setting, Undo};

/// How much is taken in at once: a flood of one kind keeps nothing else waiting for ever.
const MOST: usize = 16;

/// What the daemon asks of the task.
#[derive(Debug)]
pub(super) enum Order {
    /// Look for routers now.
    Hint,
    /// Put everything in place for a move.
    Prepare(Plan, oneshot::Sender<Result<Vec<LocalLocator>, String>>),
    /// The host runs at another place now.
    Arrived,
    /// The host stays where it is.
    TakeBack,
    /// Clean up and end.
    Stop,
}

/// What the task waits for.
#[derive(Debug)]
enum News {
    /// The daemon wants something; `None` when it is gone.
    Order(Option<Order>),
    /// The kernel changed.
    Kernel(KernelEvent),
    /// A router or neighbour spoke.
    Heard(Heard),
    /// The detector's moment has come.
    Alarm,
    /// An event was told.
    Told,
    /// Nothing, and there is something to be done.
    Quiet,
    /// The identifier is to be used, or not to be used any more.
    Fenced,
}

/// Joins the kernel, the links and the detector.
#[derive(Debug)]
pub(super) struct Task {
    settings: Settings,
    netlink: Netlink,
    monitor: Monitor,
    discovery: Discovery,
    detector: Detector,
    alarm: Alarm,
    undo: Undo,
    ilnp_interface: IlnpInterface,
    /// Whether the interface of the handles is up.
    ilnp_up: bool,
    /// The MTU that the interface of the handles has.
    mtu: u32,
    events: mpsc::Sender<AttachmentEvent>,
    orders: mpsc::Receiver<Order>,
    fenced: watch::Receiver<bool>,
    /// The event that waits for room in the channel.
    waiting: Option<AttachmentEvent>,
}

impl Task {
    pub(super) async fn new(
        settings: Settings,
        events: mpsc::Sender<AttachmentEvent>,
        orders: mpsc::Receiver<Order>,
        mut fenced: watch::Receiver<bool>,
    ) -> Result<Self, KernelError> {
        let mut undo = Undo::open(&settings.state_dir)?;
        let netlink = Netlink::open()?;
        // Before the first look at the kernel: nobody knows any more what was planned.
        undo.take_back_plans(&netlink).await?;
        let monitor = Monitor::open()?;
        let discovery = Discovery::open()?;
        let alarm = Alarm::new().map_err(|source| KernelError::Socket {
            what: "a timer",
            source,
        })?;
        let ilnp_interface = settings.ilnp_interface();
        let mtu = IlnpInterface::mtu([]);
        ilnp_interface.configure(&netlink, mtu).await?;
        let detector = Detector::new(Config {
            nid: settings.nid,
            interfaces: settings.interfaces.clone(),
            ilnp_interface: settings.ilnp_interface.clone(),
        });
        if settings.fenced {
            // An earlier daemon may have been killed before it withdrew them.
            fenced.mark_changed();
        }
        Ok(Self {
            settings,
            netlink,
            monitor,
            discovery,
            detector,
            alarm,
            undo,
            ilnp_interface,
            ilnp_up: true,
            mtu,
            events,
            orders,
            fenced,
            waiting: None,
        })
    }

    /// Runs until it is told to stop, or nobody listens any more.
    ///
    /// What a host must know to be reached again comes in several pieces, by several sockets. All that
    /// is there is taken in before anything is told, so that one event says it all; and the node with its
    /// correspondents is told before the kernel's settings are put right, one by one, each of which is a
    /// turn of its own. Sessions stand still meanwhile.
    pub(super) async fn run(mut self) -> Result<(), KernelError> {
        loop {
            match self.next().await? {
                News::Order(Some(Order::Hint)) => self.detector.handle_hint(clock::now()),
                News::Order(Some(Order::Prepare(plan, answer))) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.detector.prepare(clock::now(), plan));
                }
                News::Order(Some(Order::Arrived)) => self.detector.handle_arrival(clock::now()),
                News::Order(Some(Order::TakeBack)) => self.detector.take_back(clock::now()),
                News::Order(Some(Order::Stop)) => {
                    return clean_up(&self.settings, &self.netlink, self.undo).await;
                }
                // The daemon went away without a word: what is set up stays for the next one.
                News::Order(None) => return Ok(()),
                News::Kernel(event) => {
                    self.catch_up_with_routers()?;
                    self.take_in(event).await;
                }
                News::Heard(heard) => self.detector.handle_heard(clock::now(), &heard),
                News::Alarm => self.detector.handle_timeout(clock::now()),
                News::Told => {}
                News::Quiet => self.act().await,
                News::Fenced => self.follow_fence().await,
            }
            self.catch_up().await?;
            if self.detector.has_arrived() {
                // The way to the router.
                self.act().await;
            }
            // Others answer these meanwhile.
            while let Some(Action::Solicit(_) | Action::Probe { .. }) = self.detector.next_action()
            {
                self.act().await;
            }
            self.tell_now();
            self.follow_mtu().await;
        }
    }

    /// Does the first thing that there is to do.
    async fn act(&mut self) {
        if let Some(action) = self.detector.poll_action()
            && let Err(error) = self.carry_out(&action).await
        {
            tracing::warn!(%error, "could not follow a change of the network");
        }
    }

    async fn take_in(&mut self, event: KernelEvent) {
        self.look_after_ilnp_interface(&event).await;
        self.detector.handle_kernel(clock::now(), event);
    }

    /// Tells what there is to tell, as far as there is room.
    fn tell_now(&mut self) {
        while let Ok(room) = self.events.try_reserve() {
            let Some(event) = self.waiting.take().or_else(|| self.detector.poll_event()) else {
                return;
            };
            room.send(event);
        }
    }

    /// Waits for news, unless there is something to do, and tells the daemon what there is to tell
    /// meanwhile.
    async fn next(&mut self) -> Result<News, KernelError> {
        if self.monitor.is_behind() {
            // Not beside the others: a flood on the link must not keep us from reading the state.
            return Ok(News::Kernel(self.monitor.next(&self.netlink).await?));
        }
        self.alarm
            .set(self.detector.poll_timeout())
            .map_err(timer_failed)?;
        if self.waiting.is_none() {
            self.waiting = self.detector.poll_event();
        }
        Ok(tokio::select! {
            biased;
            order = self.orders.recv() => News::Order(order),
            room = self.events.reserve(), if self.waiting.is_some() => {
                if let (Ok(room), Some(event)) = (room, self.waiting.take()) {
                    room.send(event);
                }
                News::Told
            }
            Ok(()) = self.fenced.changed() => News::Fenced,
            heard = self.discovery.hear() => News::Heard(heard?),
            event = self.monitor.next(&self.netlink) => News::Kernel(event?),
            alarm = self.alarm.wait() => {
                alarm.map_err(timer_failed)?;
                News::Alarm
            }
            // The node has its turn first.
            () = yield_now(), if self.detector.next_action().is_some() => News::Quiet,
        })
    }

    /// Takes in what is there already. The runtime would tell of it only after all that others have to do,
    /// and there is much of it when a host has just lost its Locator.
    async fn catch_up(&mut self) -> Result<(), KernelError> {
        for _ in 0..MOST {
            self.catch_up_with_routers()?;
            let Some(event) = self.monitor.try_next()? else {
                break;
            };
            self.take_in(event).await;
        }
        Ok(())
    }

    /// Hears what routers said before the kernel told what it made of it: the advertisement comes
    /// before the address that is formed from it, on another socket.
    fn catch_up_with_routers(&mut self) -> Result<(), KernelError> {
        for _ in 0..MOST {
            let Some(heard) = self.discovery.heard()? else {
                break;
            };
            self.detector.handle_heard(clock::now(), &heard);
        }
        Ok(())
    }

    async fn carry_out(&mut self, action: &Action) -> Result<(), KernelError> {
        tracing::debug!(?action, "attachment");
        match *action {
            Action::Prepare {
                interface,
                ref name,
                set_token,
            } => self.prepare(interface, name, set_token).await,
            Action::Solicit(from) => self.discovery.solicit_routers(from),
            Action::Probe { from, router } => self.discovery.probe(from, router),
            Action::RemoveDefaultRoute { interface, router } => {
                self.netlink.remove_default_route(interface, router).await
            }
            Action::RemoveNeighbour { interface, router } => {
                self.netlink.remove_neighbour(interface, router).await
            }
            Action::RemoveOnLinkRoute { interface, prefix } => {
                self.netlink.remove_on_link_route(interface, prefix).await
            }
            Action::ChangeLifetime {
                ref address,
                lifetime,
            } => self.netlink.change_lifetime(address, lifetime).await,
            Action::SetNeighbour {
                interface,
                address,
                mac,
            } => self.netlink.set_neighbour(interface, address, mac).await,
            Action::Install {
                interface,
                ref name,
                piece,
            } => self.install(interface, name, piece).await,
            Action::Uninstall {
                interface,
                ref name,
                piece,
            } => {
                match piece {
                    Piece::Address(address) => {
                        self.netlink.remove_address(interface, address, 64).await?;
                    }
                    Piece::DefaultRoute(router) => {
                        self.netlink.remove_last_route(interface, router).await?;
                    }
                }
                self.undo.forget(&setting(name, piece))
            }
            Action::Keep { ref name, piece } => self.undo.forget(&setting(name, piece)),
        }
    }

    /// Puts something in place for a planned move, after remembering that it was not there.
    async fn install(
        &mut self,
        interface: u32,
        name: &str,
        piece: Piece,
    ) -> Result<(), KernelError> {
        self.undo.remember(setting(name, piece))?;
        match piece {
            Piece::Address(address) => {
                let valid = Piece::VALID;
                self.netlink.await_address(interface, address, valid).await
            }
            Piece::DefaultRoute(router) => self.netlink.add_last_route(interface, router).await,
        }
    }

    /// Gets an interface ready to bear Locators. What cannot be done is said with its remedy: the
    /// interface may have static addresses with our identifier and do without.
    async fn prepare(
        &mut self,
        interface: u32,
        name: &str,
        set_token: bool,
    ) -> Result<(), KernelError> {
        for setting in ["optimistic_dad", "use_optimistic"] {
            if let Err(error) = self.undo.change_sysctl(name, setting, "1") {
                tracing::warn!(%error, "new addresses on {name} can be used only after a second or two: this kernel or container does not let us use them earlier");
            }
        }
        if !set_token || *self.fenced.borrow() {
            return Ok(());
        }
        let value = self.netlink.token(interface).await?;
        if value == Some(self.settings.nid) {
            // The kernel tells of no change of a token, so the detector may not know.
            return Ok(());
        }
        self.undo.remember(Setting::Token {
            interface: name.into(),
            value,
        })?;
        let result = self
            .netlink
            .set_token(interface, Some(self.settings.nid))
            .await;
        if let Err(error) = &result
            && !self.has_static_locator(interface).await?
        {
            tracing::warn!(%error, "{name} forms no addresses from our identifier. If the kernel is to take Router Advertisements there, set net.ipv6.conf.{name}.accept_ra to 1 (2 on a router) and router_solicitations to -1; otherwise give it addresses <prefix>:{}/64 yourself", self.settings.nid);
            return Ok(());
        }
        self.form_addresses(interface).await
    }

    /// Forms addresses under the prefixes that the interface has addresses of already. With the token
    /// set the kernel does so too, but only when a router advertises again, and routers may wait
    /// three seconds before they do (RFC 4861 §6.2.6). It takes these addresses for its own then.
    async fn form_addresses(&self, interface: u32) -> Result<(), KernelError> {
        for known in self.netlink.snapshot().await?.addresses {
            let prefix = IlVector::from(known.address).locator;
            let fit = known.interface == interface
                && known.advertised
                && !known.temporary
                && !known.deprecated
                && known.prefix_length == 64
                && prefix.is_usable();
            let (true, Some(valid)) = (fit, known.valid) else {
                continue;
            };
            let own = IlVector::new(self.settings.nid, prefix).address();
            self.netlink.form_address(interface, own, valid).await?;
        }
        Ok(())
    }

    /// Whether an interface was given an address with our identifier by hand.
    async fn has_static_locator(&self, interface: u32) -> Result<bool, KernelError> {
        let snapshot = self.netlink.snapshot().await?;
        Ok(snapshot.addresses.iter().any(|address| {
            let nid = IlVector::from(address.address).nid;
            address.interface == interface && address.permanent && nid == self.settings.nid
        }))
    }

    /// Withdraws the addresses of our identifier, or makes them again.
    async fn follow_fence(&mut self) {
        if *self.fenced.borrow_and_update() {
            if let Err(error) = withdraw(&self.settings, &self.netlink, &self.undo).await {
                tracing::error!(%error, "addresses of the identifier could not all be withdrawn");
            }
        } else {
            self.detector.handle_release(clock::now());
        }
    }

    /// Sets the interface of the handles up anew when it comes up again, or loses its address. While
    /// it is down it is left alone: whoever took it down meant it.
    async fn look_after_ilnp_interface(&mut self, event: &KernelEvent) {
        let handle = self.ilnp_interface.handle();
        let is_it = |link: &&Link| link.name == self.ilnp_interface.name;
        let was_up = self.ilnp_up;
        let damaged = match event {
            KernelEvent::Snapshot(snapshot) => {
                self.ilnp_up = snapshot.links.iter().find(is_it).is_some_and(|it| it.up);
                !snapshot
                    .addresses
                    .iter()
                    .any(|known| known.address == handle)
            }
            KernelEvent::Link { link, .. } if is_it(&link) => {
                self.ilnp_up = link.up;
                !was_up
            }
            KernelEvent::AddressGone(gone) => gone.address == handle,
            _ => false,
        };
        if damaged
            && self.ilnp_up
            && let Err(error) = self.ilnp_interface.configure(&self.netlink, self.mtu).await
        {
            tracing::warn!(%error, "cannot give the interface of the handles its address again");
        }
    }

    /// Keeps the MTU of the interface of the handles below that of every link.
    async fn follow_mtu(&mut self) {
        let mtu = IlnpInterface::mtu(self.detector.link_mtus());
        if mtu == self.mtu {
            return;
        }
        self.mtu = mtu;
        if let Err(error) = self.ilnp_interface.set_mtu(&self.netlink, mtu).await {
            tracing::warn!(%error, "packets may be too large for the link");
        }
    }
}

/// How the record of changed settings names it.
fn setting(name: &str, piece: Piece) -> Setting {
    let interface = name.into();
    match piece {
        Piece::Address(address) => Setting::Address { interface, address },
        Piece::DefaultRoute(router) => Setting::LastRoute { interface, router },
    }
}

fn timer_failed(source: io::Error) -> KernelError {
    KernelError::Socket {
        what: "the timer",
        source,
    }
}
