//! The agents of two sites, and the machine that they move.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use experiments::guest::console::{Console, PORT};
use experiments::guest::{Image, Kernel};
use experiments::process::{self, Process};
use serde_json::Value;
use tests::machine::sh;

use crate::network::{self, Network, ROUTER, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// What a command may take; a move copies a whole machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(180);

/// Agents at sites `a` and `b`.
pub(crate) struct Agents<'a> {
    network: &'a Network,
}

impl<'a> Agents<'a> {
    /// Makes the machine's image, certificates and configurations, and starts both.
    pub(crate) fn start(network: &'a Network) -> Self {
        let agents = Self { network };
        let (kernel, image) = agents.image();
        for arguments in [
            &["init", "CA", "--name", "test"][..],
            &["issue", "CA", "a"],
            &["issue", "CA", "b"],
        ] {
            let ca = network.directory().join("ca");
            let mut command = Command::new(tests::program("ilnp-relocate"));
            command.arg("pki");
            for word in arguments {
                match *word {
                    "CA" => command.arg(&ca),
                    word => command.arg(word),
                };
            }
            let output = process::output(&mut command, "", LONGEST).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        for (number, site) in ["a", "b"].into_iter().enumerate() {
            let directory = network.directory().join(site);
            fs::create_dir(&directory).unwrap();
            let text = agents.configuration(site, number, &kernel, &image);
            fs::write(directory.join("agent.toml"), text).unwrap();
            agents.start_agent(site);
        }
        agents
    }

    fn start_agent(&self, site: &str) {
        let line = format!(
            "{} agent --config {}/agent.toml",
            tests::program("ilnp-relocate").display(),
            self.network.directory().join(site).display()
        );
        let name = format!("agent-{site}");
        self.network.start(&name, &self.network.router, &line);
        wait_for("the agent answers", || {
            self.run(site, &["list"]).status.success()
        });
    }

    /// Kills an agent, and starts it again.
    pub(crate) fn restart(&self, site: &str) {
        self.network.kill(&format!("agent-{site}"));
        self.start_agent(site);
    }

    fn image(&self) -> (PathBuf, PathBuf) {
        let kernel = Kernel::find().unwrap();
        let path = self.network.directory().join("image.cpio");
        let mut image = Image::begin(&path, &kernel).unwrap();
        for name in ["ilnp-hostd", "ilnp", "dirty-memory"] {
            let program = tests::program(name);
            image
                .program(&program, &format!("/usr/bin/{name}"))
                .unwrap();
        }
        let settings = network::configuration(network::NID, ("0216:6fff:fe22:ee66", "c"));
        let settings = settings.as_bytes();
        image.file("/etc/ilnp/hostd.toml", 0o644, settings).unwrap();
        let lines = format!(
            "#!/bin/sh\nn=0\nwhile :; do n=$((n+1)); echo $n; sleep 0.1; done | nc {} 7000\n",
            network::PEER
        );
        image.file("/lab/lines", 0o755, lines.as_bytes()).unwrap();
        let start =
            "ip link set eth0 up\nilnp-hostd --config /etc/ilnp/hostd.toml >/dev/console 2>&1 &\n";
        (kernel.image, image.finish(start).unwrap())
    }

    fn configuration(
        &self,
        site: &str,
        number: usize,
        kernel: &PathBuf,
        image: &PathBuf,
    ) -> String {
        let (other, there) = [("b", 7002), ("a", 7001)][number];
        let directory = self.network.directory().join(site);
        let place = directory.display();
        format!(
            r#"
site = "{site}"
listen = ["[::1]:{listen}"]
state-dir = "state"
run-dir = "run"
control-socket = "agent.sock"
[network]
locators = ["2001:db8:{site}::/64"]
router = "{ROUTER}"
router-mac = "{mac}"
[tls]
ca = "../ca/ca.pem"
certificate = "../ca/{site}.pem"
key = "../ca/{site}.key"
revoked = "../ca/revoked.pem"
[[peer]]
site = "{other}"
address = "[::1]:{there}"
[[guest]]
name = "vm1"
machine = "pc-q35-7.2"
cpu = "qemu64,-cx16"
memory = "192MiB"
accelerator = "tcg,thread=multi"
port = true
arguments = ["-kernel", {kernel:?}, "-initrd", {image:?}, "-no-reboot",
    "-append", "console=ttyS0 quiet panic=-1 rootfstype=ramfs no_timer_check",
    "-netdev", "tap,id=net0,ifname=port-{site},script=no,downscript=no",
    "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:11,romfile=",
    "-device", "virtio-rng-pci",
    "-device", "virtio-serial-pci,id=lab",
    "-chardev", "socket,id=lab-line,path={place}/lab,server=on,wait=off",
    "-device", "virtserialport,bus=lab.0,chardev=lab-line,name={PORT}",
    "-chardev", "file,id=serial,path={place}/serial,append=on", "-serial", "chardev:serial"]
"#,
            listen = 7001 + number,
            mac = self.network.router_mac(site),
        )
    }

    fn command(&self, site: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(tests::program("ilnp-relocate"));
        command
            .arg("--socket")
            .arg(self.network.directory().join(site).join("agent.sock"))
            .args(arguments);
        command
    }

    /// Begins something at a site.
    pub(crate) fn begin(&self, site: &str, arguments: &[&str]) -> Process {
        let mut command = self.command(site, arguments);
        Process::start("command", &mut command, &self.begun_log()).unwrap()
    }

    fn begun_log(&self) -> PathBuf {
        self.network.directory().join("begun.log")
    }

    /// What was said by all that was begun.
    pub(crate) fn begun(&self) -> String {
        fs::read_to_string(self.begun_log()).unwrap_or_default()
    }

    fn run(&self, site: &str, arguments: &[&str]) -> Output {
        process::output(&mut self.command(site, arguments), "", LONGEST).unwrap()
    }

    /// Runs a command at a site that must succeed, and returns what it prints.
    #[track_caller]
    pub(crate) fn ok(&self, site: &str, arguments: &[&str]) -> String {
        let output = self.run(site, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} at {site}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command at a site that must fail, and returns what it says.
    #[track_caller]
    pub(crate) fn refused(&self, site: &str, arguments: &[&str]) -> String {
        let output = self.run(site, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?} at {site}: {error}"
        );
        error
    }

    /// The newest report of a site; null where there is none.
    pub(crate) fn report(&self, site: &str) -> Value {
        let text = self.ok(site, &["--json", "report", "vm1"]);
        let reports: Value = serde_json::from_str(&text).unwrap();
        reports["reports"].get(0).cloned().unwrap_or_default()
    }

    /// Runs a command in the guest, which is at this site, and returns what it prints.
    pub(crate) fn in_guest(&self, site: &str, command: &str) -> Vec<u8> {
        let line = self.network.directory().join(site).join("lab");
        let mut console = Console::connect(&line, PATIENCE).unwrap();
        console.run(command, PATIENCE).unwrap().output
    }

    /// What the daemon in the guest says; null when it says nothing.
    pub(crate) fn daemon(&self, site: &str, verb: &str) -> Value {
        let output = self.in_guest(site, &format!("ilnp --json {verb} 2>/dev/null"));
        serde_json::from_slice(&output).unwrap_or_default()
    }

    /// Waits until sessions of the guest can start.
    #[track_caller]
    pub(crate) fn wait_ready(&self, site: &str) {
        wait_for("the daemon is ready", || {
            self.daemon(site, "status")["ready"] == true
        });
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a test that fails says what its machine said"
)]
impl Drop for Agents<'_> {
    fn drop(&mut self) {
        for site in ["a", "b"] {
            let directory = self.network.directory().join(site);
            // Hypervisors outlive their agent.
            let pid = directory.join("run/vm1.pid");
            if let Ok(pid) = fs::read_to_string(pid) {
                let _ = sh(&format!("kill -KILL {}", pid.trim()));
            }
            if std::thread::panicking() {
                for log in [
                    directory.join("serial"),
                    directory.with_file_name(format!("agent-{site}.log")),
                ] {
                    let text = fs::read(&log).unwrap_or_default();
                    println!("{}:\n{}", log.display(), String::from_utf8_lossy(&text));
                }
            }
        }
    }
}
