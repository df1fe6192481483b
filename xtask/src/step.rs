//! Running one program after the other, and saying so.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// What one test program may take, in seconds. The longest takes less than half of it on two cores.
const LONGEST: &str = "1200";

/// Cargo's profiles that are used here.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Quick to build; the packets of established sessions never meet Rust code.
    Dev,
    /// For figures.
    Release,
}

impl Profile {
    const fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// A program of this workspace, after [`build`].
pub(crate) fn program(profile: Profile, name: &str) -> Command {
    Command::new(target_directory().join(profile.directory()).join(name))
}

/// Writes a line for people; a closed pipe is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

/// A `cargo test` of the workspace that ends, whatever its programs do. After [`build`].
pub(crate) fn tests() -> anyhow::Result<Command> {
    let runner = bounded_by();
    let words = std::iter::once(runner.get_program()).chain(runner.get_args());
    let words: Option<Vec<&str>> = words.map(|word| word.to_str()).collect();
    // An array of strings is the same in JSON and in TOML.
    let words = serde_json::to_string(&words.context("a path is not UTF-8")?)?;
    let mut command = cargo();
    command.args(["test", "--workspace", "--config"]);
    command.arg(format!("target.'cfg(unix)'.runner={words}"));
    Ok(command)
}

/// The same command, but one that ends and leaves nothing behind. After [`build`].
pub(crate) fn bounded(command: &Command) -> Command {
    let mut bounded = bounded_by();
    bounded.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        bounded.current_dir(directory);
    }
    bounded
}

fn bounded_by() -> Command {
    let mut command = program(Profile::Dev, "xtask");
    command.args(["bounded", LONGEST]);
    command
}

/// Builds every program of the workspace, so that tests, demo and measurements find them.
pub(crate) fn build(profile: Profile) -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["build", "--workspace", "--bins"]);
    if matches!(profile, Profile::Release) {
        command.arg("--release");
    }
    run(&mut command)
}

/// Runs a program with its output shown, and fails when it does.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    let line = words.join(" ");
    say(&format!("==> {line}"));
    let status = command
        .status()
        .with_context(|| format!("cannot start {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// The root of the repository.
pub(crate) fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
