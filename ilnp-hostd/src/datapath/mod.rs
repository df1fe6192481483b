//! The data path: BPF programs that translate packets, the tables that they read, and the TUN
//! device through which everything else reaches the daemon.
//!
//! Programs, tables and the device outlive the daemon, so sessions do not notice its restart. A
//! new daemon [opens](DataPath::open) what it finds and goes on from there.

mod counters;
mod error;
mod layout;
mod maps;
mod pins;
mod programs;
mod qdisc;
mod queue;
mod tun;

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::EbpfLoader;
use aya::util::KernelVersion;
use ilnp_core::id::{HandlePrefix, Nid};
use ilnp_core::node::{DatapathUpdate, Input, Restored};

pub use counters::Counters;
pub use error::DataPathError;
pub use programs::{AttachMethod, Program, Trial, Verdict};
pub use tun::Tun;

use layout::{CLASSIC_FLOWS, ConfigValue};
use maps::Maps;
use pins::Pins;
use programs::{Attachment, Programs};
use queue::Queue;
use tun::Device;

/// The programs, as `cargo xtask bpf` builds them.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/ilnp.bpf.o");

/// Where a data path is, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPathConfig {
    /// The name of the ILNP interface.
    pub interface_name: String,
    /// The directory on a BPF file system that keeps programs and tables.
    pub pin_dir: PathBuf,
    /// This host's identifier.
    pub nid: Nid,
    /// The prefix of handles.
    pub handle_prefix: HandlePrefix,
}

/// The data path of this host.
pub struct DataPath {
    pins: Pins,
    maps: Maps,
    programs: Programs,
    method: AttachMethod,
    attachments: BTreeSet<Attachment>,
    queue: Arc<Queue>,
}

impl fmt::Debug for DataPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPath")
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

impl DataPath {
    /// Sets the data path up, or takes over the one that an earlier daemon left, in which case its
    /// sessions are returned and no packet of theirs is lost.
    ///
    /// # Errors
    /// Each error names its remedy. Nothing that was not there before stays behind.
    pub fn open(config: &DataPathConfig) -> Result<(Self, Tun, Vec<Restored>), DataPathError> {
        Self::open_with(config, AttachMethod::of_this_kernel())
    }

    /// Like [`open`](Self::open), with the way that programs are hooked to interfaces chosen by
    /// the caller.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(
        config: &DataPathConfig,
        method: AttachMethod,
    ) -> Result<(Self, Tun, Vec<Restored>), DataPathError> {
        require_kernel()?;
        let device = Device::open(&config.interface_name)?;
        let pins = Pins::open(&config.pin_dir)?;
        let fresh = pins.is_fresh();
        let opened = Self::set_up(config, method, pins, device);
        if fresh && opened.is_err() {
            Pins::remove_all(&config.pin_dir)?;
        }
        opened
    }

    fn set_up(
        config: &DataPathConfig,
        method: AttachMethod,
        pins: Pins,
        device: Device,
    ) -> Result<(Self, Tun, Vec<Restored>), DataPathError> {
        let mut loader = EbpfLoader::new();
        // No relocation needs the kernel's own types, which small kernels lack.
        loader.btf(None);
        for name in maps::NAMES {
            loader.map_pin_path(name, pins.path(name));
        }
        let mut ebpf = loader
            .load(OBJECT)
            .map_err(DataPathError::failed_to("load the BPF object"))?;
        let mut maps = Maps::take(&mut ebpf, config.handle_prefix)?;
        let queue = Arc::new(Queue::take(&mut ebpf)?);
        let restored = adopt(config, &pins, &mut maps, &device)?;
        let mut data_path = Self {
            programs: Programs::load(ebpf)?,
            attachments: BTreeSet::new(),
            method,
            maps,
            pins,
            queue: Arc::clone(&queue),
        };
        data_path.take_over_attachments(device.index())?;
        for program in [Program::Out, Program::Inject] {
            data_path.attach_program(program, device.index())?;
        }
        device.persist(true)?;
        Ok((data_path, Tun::new(device, queue)?, restored))
    }

    /// Puts the new programs where the earlier daemon's are. What was hooked to an interface that
    /// is gone is forgotten.
    fn take_over_attachments(&mut self, own: u32) -> Result<(), DataPathError> {
        for name in self.pins.names()? {
            let Some(at) = Attachment::from_pin(&name) else {
                continue;
            };
            let stale = matches!(at.program, Program::Out | Program::Inject) && at.interface != own;
            match self.programs.attach(&self.pins, at) {
                Ok(()) if !stale => drop(self.attachments.insert(at)),
                Ok(()) | Err(DataPathError::NoInterface(_)) => self.pins.remove(&name)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Translates packets on an interface that bears a Locator. That it does so already is no
    /// error.
    ///
    /// # Errors
    /// When there is no such interface, or the kernel refuses.
    pub fn attach(&mut self, interface: u32) -> Result<(), DataPathError> {
        self.attach_program(Program::Guard, interface)?;
        self.attach_program(Program::In, interface)
    }

    fn attach_program(&mut self, program: Program, interface: u32) -> Result<(), DataPathError> {
        let at = Attachment {
            method: self.method,
            program,
            interface,
        };
        self.programs.attach(&self.pins, at)?;
        self.attachments.insert(at);
        Ok(())
    }

    /// Leaves an interface alone again. That it is alone, or gone, is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach(&mut self, interface: u32) -> Result<(), DataPathError> {
        let (gone, kept) = std::mem::take(&mut self.attachments)
            .into_iter()
            .partition(|at| at.interface == interface);
        self.attachments = kept;
        let gone: BTreeSet<Attachment> = gone;
        gone.into_iter().try_for_each(|at| release(&self.pins, at))
    }

    /// The interfaces that [`attach`](Self::attach) was called for, by this daemon or the one
    /// before it.
    pub fn attached(&self) -> BTreeSet<u32> {
        self.attachments
            .iter()
            .filter(|at| at.program == Program::In)
            .map(|at| at.interface)
            .collect()
    }

    /// Makes a change that the node asked for, and answers it if it was a question.
    ///
    /// # Errors
    /// [`MapFull`](DataPathError::MapFull), or when the kernel refuses; the tables are then as they
    /// were before.
    pub fn apply(&mut self, update: DatapathUpdate) -> Result<Option<Input>, DataPathError> {
        match update {
            DatapathUpdate::Slot { index, slot } => self.maps.set_slot(index, slot.as_ref())?,
            DatapathUpdate::Correspondent {
                handle,
                entry: Some(entry),
            } => {
                self.maps.set_correspondent(handle, &entry)?;
            }
            DatapathUpdate::Correspondent {
                handle,
                entry: None,
            } => {
                self.maps.remove_correspondent(handle)?;
            }
            DatapathUpdate::ClassicFlow { flow, present } => {
                self.maps.set_classic(flow, present)?
            }
            DatapathUpdate::ReadActivity(handle) => {
                let activity = self.maps.activity(handle);
                return Ok(Some(Input::Activity { handle, activity }));
            }
        }
        Ok(None)
    }

    /// Clears the slots that an earlier daemon set and this one has not: to be called once this
    /// host's Locators were all told to the node and its changes applied.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn forget_inherited_slots(&mut self) -> Result<(), DataPathError> {
        self.maps.forget_inherited_slots()
    }

    /// What the programs counted since the data path was set up, by this daemon or the one before.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counters(&self) -> Result<Counters, DataPathError> {
        self.maps.counters()
    }

    /// Runs a program on a packet that goes nowhere (`BPF_PROG_TEST_RUN`). Packets of the ILNP
    /// interface begin with the IPv6 header, others with an Ethernet header; 14 octets at least.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn try_out(&mut self, program: Program, packet: &[u8]) -> Result<Trial, DataPathError> {
        let trial = self.programs.try_out(program, packet);
        // What is tried out takes no room: it never gets to where it would wait.
        self.queue
            .emptied()
            .map_err(DataPathError::failed_to("use a BPF table"))?;
        trial
    }

    /// Removes programs, tables and the ILNP interface, whichever of them are there and whichever
    /// version made them. Sessions end.
    ///
    /// # Errors
    /// [`InterfaceBusy`](DataPathError::InterfaceBusy) while a daemon runs, and nothing is removed
    /// then; otherwise when the kernel refuses.
    pub fn cleanup(config: &DataPathConfig) -> Result<(), DataPathError> {
        let device = match Device::open(&config.interface_name) {
            // Not made by us, so not ours to remove.
            Err(DataPathError::InterfaceTaken(_)) => None,
            device => Some(device?),
        };
        for directory in pins::entries(&config.pin_dir)? {
            remove_filters(&config.pin_dir.join(directory))?;
        }
        Pins::remove_all(&config.pin_dir)?;
        device.map_or(Ok(()), |device| device.persist(false))
    }
}

/// Checks that the tables are ours to take over, says whose they are now, and reads the sessions
/// in them.
fn adopt(
    config: &DataPathConfig,
    pins: &Pins,
    maps: &mut Maps,
    device: &Device,
) -> Result<Vec<Restored>, DataPathError> {
    let before = maps.config()?;
    let wanted = ConfigValue {
        nid: config.nid.octets(),
        handle_prefixes: maps::handle_prefixes(config.handle_prefix),
        ifindex: device.index(),
        flags: before.flags & CLASSIC_FLOWS,
        namespace: namespace()?,
    };
    if !pins.is_fresh() && before.namespace != wanted.namespace {
        return Err(DataPathError::OtherNamespace(config.pin_dir.clone()));
    }
    if (before.nid, before.handle_prefixes) != (wanted.nid, wanted.handle_prefixes) {
        maps.clear()?;
    }
    let restored = maps.restore()?;
    maps.set_config(wanted)?;
    Ok(restored)
}

/// Takes a program off its interface.
fn release(pins: &Pins, at: Attachment) -> Result<(), DataPathError> {
    if at.method == AttachMethod::Clsact {
        at.remove_filter()?;
    }
    pins.remove(&at.pin())
}

fn remove_filters(directory: &Path) -> Result<(), DataPathError> {
    pins::entries(directory)?
        .iter()
        .filter_map(|name| Attachment::from_pin(name))
        .filter(|at| at.method == AttachMethod::Clsact)
        .try_for_each(Attachment::remove_filter)
}

fn require_kernel() -> Result<(), DataPathError> {
    match KernelVersion::current() {
        Ok(version) if version < KernelVersion::new(6, 1, 0) => {
            let found = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            Err(DataPathError::KernelTooOld(found.trim().to_owned()))
        }
        _ => Ok(()),
    }
}

/// The number of the network namespace that this daemon is in.
fn namespace() -> Result<u64, DataPathError> {
    std::fs::metadata("/proc/thread-self/ns/net")
        .map(|file| file.ino())
        .map_err(DataPathError::failed_to("look at the network namespace"))
}
