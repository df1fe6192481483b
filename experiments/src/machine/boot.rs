//! How the hypervisor runs a machine.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Machine;
use crate::error::LabError;
use crate::guest::{Kernel, console};
use crate::process::Process;
use crate::scenario::Accelerator;
use crate::topology::{Hypervisor, guest_port};

/// The image may fill more of the memory than the half that a tmpfs is allowed.
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 rootfstype=ramfs";

impl Machine {
    /// Switches the machine on, at the hypervisor that it is to start on.
    ///
    /// # Errors
    /// [`LabError::Io`] when QEMU cannot be started.
    pub(crate) fn start(
        &mut self,
        hypervisor: &Hypervisor,
        kernel: &Kernel,
        image: &Path,
        out: &Path,
    ) -> Result<(), LabError> {
        let vm = self.settings.vm.unwrap_or_default();
        let accelerator = match vm.accelerator {
            Accelerator::Tcg => "tcg,thread=multi",
            Accelerator::Kvm => "kvm",
        };
        let mut command: Command = hypervisor.namespace().command("qemu-system-x86_64");
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
        command.args(["-m", &(vm.memory >> 20).to_string()]);
        command.args(self.arguments(hypervisor.name(), kernel, image, out));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = out.join(format!("{}-qemu.log", self.name()));
        self.process = Some(Process::start("qemu", &mut command, &log)?);
        Ok(())
    }

    /// The words of QEMU's command line that say what is special about this machine at a
    /// hypervisor.
    fn arguments(
        &self,
        hypervisor: &str,
        kernel: &Kernel,
        image: &Path,
        out: &Path,
    ) -> Vec<String> {
        let [.., a, b] = self.settings.nid.octets();
        let words = [
            "-kernel",
            &kernel.image.display().to_string(),
            "-initrd",
            &image.display().to_string(),
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
        ];
        words.map(str::to_owned).into()
    }
}
