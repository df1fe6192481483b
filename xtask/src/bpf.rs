//! `cargo xtask bpf`: the BPF object, and the header that it shares with `ilnp-core`.
//!
//! Both are committed, so that nobody needs clang to build the daemon. The object does not depend
//! on where the repository lies: clang runs in the source directory and sees relative names only.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use ilnp_core::drop_reason::DropReason;

use crate::step;

const SOURCE: &str = "ilnp.bpf.c";
const OBJECT: &str = "ilnp.bpf.o";
const HEADER: &str = "lib/drop_reasons.h";

/// Linux 6.1 has all instructions of `v3`. `-g` is for the layouts of the tables, which aya reads
/// from the BTF; what else it adds is stripped.
const FLAGS: [&str; 9] = [
    "-g",
    "-O2",
    "-target",
    "bpf",
    "-mcpu=v3",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fdebug-compilation-dir=.",
];

/// Writes header and object, or with `check` fails when the committed ones differ.
///
/// # Errors
/// When clang fails, or `check` finds a difference.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let directory = step::workspace().join("ilnp-hostd/bpf");
    let header = directory.join(HEADER);
    settle(&header, drop_reasons()?.as_bytes(), check)?;

    let scratch = directory.join(format!("{OBJECT}.new"));
    let built = compile(&directory, &scratch);
    let object = built.and_then(|()| fs::read(&scratch).context("cannot read the new object"));
    let _ = fs::remove_file(&scratch);
    settle(&directory.join(OBJECT), &object?, check)
}

fn compile(directory: &Path, object: &Path) -> anyhow::Result<()> {
    step::run(
        Command::new("clang-14")
            .current_dir(directory)
            .args(FLAGS)
            .arg("-I")
            .arg(kernel_headers()?)
            .args(["-c", SOURCE, "-o"])
            .arg(object),
    )?;
    step::run(Command::new("llvm-strip-14").arg("-g").arg(object))
}

/// Where Debian keeps `asm/types.h`: the target `bpf` has no directory of its own.
fn kernel_headers() -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH));
    if path.join("asm/types.h").exists() {
        Ok(path)
    } else {
        bail!(
            "{} has no asm/types.h: install linux-libc-dev",
            path.display()
        )
    }
}

/// Writes what is wanted, or says that it differs from what is there.
fn settle(path: &Path, wanted: &[u8], check: bool) -> anyhow::Result<()> {
    let is_there = fs::read(path).is_ok_and(|found| found == wanted);
    if is_there {
        return Ok(());
    }
    if check {
        bail!("{} is out of date: run `cargo xtask bpf`", path.display());
    }
    fs::write(path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
    step::say(&format!("wrote {}", path.display()));
    Ok(())
}

fn drop_reasons() -> anyhow::Result<String> {
    let mut text = String::from(
        "/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n\
         /* Written by `cargo xtask bpf` from ilnp-core/src/drop_reason.rs. */\n\
         #ifndef ILNP_DROP_REASONS_H\n\
         #define ILNP_DROP_REASONS_H\n\n\
         enum drop_reason {\n",
    );
    for reason in DropReason::ALL {
        let name = reason.label().replace('-', "_").to_uppercase();
        writeln!(text, "\t/* {} */", reason.meaning())?;
        writeln!(text, "\tDROP_{name} = {},", reason.code())?;
    }
    text.push_str("\tDROP_REASONS,\n};\n\n#endif\n");
    Ok(text)
}
