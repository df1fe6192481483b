//! `ilnp-lab` as its users run it: exit statuses, messages, and nothing left behind.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ilnp-lab");
const SCENARIO: &str = r#"
name = "tiny"
protocol = "ipv6"
duration = "30s"
captures = false

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

[[host]]
name = "one"
site = "a"
nid = "0214:4fff:fe20:ee64"
static = true

[[host]]
name = "two"
site = "a"
nid = "0216:6fff:fe22:ee66"
static = true

[[workload]]
program = "ping"
from = "one"
to = "two"
"#;

fn lab(arguments: &[&str]) -> Output {
    let output = Command::new(PROGRAM).args(arguments).output();
    output.expect("ilnp-lab starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn scenario_in(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("scenario.toml");
    std::fs::write(&file, text).expect("a scenario can be written");
    file
}

#[test]
fn a_wrong_scenario_is_wrong_usage_and_its_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = scenario_in(folder.path(), &SCENARIO.replace("30s", "30"));
    for verb in ["check", "run"] {
        let output = lab(&[verb, file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).contains("scenario.toml:4:12: "),
            "{}",
            said(&output)
        );
    }
    let output = lab(&["check", "/nonexistent.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(lab(&["jump"]).status.code(), Some(2));
}

#[test]
fn a_good_scenario_is_said_to_be_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = scenario_in(folder.path(), SCENARIO);
    let output = lab(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn without_root_nothing_is_tried() {
    assert_root();
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("ilnp-lab");
    std::fs::copy(PROGRAM, &program).unwrap();
    let file = scenario_in(folder.path(), SCENARIO);
    let output = Command::new(program)
        .arg("run")
        .arg(file)
        .current_dir(folder.path())
        .uid(65_534)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("needs root"), "{}", said(&output));
    assert!(!folder.path().join("ilnp-lab-results").exists());
}

/// A run that starts removes what killed runs left, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_run_that_is_stopped_leaves_nothing_behind() {
    assert_root();
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    send(&child, Signal::SIGTERM);
    let status = child.wait().unwrap();
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert_eq!(leftovers(&child), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_can_be_removed() {
    assert_root();
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!leftovers(&child).is_empty());
    let output = lab(&["clean"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(leftovers(&child), Vec::<String>::new());
}

fn assert_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test makes network namespaces and needs root: run it with sudo"
    );
}

/// Starts a run, and returns when its session is established.
fn start(folder: &Path) -> Child {
    let mut child = Command::new(PROGRAM)
        .arg("run")
        .arg(scenario_in(folder, SCENARIO))
        .arg("--out")
        .arg(folder.join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ilnp-lab starts");
    let end = Instant::now() + Duration::from_secs(20);
    let log = folder.join("out/ipv6/ping-0.log");
    while !log.exists() {
        assert!(Instant::now() < end, "the run does not start");
        let ended = child.try_wait().expect("a child can be waited for");
        assert_eq!(ended, None, "the run ended early");
        sleep(Duration::from_millis(20));
    }
    child
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    kill(pid, signal).expect("it still runs");
}

/// The namespaces and folders of a run that are still there.
fn leftovers(child: &Child) -> Vec<String> {
    let names = ["/run/netns", "/run/ilnp-lab"]
        .into_iter()
        .flat_map(std::fs::read_dir)
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let pid = child.id();
    names
        .filter(|name| {
            name.starts_with(&format!("ilnp-{pid}-")) || name.starts_with(&format!("{pid}-"))
        })
        .collect()
}
