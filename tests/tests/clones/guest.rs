//! The machine, and its copies.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use experiments::guest::console::{Answer, Console, PORT};
use experiments::guest::{Image, Kernel};
use experiments::process::Process;
use serde_json::{Value, json};

use crate::network::{self, Network};

/// A machine needs so long for anything while others are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kernel of the guest boots.
pub(crate) struct Boot {
    kernel: Kernel,
    image: PathBuf,
}

/// Makes the image of the guest.
pub(crate) fn image(directory: &Path) -> Boot {
    let kernel = Kernel::find().unwrap();
    let mut image = Image::begin(&directory.join("image.cpio"), &kernel).unwrap();
    for name in ["ilnp-hostd", "ilnp"] {
        let program = tests::program(name);
        image
            .program(&program, &format!("/usr/bin/{name}"))
            .unwrap();
    }
    let settings = network::configuration(
        network::NID,
        "/sys/fs",
        ("0216:6fff:fe22:ee66", "2001:db8:c::/64"),
    )
    .replace("/sys/fs/state", "/var/lib/ilnp");
    image
        .file("/etc/ilnp/hostd.toml", 0o644, settings.as_bytes())
        .unwrap();
    let lines = format!(
        "#!/bin/sh\nn=0\nwhile :; do n=$((n+1)); echo $n; sleep 0.1; done | nc {} 7000\n",
        network::PEER
    );
    image.file("/lab/lines", 0o755, lines.as_bytes()).unwrap();
    let start =
        "ip link set eth0 up\nilnp-hostd --config /etc/ilnp/hostd.toml >/dev/console 2>&1 &\n";
    Boot {
        image: image.finish(start).unwrap(),
        kernel,
    }
}

/// A machine as it was when it was saved.
pub(crate) struct Saved(PathBuf);

/// A copy of the machine, at one of the sites.
pub(crate) struct Guest {
    process: Process,
    sockets: PathBuf,
    agent: Option<BufReader<UnixStream>>,
    started: Instant,
}

impl Guest {
    /// Switches the machine on.
    pub(crate) fn boot(network: &Network, boot: &Boot, site: &str, generation: &str) -> Self {
        Self::start(network, boot, (site, generation), &[])
    }

    /// Starts a copy from a saved state.
    pub(crate) fn restore(
        network: &Network,
        boot: &Boot,
        site: &str,
        generation: &str,
        saved: &Saved,
    ) -> Self {
        let source = format!("exec:cat {}", saved.0.display());
        let guest = Self::start(network, boot, (site, generation), &["-incoming", &source]);
        let mut monitor = guest.monitor();
        let status = json!({"execute": "query-status"});
        wait_for("it is restored", || {
            let answer = order(&mut monitor, &status);
            (answer["status"] == "paused").then_some(()).ok_or(answer)
        });
        order(&mut monitor, &json!({"execute": "cont"}));
        guest
    }

    fn monitor(&self) -> BufReader<UnixStream> {
        let mut monitor = self.connect("monitor");
        order(&mut monitor, &json!({"execute": "qmp_capabilities"}));
        monitor
    }

    fn start(
        network: &Network,
        boot: &Boot,
        (site, generation): (&str, &str),
        more: &[&str],
    ) -> Self {
        let sockets = tempfile::tempdir_in(network.directory()).unwrap().keep();
        let socket = |name: &str| {
            format!(
                "socket,id={name},path={}/{name},server=on,wait=off",
                sockets.display()
            )
        };
        let port = |name: &str, of: &str| format!("virtserialport,chardev={of},name={name}");
        let mut command = network.router.command("qemu-system-x86_64");
        command
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args([
                "-M",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "qemu64,-cx16",
                "-m",
                "192",
            ])
            .arg("-kernel")
            .arg(&boot.kernel.image)
            .arg("-initrd")
            .arg(&boot.image)
            .args([
                "-append",
                "console=ttyS0 quiet panic=-1 rootfstype=ramfs no_timer_check",
            ])
            .args([
                "-netdev",
                &format!("tap,id=net0,ifname=port-{site},script=no,downscript=no"),
            ])
            .args([
                "-device",
                "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:11,romfile=",
            ])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .args(["-device", &format!("vmgenid,guid={generation}")])
            .args(["-chardev", &socket("lab"), "-device", &port(PORT, "lab")])
            .args(["-chardev", &socket("agent")])
            .args(["-device", &port(ilnp_core::relocation::PORT, "agent")])
            .args([
                "-chardev",
                &socket("monitor"),
                "-mon",
                "chardev=monitor,mode=control",
            ])
            .args([
                "-serial",
                &format!("file:{}/console.log", sockets.display()),
            ])
            .args(more);
        let log = sockets.join("qemu.log");
        Self {
            process: Process::start("qemu", &mut command, &log).unwrap(),
            sockets,
            agent: None,
            started: Instant::now(),
        }
    }

    fn connect(&self, name: &str) -> BufReader<UnixStream> {
        let path = self.sockets.join(name);
        let stream = wait_for(name, || {
            UnixStream::connect(&path).map_err(|error| json!(error.to_string()))
        });
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    /// Runs a command in the guest.
    pub(crate) fn run(&self, command: &str) -> Answer {
        let mut console = Console::connect(&self.sockets.join("lab"), PATIENCE).unwrap();
        console.run(command, PATIENCE).unwrap()
    }

    /// What its daemon says of itself; null when it says nothing.
    pub(crate) fn status(&self) -> Value {
        let answer = self.run("ilnp --json status 2>/dev/null");
        serde_json::from_slice(&answer.output).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for(&self, what: &str, done: impl Fn(&Value) -> bool) -> Duration {
        wait_for(what, || {
            let status = self.status();
            if done(&status) { Ok(()) } else { Err(status) }
        });
        self.started.elapsed()
    }

    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        self.wait_for("the daemon is ready", |status| status["ready"] == true);
    }

    /// Waits until the daemon does not use the identifier. Returns how long that took from the start
    /// of the hypervisor.
    #[track_caller]
    pub(crate) fn wait_fenced(&self) -> Duration {
        self.wait_for("the daemon is fenced", |status| !status["fenced"].is_null())
    }

    /// What the guest answers to its agent.
    pub(crate) fn ask(&mut self, mut request: Value) -> Value {
        let mut agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.connect("agent"),
        };
        request["schema"] = json!(1);
        request["id"] = json!(7);
        writeln!(agent.get_mut(), "\n{request}").unwrap();
        let answer = answer_of(&mut agent, |answer| answer["id"] == 7);
        self.agent = Some(agent);
        answer
    }

    /// Saves the machine, and ends it. It is paused first: QEMU before 9.0 loses writes that an
    /// emulated guest makes meanwhile.
    pub(crate) fn save(mut self) -> Saved {
        let file = self.sockets.join("saved");
        let mut monitor = self.monitor();
        let target = format!("exec:cat >{}", file.display());
        order(&mut monitor, &json!({"execute": "stop"}));
        let migrate = json!({"execute": "migrate", "arguments": {"uri": target}});
        order(&mut monitor, &migrate);
        let query = json!({"execute": "query-migrate"});
        wait_for("it is saved", || {
            let answer = order(&mut monitor, &query);
            assert_ne!(answer["status"], "failed", "{answer}");
            (answer["status"] == "completed")
                .then_some(())
                .ok_or(answer)
        });
        self.process.stop();
        Saved(file)
    }
}

/// Asks until the answer is there. What it is instead is told when that takes too long.
#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, Value>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(answer) => assert!(Instant::now() < end, "waited in vain: {what}: {answer}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What QEMU returns.
#[track_caller]
fn order(monitor: &mut BufReader<UnixStream>, order: &Value) -> Value {
    writeln!(monitor.get_mut(), "{order}").unwrap();
    answer_of(monitor, |answer| answer["return"].is_object())["return"].take()
}

/// The next line of this kind.
#[track_caller]
fn answer_of(stream: &mut BufReader<UnixStream>, is_it: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut line = String::new();
        assert!(Instant::now() < end, "no answer among what is said");
        assert!(
            stream.read_line(&mut line).unwrap() > 0,
            "the other end is gone"
        );
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        if is_it(&answer) {
            return answer;
        }
    }
}

impl Drop for Guest {
    #[expect(clippy::print_stdout, reason = "what a failed test is understood by")]
    fn drop(&mut self) {
        self.process.stop();
        if std::thread::panicking() {
            for log in ["console.log", "qemu.log"] {
                let text = std::fs::read(self.sockets.join(log)).unwrap_or_default();
                println!("{log}:\n{}", String::from_utf8_lossy(&text));
            }
        }
    }
}
