//! Two sites for the machine, and a correspondent behind their router.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use experiments::process::Process;
use experiments::topology::Namespace;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tests::machine::sh;

/// The identifier of the machine.
pub(crate) const NID: &str = "0214:4fff:fe20:ee64";
const PEER_NID: &str = "0216:6fff:fe22:ee66";
pub(crate) const PEER: &str = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";
/// The address of the router at both sites.
pub(crate) const ROUTER: &str = "fe80::1";

/// A machine needs so long for anything while others are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The router with a port for the machine at each site, and the correspondent.
pub(crate) struct Network {
    processes: RefCell<Vec<Process>>,
    pub(crate) router: Namespace,
    correspondent: Namespace,
    bpf: PathBuf,
    directory: TempDir,
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The configuration of a daemon that knows one correspondent.
pub(crate) fn configuration(nid: &str, peer: (&str, &str)) -> String {
    let (peer, site) = peer;
    format!(
        "nid = \"{nid}\"
         [[correspondent]]
         name = \"peer.example\"
         nid = \"{peer}\"
         locators = [\"2001:db8:{site}::/64\"]\n"
    )
}

impl Network {
    pub(crate) fn new(test: &str) -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "this test makes networks: run it as root"
        );
        let directory = TempDir::new().unwrap();
        let bpf = directory.path().join("bpf");
        fs::create_dir(&bpf).unwrap();
        sh(&format!("mount -t bpf bpf {}", bpf.display())).unwrap();
        let prefix = format!("moves-{}-{test}", std::process::id());
        let network = Self {
            processes: RefCell::default(),
            router: Namespace::create(format!("{prefix}-r")).unwrap(),
            correspondent: Namespace::create(format!("{prefix}-c")).unwrap(),
            bpf,
            directory,
        };
        network.build();
        network.advertise("c");
        network.start_correspondent();
        network
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn build(&self) {
        let (router, correspondent) = (self.router.name(), self.correspondent.name());
        sh(&format!(
            "ip netns exec {router} sysctl -qw net.ipv6.conf.all.forwarding=1
             ip -n {router} link set lo up
             ip -n {correspondent} link set lo up
             ip -n {correspondent} link add eth0 type veth peer name port-c netns {router}
             for site in a b; do ip -n {router} tuntap add port-$site mode tap; done
             for site in a b c; do
                 ip -n {router} link set port-$site addrgenmode none
                 ip -n {router} addr add {ROUTER}/64 dev port-$site nodad
                 ip -n {router} addr add 2001:db8:$site::1/64 dev port-$site nodad
                 ip -n {router} link set port-$site up
             done
             ip -n {correspondent} link set eth0 up"
        ))
        .unwrap();
    }

    /// The MAC address of the router at a site.
    pub(crate) fn router_mac(&self, site: &str) -> String {
        let (router, link) = (self.router.name(), format!("port-{site}"));
        let text = sh(&format!(
            "ip netns exec {router} cat /sys/class/net/{link}/address"
        ));
        text.unwrap().trim().to_owned()
    }

    /// From now on the router advertises itself at a site.
    pub(crate) fn advertise(&self, site: &str) {
        let place = self.directory.path().display();
        let text = format!(
            "interface port-{site} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
             prefix 2001:db8:{site}::/64 {{ }}; }};\n"
        );
        fs::write(self.directory.path().join(format!("{site}.conf")), text).unwrap();
        let line =
            format!("radvd --nodaemon --config {place}/{site}.conf --pidfile {place}/{site}.pid");
        self.start(&format!("radvd-{site}"), &self.router, &line);
    }

    /// Starts a program in one of the namespaces; it ends with the network.
    pub(crate) fn start(&self, name: &str, at: &Namespace, line: &str) {
        let mut words = line.split(' ');
        let mut command = at.command(words.next().unwrap());
        command.args(words);
        let log = self.directory.path().join(format!("{name}.log"));
        let process = Process::start(name, &mut command, &log).unwrap();
        self.processes.borrow_mut().push(process);
    }

    /// Starts the daemon and the server of the correspondent.
    fn start_correspondent(&self) {
        let place = self.directory.path().display().to_string();
        let text = format!(
            "state-dir = \"{place}/state\"
             control-socket = \"{place}/hostd.sock\"
             pin-dir = \"{place}/bpf/ilnp\"
             {}",
            configuration(PEER_NID, (NID, "a"))
        );
        fs::write(self.directory.path().join("hostd.toml"), text).unwrap();
        let daemon = tests::program("ilnp-hostd");
        let line = format!("{} --config {place}/hostd.toml", daemon.display());
        self.start("hostd", &self.correspondent, &line);
        let received = self.received();
        let line = format!(
            "socat -u TCP6-LISTEN:7000,ipv6-v6only,fork OPEN:{},creat,append",
            received.display()
        );
        self.start("server", &self.correspondent, &line);
        wait_for("the correspondent has its handle", || {
            let name = self.correspondent.name();
            sh(&format!("ip -n {name} addr show to {PEER}")).is_ok_and(|shown| !shown.is_empty())
        });
    }

    /// Ends a program at once.
    pub(crate) fn kill(&self, name: &str) {
        let mut processes = self.processes.borrow_mut();
        let at = processes.iter().position(|it| it.name() == name).unwrap();
        let mut process = processes.remove(at);
        process.signal(Signal::SIGKILL);
        process.stop();
    }

    /// The places of the machine that the correspondent knows, the one that it sends to first.
    fn known(&self) -> Vec<String> {
        let output = Command::new(tests::program("ilnp"))
            .arg("--socket")
            .arg(self.directory.path().join("hostd.sock"))
            .args(["--json", "correspondents"])
            .output()
            .unwrap();
        let known: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let locators = known["correspondents"][0]["locators"].as_array();
        let places = locators.into_iter().flatten();
        places
            .filter_map(|it| it["locator"].as_str().map(str::to_owned))
            .collect()
    }

    /// Waits until the correspondent sends to this site.
    #[track_caller]
    pub(crate) fn wait_preferred(&self, site: &str) {
        let wanted = format!("2001:db8:{site}::/64");
        wait_for("the correspondent sends there", || {
            self.known().first() == Some(&wanted)
        });
    }

    /// Waits until the correspondent knows these sites and no other, and sends to the first.
    #[track_caller]
    pub(crate) fn wait_known(&self, sites: &[&str]) {
        let wanted = sites.iter().map(|site| format!("2001:db8:{site}::/64"));
        let wanted: Vec<_> = wanted.collect();
        wait_for("the correspondent knows these places", || {
            self.known() == wanted
        });
    }

    fn received(&self) -> PathBuf {
        self.directory.path().join("received")
    }

    fn lines(&self) -> usize {
        let text = fs::read_to_string(self.received()).unwrap_or_default();
        text.lines().count()
    }

    /// The session goes on.
    #[track_caller]
    pub(crate) fn wait_for_more_lines(&self) {
        let before = self.lines();
        wait_for("the session goes on", || self.lines() > before + 20);
    }

    /// The lines are those that were sent, each once and in order.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        let text = fs::read_to_string(self.received()).unwrap();
        let whole = text.rsplit_once('\n').unwrap().0;
        for (number, line) in (1..).zip(whole.lines()) {
            assert_eq!(line, format!("{number}"));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for process in self.processes.get_mut() {
            process.signal(Signal::SIGTERM);
            process.stop();
        }
        let _ = sh(&format!("umount {}", self.bpf.display()));
    }
}
