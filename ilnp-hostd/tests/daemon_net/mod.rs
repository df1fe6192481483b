//! Two hosts and a router between them in network namespaces, for tests of the whole daemon.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Three hosts, `a` at 2001:db8:a::/64, `b` at 2001:db8:b::/64 and `c` at 2001:db8:c::/64, and the
/// router between them. `b` is a copy of `a`.
pub(crate) struct Net {
    name: String,
    directory: tempfile::TempDir,
    advertiser: RefCell<Option<Child>>,
}

/// Runs a command line and panics when it fails.
#[track_caller]
fn sh(line: &str) -> String {
    let output = Command::new("sh").arg("-ec").arg(line).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks `done` again and again until it agrees.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

impl Net {
    /// Builds the network. `test` tells tests of one process apart.
    pub(crate) fn new(test: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes network namespaces: run it as root"
        );
        let net = Self {
            name: format!("ilnp-{}-{test}", std::process::id()),
            directory: tempfile::tempdir().unwrap(),
            advertiser: RefCell::new(None),
        };
        let router = net.namespace("r");
        sh(&format!(
            "ip netns add {router}
             ip netns exec {router} sysctl -qw net.ipv6.conf.all.forwarding=1"
        ));
        for host in HOSTS {
            let prefix = format!("2001:db8:{host}::");
            let namespace = net.namespace(host);
            sh(&format!(
                "ip netns add {namespace}
                 ip -n {namespace} link set lo up
                 ip -n {namespace} link add eth0 type veth peer name to-{host} netns {router}
                 ip -n {router} addr add {prefix}1/64 dev to-{host} nodad
                 ip -n {router} link set to-{host} up
                 ip -n {namespace} link set eth0 up
                 mkdir -p {directory}/{host}/bpf
                 mount -t bpf bpf {directory}/{host}/bpf",
                directory = net.directory.path().display()
            ));
        }
        net.advertise()
    }

    /// Starts the router's advertisements.
    fn advertise(self) -> Self {
        let configuration = self.directory.path().join("radvd.conf");
        let interface = |name: &str, prefix: &str| {
            format!(
                "interface {name} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
                 prefix {prefix}/64 {{ }}; }};\n"
            )
        };
        let text =
            HOSTS.map(|host| interface(&format!("to-{host}"), &format!("2001:db8:{host}::")));
        let text = text.concat();
        fs::write(&configuration, text).unwrap();
        self.advertiser.replace(Some(self.start_advertiser()));
        self
    }

    fn start_advertiser(&self) -> Child {
        Command::new("ip")
            .args(["netns", "exec", &self.namespace("r"), "radvd", "--nodaemon"])
            .arg("--config")
            .arg(self.directory.path().join("radvd.conf"))
            .arg("--pidfile")
            .arg(self.directory.path().join("radvd.pid"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Makes the link of a host that of another site, as a migration does: the router has another
    /// prefix there, at the same address of its own. It says so from its next start on.
    pub(crate) fn change_site(&self, host: &str, before: &str, prefix: &str) {
        let configuration = self.directory.path().join("radvd.conf");
        let text = fs::read_to_string(&configuration).unwrap();
        fs::write(&configuration, text.replace(before, prefix)).unwrap();
        self.text(
            "r",
            &format!(
                "ip addr del {before}1/64 dev to-{host}
                 ip addr add {prefix}1/64 dev to-{host} nodad"
            ),
        );
    }

    /// From now on the router advertises nothing, and answers no solicitation.
    pub(crate) fn silence(&self) {
        // It must not take its leave of the hosts.
        if let Some(mut child) = self.advertiser.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The router advertises again, as it is configured now.
    pub(crate) fn advertise_again(&self) {
        self.advertiser.replace(Some(self.start_advertiser()));
    }

    /// The namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }

    /// The directory of a host.
    pub(crate) fn directory(&self, host: &str) -> PathBuf {
        self.directory.path().join(host)
    }

    /// A command in the namespace of a host.
    pub(crate) fn command(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host), program]);
        command
    }

    /// Runs a command line in the namespace of a host.
    pub(crate) fn sh(&self, host: &str, line: &str) -> Output {
        self.command(host, "sh")
            .args(["-ec", line])
            .output()
            .unwrap()
    }

    /// Its standard output.
    #[track_caller]
    pub(crate) fn text(&self, host: &str, line: &str) -> String {
        let output = self.sh(host, line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes the configuration of a host's daemon: it knows the other host.
    pub(crate) fn configure(&self, host: &str) -> PathBuf {
        let directory = self.directory(host);
        let other = if host == "c" { "a" } else { "c" };
        let path = directory.join("hostd.toml");
        fs::write(
            &path,
            format!(
                "nid = \"{}\"
                 state-dir = \"{directory}/state\"
                 control-socket = \"{directory}/run/hostd.sock\"
                 pin-dir = \"{directory}/bpf/ilnp\"
                 relocation = {{ port = \"{directory}/port\" }}
                 [[correspondent]]
                 name = \"{other}.example\"
                 nid = \"{}\"
                 locators = [\"2001:db8:{other}::/64\"]\n",
                nid(host),
                nid(other),
                directory = directory.display(),
            ),
        )
        .unwrap();
        path
    }

    /// Starts the daemon of a host.
    pub(crate) fn daemon(&self, host: &'static str) -> Daemon<'_> {
        let configuration = self.configure(host);
        self.start(host, &configuration)
    }

    /// Starts the daemon of a host, which makes its own identifier.
    pub(crate) fn daemon_without_nid(&self, host: &'static str) -> Daemon<'_> {
        let text = fs::read_to_string(self.configure(host)).unwrap();
        let path = self.directory(host).join("without-nid.toml");
        fs::write(&path, text.split_once('\n').unwrap().1).unwrap();
        self.start(host, &path)
    }

    fn start(&self, host: &'static str, configuration: &Path) -> Daemon<'_> {
        let child = self
            .command(host, env!("CARGO_BIN_EXE_ilnp-hostd"))
            .arg("--config")
            .arg(configuration)
            .spawn()
            .unwrap();
        Daemon {
            net: self,
            host,
            child,
        }
    }

    /// Runs `ilnp-hostd` of a host with an option until it ends.
    pub(crate) fn daemon_option(&self, host: &str, option: &str) -> Output {
        self.command(host, env!("CARGO_BIN_EXE_ilnp-hostd"))
            .arg("--config")
            .arg(self.configure(host))
            .arg(option)
            .output()
            .unwrap()
    }

    /// Runs `ilnp` on a host.
    pub(crate) fn ilnp(&self, host: &str, arguments: &[&str]) -> Output {
        self.command(host, env!("CARGO_BIN_EXE_ilnp"))
            .arg("--socket")
            .arg(self.directory(host).join("run/hostd.sock"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What `ilnp --json` says on a host; null when it fails.
    pub(crate) fn json(&self, host: &str, verb: &str) -> Value {
        let output = self.ilnp(host, &["--json", verb]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Asserts that no daemon has left anything on a host.
    #[track_caller]
    pub(crate) fn assert_clean(&self, host: &str) {
        let links = self.text(host, "ip -o link");
        assert!(!links.contains("ilnp0"), "{links}");
        let filters = self.text(
            host,
            "tc qdisc show dev eth0; tc filter show dev eth0 ingress",
        );
        assert!(!filters.contains("ilnp"), "{filters}");
        let token = self.text(host, "ip token get dev eth0");
        assert!(token.contains("token :: dev"), "{token}");
        let routes = self.text(host, "ip -6 route; ip -6 rule");
        assert!(!routes.contains("fd69"), "{routes}");
        let directory = self.directory(host);
        assert!(!directory.join("bpf/ilnp").exists(), "pins are left");
        assert!(
            !directory.join("run/hostd.sock").exists(),
            "the socket is left"
        );
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Some(mut child) = self.advertiser.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in HOSTS.into_iter().chain(["r"]) {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.namespace(name)])
                .status();
        }
        for host in HOSTS {
            let _ = Command::new("umount")
                .arg(self.directory(host).join("bpf"))
                .status();
        }
    }
}

/// The identifier of a host.
pub(crate) fn nid(host: &str) -> &'static str {
    match host {
        "a" | "b" => "0214:4fff:fe20:ee64",
        _ => "0216:6fff:fe22:ee66",
    }
}

/// The handle of a host.
pub(crate) fn handle(host: &str) -> &'static str {
    match host {
        "a" | "b" => "fd69:6c6e:7000:2627:214:4fff:fe20:ee64",
        _ => "fd69:6c6e:7000:2627:216:6fff:fe22:ee66",
    }
}

/// A running daemon; killed when the test ends.
pub(crate) struct Daemon<'a> {
    net: &'a Net,
    host: &'static str,
    child: Child,
}

impl Daemon<'_> {
    /// Waits until sessions can start.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self) {
        wait_for("the daemon is ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon of {} ended: {status}", self.host);
            }
            self.net.json(self.host, "status")["ready"] == true
        });
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Sends a signal and waits for the end; true when it ended with status 0.
    pub(crate) fn end(self, signal: Signal) -> bool {
        self.signal(signal);
        self.ended()
    }

    /// Waits for the end; true when it ended with status 0.
    pub(crate) fn ended(mut self) -> bool {
        wait_for("the daemon ends", || {
            self.child.try_wait().unwrap().is_some()
        });
        self.child.wait().unwrap().success()
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a file is a socket that its owner and group may use, and nobody else.
pub(crate) fn is_private_socket(path: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    fs::metadata(path)
        .is_ok_and(|data| data.file_type().is_socket() && data.mode() & 0o777 == 0o660)
}
