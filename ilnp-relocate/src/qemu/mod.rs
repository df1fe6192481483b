//! Guests that run in QEMU processes of their own.
//!
//! A QEMU outlives the agent that started it: it has a session of its own, writes to a log file of
//! its own, and is found again by the file with its process identifier. Only one at a time can
//! speak with it.
//!
//! The name of an image says what it is, whenever the agent or the machine has ended: `vm1.qcow2`
//! is the guest's, `vm1.qcow2.incoming` that of a guest that has not arrived, which may be thrown
//! away, and `vm1.qcow2.left` what an earlier stay has left, kept until the next one ends. When the
//! guest leaves, its image keeps its name, and becomes `.left` when it comes back.

mod apart;
mod check;
mod command_line;
pub(crate) mod digest;
mod image;
mod instance;
mod machine;
mod memory;
mod mirror;
mod nbd;
mod pace;
pub(crate) mod possession;
mod process;
mod proxy;
pub(crate) mod room;
mod settings;
mod source;
mod target;

pub use command_line::PORT_NAME;
pub(crate) use settings::check_name;
pub use settings::{DiskSettings, Settings};
pub use target::Incoming;

use std::time::Duration;

use tokio::time::sleep;

use crate::hypervisor::HypervisorError;
use command_line::{Backend, Beginning, arguments};
use instance::Instance;

/// How often it is looked whether a QEMU is still there.
const LOOK: Duration = Duration::from_millis(500);

/// A guest that runs at this site, or did until its copy.
pub struct Qemu {
    settings: Settings,
    instance: Instance,
}

impl Qemu {
    /// Boots a guest. A disk without an overlay gets an empty one on its base.
    ///
    /// A guest that has `arrived` here and is this site's has its disks in what arrived, where its
    /// QEMU ended before they were given their names. Of another guest, what arrived is nothing.
    ///
    /// # Errors
    /// When the settings make no sense, when the guest runs here already, or when QEMU does not
    /// start; then with what it said.
    pub async fn start(settings: Settings, arrived: bool) -> Result<Self, HypervisorError> {
        settings.validate()?;
        check::check_nothing_runs(&settings)?;
        if arrived {
            target::adopt_disks(&settings)?;
        }
        let mut backends = Vec::new();
        for disk in &settings.disks {
            backends.push(own_image(disk).await?);
        }
        let arguments = arguments(&settings, Beginning::Boot, &backends);
        let mut instance = Instance::start(&settings, &arguments).await?;
        instance.keep();
        Ok(Self { settings, instance })
    }

    /// Finds a guest that was started before, by whatever agent.
    ///
    /// # Errors
    /// [`HypervisorError::Gone`] when it does not run here, or when somebody else speaks with it.
    pub async fn attach(settings: Settings) -> Result<Self, HypervisorError> {
        settings.validate()?;
        let instance = Instance::attach(&settings).await?;
        Ok(Self { settings, instance })
    }

    /// Waits until QEMU ends, and tells how it did.
    pub async fn ended(&self) -> HypervisorError {
        while self.instance.process().is_alive() {
            sleep(LOOK).await;
        }
        self.instance.gone().await
    }
}

/// The image of a disk that the guest has here.
async fn own_image(disk: &DiskSettings) -> Result<Backend, HypervisorError> {
    let base = match &disk.base {
        Some(path) => Some((path.clone(), image::info(path).await?)),
        None => None,
    };
    if !disk.overlay.exists() {
        let Some((path, info)) = &base else {
            return Err(HypervisorError::Refused(format!(
                "disk {} has neither an image nor a base: {} is missing",
                disk.id,
                disk.overlay.display()
            )));
        };
        image::create(&disk.overlay, info.virtual_size, Some((path, info.format))).await?;
    }
    let overlay = image::info(&disk.overlay).await?;
    if overlay.format != image::Format::Qcow2 {
        return Err(HypervisorError::Refused(format!(
            "{} is not a qcow2 image",
            disk.overlay.display()
        )));
    }
    let base = base.map(|(path, info)| (path, info.format));
    if overlay.has_base() && base.is_none() {
        return Err(HypervisorError::Refused(format!(
            "{} lies on a base image, and none is configured for disk {}",
            disk.overlay.display(),
            disk.id
        )));
    }
    Ok(Backend::Image {
        path: disk.overlay.clone(),
        base: base.filter(|_| overlay.has_base()),
    })
}
