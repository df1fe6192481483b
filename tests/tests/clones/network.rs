//! Two sites for the machine, and a correspondent behind their router.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use experiments::process::Process;
use experiments::topology::Namespace;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::machine::{sh, wait_for};

/// The identifier of the machine, and of every copy of it.
pub(crate) const NID: &str = "0214:4fff:fe20:ee64";
const PEER_NID: &str = "0216:6fff:fe22:ee66";
pub(crate) const PEER: &str = "fd69:6c6e:7000:2627:216:6fff:fe22:ee66";

/// The router with a port for the machine at each site, and the correspondent.
pub(crate) struct Network {
    processes: Vec<Process>,
    pub(crate) router: Namespace,
    correspondent: Namespace,
    bpf: PathBuf,
    directory: TempDir,
}

/// The configuration of a daemon that knows one correspondent.
pub(crate) fn configuration(nid: &str, directory: &str, peer: (&str, &str)) -> String {
    let (peer, locator) = peer;
    format!(
        "nid = \"{nid}\"
         state-dir = \"{directory}/state\"
         control-socket = \"/run/ilnp/hostd.sock\"
         pin-dir = \"{directory}/bpf/ilnp\"
         [[correspondent]]
         name = \"peer.example\"
         nid = \"{peer}\"
         locators = [\"{locator}\"]\n"
    )
}

impl Network {
    pub(crate) fn new() -> Self {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "this test makes networks: run it as root"
        );
        let directory = TempDir::new().unwrap();
        let bpf = directory.path().join("bpf");
        fs::create_dir(&bpf).unwrap();
        sh(&format!("mount -t bpf bpf {}", bpf.display())).unwrap();
        let prefix = format!("clones-{}", std::process::id());
        let mut network = Self {
            processes: Vec::new(),
            router: Namespace::create(format!("{prefix}-r")).unwrap(),
            correspondent: Namespace::create(format!("{prefix}-c")).unwrap(),
            bpf,
            directory,
        };
        network.build();
        network.start();
        network
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn build(&self) {
        let (router, correspondent) = (self.router.name(), self.correspondent.name());
        sh(&format!(
            "ip netns exec {router} sysctl -qw net.ipv6.conf.all.forwarding=1
             ip -n {correspondent} link set lo up
             ip -n {correspondent} link add eth0 type veth peer name port-c netns {router}
             for site in a b; do ip -n {router} tuntap add port-$site mode tap; done
             for site in a b c; do
                 ip -n {router} addr add 2001:db8:$site::1/64 dev port-$site nodad
                 ip -n {router} link set port-$site up
             done
             ip -n {correspondent} link set eth0 up
             ip netns exec {router} nft 'add table ip6 seen
                 add chain ip6 seen leaving {{ type filter hook prerouting priority -300; }}
                 add rule ip6 seen leaving iifname port-a ip6 saddr & ::ffff:ffff:ffff:ffff == ::214:4fff:fe20:ee64 counter'"
        ))
        .unwrap();
    }

    /// Starts the router's advertisements, and the daemon and the server of the correspondent.
    fn start(&mut self) {
        let directory = self.directory.path().to_owned();
        let place = directory.display().to_string();
        let advertised: String = ["a", "b", "c"]
            .map(|site| {
                format!(
                    "interface port-{site} {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
                     prefix 2001:db8:{site}::/64 {{ }}; }};\n"
                )
            })
            .concat();
        fs::write(directory.join("radvd.conf"), advertised).unwrap();
        let peer = (NID, "2001:db8:a::/64");
        let text = configuration(PEER_NID, &place, peer)
            .replace("/run/ilnp/hostd.sock", &format!("{place}/run/hostd.sock"));
        fs::write(directory.join("hostd.toml"), text).unwrap();
        let daemon = tests::program("ilnp-hostd").display().to_string();
        let received = self.received().display().to_string();
        let router = self.router.name().to_owned();
        let correspondent = self.correspondent.name().to_owned();
        for (name, namespace, line) in [
            (
                "radvd",
                &router,
                format!("radvd --nodaemon --config {place}/radvd.conf --pidfile {place}/radvd.pid"),
            ),
            (
                "hostd",
                &correspondent,
                format!("{daemon} --config {place}/hostd.toml"),
            ),
            (
                "server",
                &correspondent,
                format!("socat -u TCP6-LISTEN:7000,ipv6-v6only,fork OPEN:{received},creat,append"),
            ),
        ] {
            let mut command = std::process::Command::new("ip");
            command
                .args(["netns", "exec", namespace.as_str()])
                .args(line.split(' '));
            let log = directory.join(format!("{name}.log"));
            self.processes
                .push(Process::start(name, &mut command, &log).unwrap());
        }
        wait_for("the correspondent has its handle", || {
            sh(&format!("ip -n {correspondent} addr show to {PEER}"))
                .is_ok_and(|shown| !shown.is_empty())
        })
        .unwrap();
    }

    fn received(&self) -> PathBuf {
        self.directory.path().join("received")
    }

    /// How many lines the correspondent received.
    pub(crate) fn lines(&self) -> usize {
        fs::read_to_string(self.received())
            .unwrap_or_default()
            .lines()
            .count()
    }

    #[track_caller]
    pub(crate) fn wait_for_lines(&self, count: usize) {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while self.lines() < count {
            assert!(
                std::time::Instant::now() < end,
                "{} lines of {count}",
                self.lines()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
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

    /// How many packets came from a copy at site `a` under the identifier.
    pub(crate) fn packets_from(&self, site: &str) -> u64 {
        assert_eq!(site, "a", "only there they are counted");
        let listed = sh(&format!(
            "ip netns exec {} nft -j list table ip6 seen",
            self.router.name()
        ))
        .unwrap();
        let (_, rest) = listed.split_once("\"packets\":").unwrap();
        let digits: String = rest
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.signal(Signal::SIGTERM);
            process.stop();
        }
        let _ = sh(&format!("umount {}", self.bpf.display()));
    }
}
