//! How the hypervisor runs a machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Machine;
use crate::error::LabError;
use crate::guest::console;
use crate::process::Process;
use crate::scenario::Accelerator;
use crate::topology::{Hypervisor, guest_port};

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
    /// Switches the machine on, at the hypervisor that it is to start on.
    ///
    /// # Errors
    /// [`LabError::Io`] when QEMU cannot be started.
    pub(crate) fn start(
        &mut self,
        at: &Hypervisor,
        boot: Boot,
        out: &Path,
    ) -> Result<(), LabError> {
        self.process = Some(self.qemu(at, &boot, out, &[])?);
        self.boot = Some(boot);
        Ok(())
    }

    /// Starts QEMU for this machine; `more` is what its command line has besides.
    pub(super) fn qemu(
        &self,
        at: &Hypervisor,
        boot: &Boot,
        out: &Path,
        more: &[&str],
    ) -> Result<Process, LabError> {
        let vm = self.settings.vm.unwrap_or_default();
        let accelerator = match vm.accelerator {
            Accelerator::Tcg => "tcg,thread=multi",
            Accelerator::Kvm => "kvm",
        };
        let mut command: Command = at.namespace().command("qemu-system-x86_64");
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command.args([
            "-M",
            "q35",
            "-accel",
            accelerator,
            "-cpu",
            "qemu64,-cx16",
            "-smp",
            "1",
        ]);
        // Before version 9.0, QEMU loses writes of an emulated guest whose memory is a multiple of 64
        // pages while it copies it.
        command.args(["-m", &format!("{}K", (vm.memory >> 10) + 8)]);
        command.args(self.arguments(at.name(), boot, out));
        command
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let log = out.join(format!("{}-{}-qemu.log", self.name(), at.name()));
        Process::start("qemu", &mut command, &log)
    }

    /// The socket of QEMU's monitor at a hypervisor.
    pub(super) fn monitor_at(&self, hypervisor: &str) -> PathBuf {
        self.directory.join(format!("qmp-{hypervisor}.sock"))
    }

    /// The words of QEMU's command line that say what is special about this machine at a
    /// hypervisor.
    fn arguments(&self, hypervisor: &str, boot: &Boot, out: &Path) -> Vec<String> {
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
            "virtio-serial-pci",
            "-chardev",
            &format!(
                "socket,id=lab,path={},server=on,wait=off",
                self.console_at(hypervisor).display()
            ),
            "-device",
            &format!("virtserialport,chardev=lab,name={}", console::PORT),
            "-chardev",
            &format!(
                "file,id=serial,append=on,path={}",
                self.log_at(out, hypervisor).display()
            ),
            "-serial",
            "chardev:serial",
            "-qmp",
            &format!(
                "unix:{},server=on,wait=off",
                self.monitor_at(hypervisor).display()
            ),
        ];
        words.map(str::to_owned).into()
    }
}
