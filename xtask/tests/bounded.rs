//! Test programs that hang, fail, or leave something behind.

#![expect(clippy::unwrap_used, reason = "a test that fails ends here")]

use std::process::Command;
use std::time::{Duration, Instant};

/// Runs a program as tests are run: its exit status, and what was said.
fn bounded(limit: &str, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["bounded", limit])
        .args(words)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn a_program_that_ends_well_or_badly_is_told_as_such() {
    assert_eq!(
        bounded("60", &["true", "--nocapture"]),
        (Some(0), String::new())
    );
    let (status, told) = bounded("60", &["sh", "-c", "echo said; exit 101"]);
    assert_eq!(status, Some(1));
    assert_eq!(told, "said\nerror: sh ended with status 101\n");
    let (status, told) = bounded("60", &["sh", "-c", "kill -SEGV $$"]);
    assert_eq!(
        (status, &*told),
        (Some(1), "error: sh was ended by SIGSEGV\n")
    );
    let (status, told) = bounded("60", &["/nonexistent"]);
    assert_eq!(status, Some(1));
    assert!(told.contains("cannot start /nonexistent"), "{told}");
}

#[test]
fn a_program_that_hangs_is_ended_and_named_with_what_it_runs() {
    let begun = Instant::now();
    // It is as deaf to SIGTERM as what it waits for.
    let script = "trap '' TERM; setsid sleep 7001; exit 0";
    let (status, told) = bounded("1", &["sh", "-c", script]);
    assert_eq!(status, Some(1));
    assert!(told.contains("sh has not ended after 1s"), "{told}");
    assert!(told.contains(" sleep 7001"), "{told}");
    assert!(
        told.ends_with("error: sh had not ended after 1s, and was killed\n"),
        "{told}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(!runs("7001"));
}

#[test]
fn a_process_that_is_left_behind_is_ended_and_named() {
    // Its parent and session are gone, and it holds the pipe of what the test says.
    let script = "(setsid sleep 7002 &); exit 0";
    let (status, told) = bounded("60", &["sh", "-c", script]);
    assert_eq!(status, Some(1));
    assert!(told.contains("sh left these processes behind"), "{told}");
    assert!(told.trim_end().ends_with(" sleep 7002"), "{told}");
    assert!(!runs("7002"));
    // One that ends by itself soon after is none.
    assert_eq!(
        bounded("60", &["sh", "-c", "(sleep 1 &)"]),
        (Some(0), String::new())
    );
}

/// Whether a `sleep` of so many seconds runs.
fn runs(seconds: &str) -> bool {
    let line = format!("sleep\0{seconds}\0");
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    lines
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|found| found == line.as_bytes())
}
