//! Whether a guest can go on here exactly as it is. Nothing is changed by asking.

use super::command_line::{Backend, Beginning, arguments};
use super::instance::Instance;
use super::machine::Machine;
use super::process::Process;
use super::settings::{DiskSettings, Settings};
use super::{digest, image, room};
use crate::hypervisor::{Base, Description, Disk, HypervisorError, Plan, Storage};

/// Refuses a guest that cannot go on here.
pub(super) async fn check(
    settings: &Settings,
    guest: &Description,
    plan: &Plan,
) -> Result<(), HypervisorError> {
    check_nothing_runs(settings)?;
    if plan.post_copy {
        return refuse(
            guest,
            "post-copy is not supported: it would be lost if the connection were cut",
        );
    }
    check_disks_match(settings, guest)?;
    for (here, disk) in settings.disks.iter().zip(&guest.disks) {
        check_disk(settings, here, disk, plan.storage).await?;
    }
    room::check_memory(&guest.name, guest.memory)?;
    check_machine(settings, guest).await
}

/// Refuses a guest while a QEMU of its name runs here.
pub(super) fn check_nothing_runs(settings: &Settings) -> Result<(), HypervisorError> {
    match Process::find(settings) {
        None => Ok(()),
        Some(process) => Err(HypervisorError::Refused(format!(
            "a QEMU for guest {} is here already: process {}",
            settings.name,
            process.pid()
        ))),
    }
}

/// Refuses a guest that is another one, or has other disks, than the one that may come.
pub(super) fn check_disks_match(
    settings: &Settings,
    guest: &Description,
) -> Result<(), HypervisorError> {
    if guest.hypervisor != "qemu" {
        return refuse(
            guest,
            &format!("it runs in {}, here it would run in QEMU", guest.hypervisor),
        );
    }
    if guest.name != settings.name {
        return refuse(guest, &format!("guest {} may come here", settings.name));
    }
    let there: Vec<&str> = guest.disks.iter().map(|disk| disk.id.as_str()).collect();
    let here: Vec<&str> = settings.disks.iter().map(|disk| disk.id.as_str()).collect();
    if there != here {
        return refuse(
            guest,
            &format!(
                "its disks are [{}], here they would be [{}]",
                there.join(", "),
                here.join(", ")
            ),
        );
    }
    Ok(())
}

async fn check_disk(
    settings: &Settings,
    here: &DiskSettings,
    disk: &Disk,
    storage: Storage,
) -> Result<(), HypervisorError> {
    if let (Some(base), true) = (&disk.base, disk.lies_on_base(storage)) {
        check_base(settings, here, disk, base).await?;
    }
    match storage {
        Storage::None => check_shared(here, disk).await,
        Storage::Delta => room::check_disk(&here.overlay, disk.delta),
        Storage::Full => room::check_disk(&here.overlay, disk.whole),
    }
}

async fn check_base(
    settings: &Settings,
    here: &DiskSettings,
    disk: &Disk,
    base: &Base,
) -> Result<(), HypervisorError> {
    let id = &disk.id;
    let Some(path) = &here.base else {
        return Err(HypervisorError::Refused(format!(
            "disk {id} lies on a base image, and none is configured here; copy everything (--storage full)"
        )));
    };
    let (found, _) = digest::base(path, settings).await?;
    if found != *base {
        return Err(HypervisorError::Refused(format!(
            "disk {id} lies on another base image than {}: there {} octets with SHA-256 {}, here {} octets with {}; \
             copy everything (--storage full)",
            path.display(),
            base.size,
            base.sha256,
            found.size,
            found.sha256
        )));
    }
    Ok(())
}

/// A disk that is not copied must be the very one that the guest writes at the source: then it is
/// locked. An image of an earlier stay looks the same otherwise, and is old.
async fn check_shared(here: &DiskSettings, disk: &Disk) -> Result<(), HypervisorError> {
    let path = here.overlay.display();
    if !image::is_in_use(&here.overlay).await? {
        return Err(HypervisorError::Refused(format!(
            "{path} is not shared with the source, or not with its locks: nobody holds it, but the guest is running"
        )));
    }
    let info = image::info_while_in_use(&here.overlay).await?;
    if info.virtual_size != disk.size || info.has_base() != disk.base.is_some() {
        return Err(HypervisorError::Refused(format!(
            "{path} is not disk {} of the guest",
            disk.id
        )));
    }
    Ok(())
}

/// Compares the machine that the guest has with the one that it would have here, which is started
/// to see: with empty disks, and without running.
async fn check_machine(settings: &Settings, guest: &Description) -> Result<(), HypervisorError> {
    let disks: Vec<Backend> = guest
        .disks
        .iter()
        .map(|disk| Backend::Nothing { size: disk.size })
        .collect();
    let arguments = arguments(settings, Beginning::Trial, &disks);
    let qemu = Instance::start(settings, &arguments).await?;
    let machine = Machine::read(&qemu).await;
    qemu.quit().await?;
    let differences = machine?.differences(guest);
    if differences.is_empty() {
        Ok(())
    } else {
        refuse(guest, &differences.join("; "))
    }
}

fn refuse(guest: &Description, why: &str) -> Result<(), HypervisorError> {
    Err(HypervisorError::Refused(format!(
        "guest {} cannot go on here: {why}",
        guest.name
    )))
}
