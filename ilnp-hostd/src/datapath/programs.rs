//! Loads the BPF programs and hooks them to interfaces, so that they outlive the daemon.
//!
//! Linux 6.6 has TCX links, which are pinned and take a new program in place. Earlier kernels have
//! filters of the `clsact` queueing discipline, which stay by themselves and are replaced in place;
//! a pinned program marks where they are. Either way no packet passes an interface unseen while a
//! new daemon takes over.

use std::thread::sleep;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle};
use aya::programs::{
    Link as _, LinkOrder, ProgramError, SchedClassifier, TcAttachType, TestRun, TestRunOptions,
};
use aya::util::KernelVersion;
use nix::errno::Errno;
use nix::net::if_::if_indextoname;

use super::error::{DataPathError, errno};
use super::pins::Pins;
use super::qdisc;

/// How long the kernel may take to take a link away whose last pin is gone; milliseconds, mostly.
const RELEASE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);

/// Which way programs are hooked to interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttachMethod {
    /// TCX links, from Linux 6.6.
    Tcx,
    /// Filters of the `clsact` queueing discipline.
    Clsact,
}

/// One of the programs; the names are those in `bpf/ilnp.bpf.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// `ilnp_out`: egress of the ILNP interface.
    Out,
    /// `ilnp_inject`: ingress of the ILNP interface.
    Inject,
    /// `ilnp_in`: ingress of an interface with a Locator.
    In,
    /// `ilnp_guard`: egress of an interface with a Locator.
    Guard,
}

/// What a program made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What is to happen to it.
    pub verdict: Verdict,
    /// The packet afterwards, from its first octet.
    pub octets: Vec<u8>,
}

/// What is to happen to a packet, as `linux/pkt_cls.h` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Left to whatever comes next.
    Pass,
    /// Dropped.
    Drop,
    /// Sent elsewhere.
    Redirect,
}

/// The priority and handle of our filters: fixed, so that a new daemon finds them.
const FILTER: NlOptions = NlOptions {
    priority: 0x696c,
    handle: TcHandle::new(0, 0x6e70),
    classid: None,
};

impl AttachMethod {
    const ALL: [Self; 2] = [Self::Tcx, Self::Clsact];

    /// The best that this kernel can do.
    pub(super) fn of_this_kernel() -> Self {
        match KernelVersion::current() {
            Ok(version) if version >= KernelVersion::new(6, 6, 0) => Self::Tcx,
            _ => Self::Clsact,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

impl Program {
    const ALL: [Self; 4] = [Self::Out, Self::Inject, Self::In, Self::Guard];

    const fn name(self) -> &'static str {
        match self {
            Self::Out => "ilnp_out",
            Self::Inject => "ilnp_inject",
            Self::In => "ilnp_in",
            Self::Guard => "ilnp_guard",
        }
    }

    const fn direction(self) -> TcAttachType {
        match self {
            Self::Out | Self::Guard => TcAttachType::Egress,
            Self::Inject | Self::In => TcAttachType::Ingress,
        }
    }

    /// Our programs see packets as the wire has them: first on their way in, last on the way out.
    const fn order(self) -> LinkOrder {
        match self {
            Self::Out | Self::Guard => LinkOrder::last(),
            Self::Inject | Self::In => LinkOrder::first(),
        }
    }
}

/// A program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attachment {
    pub(super) method: AttachMethod,
    pub(super) program: Program,
    pub(super) interface: u32,
}

impl Attachment {
    /// Its name in the pin directory.
    pub(super) fn pin(self) -> String {
        let Self {
            method,
            program,
            interface,
        } = self;
        format!("{}-{}-{interface}", method.label(), program.name())
    }

    pub(super) fn from_pin(pin: &str) -> Option<Self> {
        let (method, rest) = pin.split_once('-')?;
        let (program, interface) = rest.split_once('-')?;
        Some(Self {
            method: AttachMethod::ALL
                .into_iter()
                .find(|m| m.label() == method)?,
            program: Program::ALL.into_iter().find(|p| p.name() == program)?,
            interface: interface.parse().ok()?,
        })
    }

    /// Takes a filter off its interface, by whomever it was put there, and the queueing discipline
    /// after the last one. TCX links need only their pin removed.
    pub(super) fn remove_filter(self) -> Result<(), DataPathError> {
        let Ok(name) = interface_name(self.interface) else {
            return Ok(());
        };
        let link = filter(&name, self.program)?;
        if let Err(error) = link.detach()
            && !is_gone(errno(&error))
        {
            return Err(DataPathError::failed_to("remove a filter")(error));
        }
        match qdisc::remove_unused(self.interface) {
            Err(error) if is_gone(errno(&error)) => Ok(()),
            result => result.map_err(DataPathError::failed_to("remove a clsact qdisc")),
        }
    }
}

/// The loaded programs.
pub(super) struct Programs {
    ebpf: Ebpf,
}

impl Programs {
    pub(super) fn load(mut ebpf: Ebpf) -> Result<Self, DataPathError> {
        for program in Program::ALL {
            classifier(&mut ebpf, program)?.load().map_err(not_loaded)?;
        }
        Ok(Self { ebpf })
    }

    /// Hooks a program to an interface and pins it there, or replaces the program that an earlier
    /// daemon hooked there.
    pub(super) fn attach(&mut self, pins: &Pins, at: Attachment) -> Result<(), DataPathError> {
        match at.method {
            AttachMethod::Tcx => self.attach_link(pins, at),
            AttachMethod::Clsact => self.attach_filter(pins, at),
        }
    }

    fn attach_link(&mut self, pins: &Pins, at: Attachment) -> Result<(), DataPathError> {
        let failed = DataPathError::failed_to("attach a BPF program");
        let pin = pins.path(&at.pin());
        let program = classifier(&mut self.ebpf, at.program)?;
        if let Ok(pinned) = PinnedLink::from_pin(&pin) {
            let link = SchedClassifierLink::try_from(FdLink::from(pinned))
                .map_err(DataPathError::failed_to("read a pinned link"))?;
            match program.attach_to_link(link) {
                Ok(_) => return Ok(()),
                // Its interface is gone; the index belongs to another one now.
                Err(error) if errno(&error) == Some(Errno::ENOLINK) => pins.remove(&at.pin())?,
                Err(error) => return Err(failed(error)),
            }
        }
        let name = interface_name(at.interface)?;
        let order = || TcAttachOptions::TcxOrder(at.program.order());
        let deadline = Instant::now() + RELEASE;
        let attached = loop {
            match program.attach_with_options(&name, at.program.direction(), order()) {
                // By a link whose pin was removed a moment ago.
                Err(error) if errno(&error) == Some(Errno::EEXIST) && Instant::now() < deadline => {
                    sleep(LOOK);
                }
                attached => break attached,
            }
        };
        let link = attached
            .and_then(|id| program.take_link(id))
            .map_err(failed)?;
        FdLink::try_from(link)
            .map_err(DataPathError::failed_to("read a link"))?
            .pin(&pin)
            .map_err(DataPathError::failed_to("pin a link"))?;
        Ok(())
    }

    fn attach_filter(&mut self, pins: &Pins, at: Attachment) -> Result<(), DataPathError> {
        let name = interface_name(at.interface)?;
        match tc::qdisc_add_clsact(&name) {
            Err(error) if errno(&error) == Some(Errno::EEXIST) => {}
            result => result.map_err(DataPathError::failed_to("add a clsact qdisc"))?,
        }
        let program = classifier(&mut self.ebpf, at.program)?;
        let options = TcAttachOptions::Netlink(FILTER);
        let attached = match program.attach_with_options(&name, at.program.direction(), options) {
            Err(error) if errno(&error) == Some(Errno::EEXIST) => {
                program.attach_to_link(filter(&name, at.program)?)
            }
            attached => attached,
        };
        let link = attached
            .and_then(|id| program.take_link(id))
            .map_err(DataPathError::failed_to("attach a BPF program"))?;
        // Dropping it would take the filter away.
        std::mem::forget(link);
        pins.remove(&at.pin())?;
        program
            .pin(pins.path(&at.pin()))
            .map_err(DataPathError::failed_to("pin a program"))
    }

    /// Runs a program on a packet that goes nowhere (`BPF_PROG_TEST_RUN`). Packets of the ILNP
    /// interface begin with the IPv6 header, others with an Ethernet header; at least 14 octets.
    pub(super) fn try_out(
        &mut self,
        program: Program,
        packet: &[u8],
    ) -> Result<Trial, DataPathError> {
        let mut octets = vec![0; packet.len() + 64];
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.data_out = Some(&mut octets);
        let result = classifier(&mut self.ebpf, program)?
            .test_run(options)
            .map_err(DataPathError::failed_to("try a BPF program out"))?;
        octets.truncate(usize::try_from(result.data_size_out).unwrap_or_default());
        let verdict = match result.return_value {
            2 => Verdict::Drop,
            7 => Verdict::Redirect,
            _ => Verdict::Pass,
        };
        Ok(Trial { verdict, octets })
    }
}

/// The verifier says `EACCES` when it refuses a program, which has nothing to do with capabilities.
fn not_loaded(error: ProgramError) -> DataPathError {
    let what = "load a BPF program";
    match error {
        ProgramError::LoadError { ref io_error, .. }
            if io_error.raw_os_error() == Some(libc::EACCES) =>
        {
            DataPathError::refused(what, error)
        }
        error => DataPathError::failed_to(what)(error),
    }
}

fn classifier(ebpf: &mut Ebpf, program: Program) -> Result<&mut SchedClassifier, DataPathError> {
    ebpf.program_mut(program.name())
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(DataPathError::failed_to("find a BPF program in its object"))
}

fn filter(interface: &str, program: Program) -> Result<SchedClassifierLink, DataPathError> {
    SchedClassifierLink::attached(
        interface,
        program.direction(),
        FILTER.priority,
        FILTER.handle,
        FILTER.classid,
    )
    .map_err(DataPathError::failed_to("name a filter"))
}

/// Whether the kernel says that a filter, a discipline or their interface is not there.
const fn is_gone(errno: Option<Errno>) -> bool {
    matches!(errno, Some(Errno::ENOENT | Errno::EINVAL | Errno::ENODEV))
}

fn interface_name(index: u32) -> Result<String, DataPathError> {
    if_indextoname(index)
        .ok()
        .and_then(|name| name.into_string().ok())
        // nix 0.31 takes the null pointer of a failure for a success.
        .filter(|name| !name.is_empty())
        .ok_or(DataPathError::NoInterface(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_name_their_attachment() {
        for program in Program::ALL {
            for method in AttachMethod::ALL {
                let at = Attachment {
                    method,
                    program,
                    interface: 7,
                };
                assert_eq!(Attachment::from_pin(&at.pin()), Some(at));
            }
        }
        for pin in [
            "ilnp_peers",
            "tcx-ilnp_in-",
            "tcx-ilnp_in-x",
            "x-ilnp_in-7",
            "tcx-7",
        ] {
            assert_eq!(Attachment::from_pin(pin), None, "{pin}");
        }
    }
}
