//! What a hypervisor is told of a machine.

use std::path::{Path, PathBuf};

use super::Machine;
use crate::guest::console;
use crate::topology::guest_port;

/// What a machine boots.
#[derive(Debug)]
pub(crate) struct Boot {
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// The initramfs.
    pub(crate) image: PathBuf,
}

/// The image may fill more of the memory than the half that a tmpfs is allowed; and on a machine that
/// has much to do, a timer that is looked at for 10 ms seems not to run.
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 rootfstype=ramfs no_timer_check";

impl Machine {
    /// The words of QEMU's command line that say what is special about this machine at a
    /// hypervisor.
    pub(super) fn arguments(&self, hypervisor: &str, out: &Path) -> Vec<String> {
        let Some(boot) = &self.boot else {
            return vec![];
        };
        let [.., a, b] = self.settings.nid.octets();
        let words = [
            "-kernel",
            &boot.kernel.display().to_string(),
            "-initrd",
            &boot.image.display().to_string(),
            "-append",
            KERNEL_WORDS,
            "-netdev",
            &format!(
                "tap,id=net0,ifname={},script=no,downscript=no",
                guest_port(self.name())
            ),
            "-device",
            &format!("virtio-net-pci,netdev=net0,mac=52:54:00:00:{a:02x}:{b:02x},romfile="),
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-serial-pci,id=lab",
            "-chardev",
            &format!(
                "socket,id=lab,path={},server=on,wait=off",
                self.console_at(hypervisor).display()
            ),
            "-device",
            &format!(
                "virtserialport,bus=lab.0,chardev=lab,name={}",
                console::PORT
            ),
            "-chardev",
            &format!(
                "file,id=serial,append=on,path={}",
                self.log_at(out, hypervisor).display()
            ),
            "-serial",
            "chardev:serial",
            "-no-reboot",
        ];
        words.map(str::to_owned).into()
    }
}
