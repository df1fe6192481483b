//! `ilnp-hostd --check` and the exit statuses of both programs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::{Command, Output};

fn hostd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ilnp-hostd"))
        .args(arguments)
        .output()
        .unwrap()
}

fn ilnp(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ilnp"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn check_names_file_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hostd.toml");
    let name = path.to_str().unwrap();

    std::fs::write(&path, "nonce-bits = 32\n").unwrap();
    assert_eq!(hostd(&["--check", "--config", name]).status.code(), Some(0));

    std::fs::write(&path, "nonce-bits = 33\nnid = \"x\"\n").unwrap();
    let wrong = hostd(&["--check", "--config", name]);
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(error.contains(&format!("{name}:1:14: found 33")), "{error}");
    assert!(
        error.contains(&format!("\n{name}:2:7: found \"x\"")),
        "{error}"
    );

    let missing = hostd(&["--check", "--config", "/nonexistent/hostd.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/hostd.toml"));
}

#[test]
fn wrong_usage_is_status_2() {
    assert_eq!(hostd(&["--nonsense"]).status.code(), Some(2));
    assert_eq!(hostd(&["--check", "--cleanup"]).status.code(), Some(2));
    assert_eq!(ilnp(&[]).status.code(), Some(2));
    assert_eq!(ilnp(&["move", "--locator", "x"]).status.code(), Some(2));
    assert_eq!(ilnp(&["ping", "--count", "0", "x"]).status.code(), Some(2));
}

#[test]
fn a_daemon_that_does_not_run_is_named_with_the_remedy() {
    let output = ilnp(&["--socket", "/nonexistent/hostd.sock", "status"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("/nonexistent/hostd.sock"), "{error}");
    assert!(error.contains("start it"), "{error}");
}

#[test]
fn version_is_text_or_json() {
    let text = ilnp(&["version"]);
    assert_eq!(
        String::from_utf8(text.stdout).unwrap(),
        format!("ilnp {}\n", env!("CARGO_PKG_VERSION"))
    );
    let json: serde_json::Value =
        serde_json::from_slice(&ilnp(&["--json", "version"]).stdout).unwrap();
    assert_eq!(json["schema"], 1);
}

/// A reader that goes away is no reason to panic.
#[test]
fn a_closed_pipe_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_ilnp"))
        .arg("version")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}
