//! Two sites with their agents, as operators run them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::site::{DOMAIN, Site};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ilnp-relocate");

pub(crate) struct World {
    pub(crate) a: Site,
    pub(crate) b: Site,
    agents: [Option<Child>; 2],
    directory: tempfile::TempDir,
}

impl World {
    /// The guest runs at a, started by the agent.
    pub(crate) fn with_guest() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = super::moves::two_sites(&directory);
        a.make_disk();
        a.write_delta();
        a.define(|xml| xml);
        b.expect_guest();
        let mut world = Self {
            a,
            b,
            agents: [None, None],
            directory,
        };
        world.configure();
        world.start_agent("a");
        world.start_agent("b");
        let started = world.command("a", &["start", DOMAIN]);
        assert!(started.status.success(), "{}", said(&started));
        world.a.goes_on();
        world
    }

    fn configure(&self) {
        let ca = self.directory.path().join("ca");
        let ca = ca.to_str().unwrap();
        for arguments in [
            ["init", ca, "--name", "test"].as_slice(),
            &["issue", ca, "a"],
            &["issue", ca, "b"],
        ] {
            let issued = Command::new(PROGRAM)
                .arg("pki")
                .args(arguments)
                .output()
                .unwrap();
            assert!(issued.status.success(), "{}", said(&issued));
        }
        let [a, b] = [free_port(), free_port()];
        for (site, own, other, there) in [("a", a, "b", b), ("b", b, "a", a)] {
            let text = format!(
                r#"
site = "{site}"
listen = ["[::1]:{own}"]
state-dir = "state"
run-dir = "agent"
control-socket = "agent.sock"
[tls]
ca = "{ca}/ca.pem"
certificate = "{ca}/{site}.pem"
key = "{ca}/{site}.key"
revoked = "{ca}/revoked.pem"
[network]
locators = ["2001:db8:{site}::/64"]
router = "fe80::1"
[[peer]]
site = "{other}"
address = "[::1]:{there}"
[[guest]]
name = "{DOMAIN}"
hypervisor = "libvirt"
domain = "{DOMAIN}"
"#
            );
            fs::write(self.site(site).directory.join("agent.toml"), text).unwrap();
        }
    }

    pub(crate) fn site(&self, name: &str) -> &Site {
        if name == "a" { &self.a } else { &self.b }
    }

    /// Starts an agent where it finds its site's libvirt, and waits until it answers.
    pub(crate) fn start_agent(&mut self, name: &str) {
        let site = self.site(name);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(site.directory.join("agent.log"))
            .unwrap();
        let child = Command::new("nsenter")
            .arg(format!("--target={}", site.daemon_process()))
            .args(["--mount", "--", PROGRAM, "agent", "--config"])
            .arg(site.directory.join("agent.toml"))
            .env("RUST_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("util-linux is installed");
        self.agents[index(name)] = Some(child);
        self.wait_for("the agent answers", |world| {
            world.command(name, &["list"]).status.success()
        });
    }

    /// As a crash does.
    pub(crate) fn kill_agent(&mut self, name: &str) {
        let mut agent = self.agents[index(name)].take().expect("it runs");
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    fn prepared(&self, name: &str, arguments: &[&str]) -> Command {
        // No command takes longer, whatever becomes of its agent.
        let mut command = Command::new("timeout");
        command
            .args(["--verbose", "--kill-after=5", "180", PROGRAM])
            .arg("--socket")
            .arg(self.site(name).directory.join("agent.sock"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command at a site.
    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Output {
        self.prepared(name, arguments).output().unwrap()
    }

    /// Begins a move that takes some seconds, and waits for a phase of it.
    pub(crate) fn moving(&self, from: &str, phase: &str) -> Child {
        let to = if from == "a" { "b" } else { "a" };
        let slow = ["--json", "move", DOMAIN, "--to", to, "--bandwidth", "8MiB"];
        let mut child = self
            .prepared(from, &slow)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let marker = format!("\"event\":\"phase\",\"phase\":\"{phase}\"");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let found = lines.any(|line| {
            said.push(line.unwrap());
            said.last().is_some_and(|line| line.contains(&marker))
        });
        assert!(
            found,
            "{marker} was not said, but {said:#?}\n{}",
            self.logs()
        );
        std::thread::spawn(move || lines.for_each(drop));
        child
    }

    /// Waits until the guest runs at one site, nothing of it is left at the other, and says where.
    pub(crate) fn comes_to_rest(&self) -> &'static str {
        let mut here = "";
        self.wait_for("the guest comes to rest", |world| {
            let at = |name| world.site(name).state();
            here = match (at("a").as_str(), at("b").as_str()) {
                ("running", "shut off") => "a",
                ("shut off", "running") => "b",
                _ => return false,
            };
            let other = ["b", "a"][index(here)];
            let statuses = [here, other].map(|name| world.status(name));
            statuses[0]["standing"].get("mine").is_some()
                && statuses[1]["standing"].get("mine").is_none()
                // Neither is said while something goes on.
                && statuses[0]["running"] == true
                && statuses[1]["running"] == false
        });
        self.site(here).goes_on();
        here
    }

    pub(crate) fn status(&self, name: &str) -> Value {
        let output = self.command(name, &["--json", "status", DOMAIN]);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The newest report of a site.
    pub(crate) fn report(&self, name: &str) -> Value {
        let output = self.command(name, &["--json", "report", DOMAIN]);
        assert!(output.status.success(), "{}", said(&output));
        let mut reports: Value = serde_json::from_slice(&output.stdout).unwrap();
        reports["reports"][0].take()
    }

    pub(crate) fn wait_for(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = std::time::Instant::now() + super::agents::LIMIT * 2;
        while !holds(self) {
            assert!(
                std::time::Instant::now() < deadline,
                "not in time: {what}\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn logs(&self) -> String {
        [&self.a, &self.b]
            .map(|site| {
                fs::read_to_string(site.directory.join("agent.log")).unwrap_or_default()
                    + &site.log()
            })
            .join("\n---\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for agent in self.agents.iter_mut().flatten() {
            // It may have ended by itself.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn index(name: &str) -> usize {
    usize::from(name == "b")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
    listener.local_addr().unwrap().port()
}
