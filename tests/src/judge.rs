//! tshark's view of a capture: a program that is not ours judges what was on the wire.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// A preference of tshark's, and its value.
type Preference<'a> = (&'a str, &'a str);

/// Fragments are judged one by one.
const FRAGMENTS: Preference<'static> = ("ipv6.defragment", "FALSE");

/// The fields of each packet of a capture that matches a display filter, in the order of `fields`.
/// A field that occurs several times in a packet comes joined by commas, an absent one empty.
///
/// # Errors
/// When tshark is missing or refuses, with what it said.
pub fn fields(capture: &Path, filter: &str, fields: &[&str]) -> anyhow::Result<Vec<Vec<String>>> {
    judge(capture, FRAGMENTS, filter, fields)
}

/// How many packets of a capture match a display filter.
///
/// # Errors
/// As [`fields`].
pub fn count(capture: &Path, filter: &str) -> anyhow::Result<usize> {
    count_with(capture, FRAGMENTS, filter)
}

/// The same, with a preference of tshark's set.
///
/// # Errors
/// As [`fields`].
pub fn count_with(
    capture: &Path,
    preference: Preference<'_>,
    filter: &str,
) -> anyhow::Result<usize> {
    Ok(judge(capture, preference, filter, &["frame.number"])?.len())
}

fn judge(
    capture: &Path,
    (name, value): Preference<'_>,
    filter: &str,
    fields: &[&str],
) -> anyhow::Result<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-2", "-o", &format!("{name}:{value}"), "-r"]);
    command.arg(capture);
    command.args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().context("tshark cannot be started")?;
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).context("tshark does not write UTF-8")?;
    Ok(text
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect())
}

/// The octets of a field that tshark writes in hexadecimal.
///
/// # Errors
/// When it is not hexadecimal.
pub fn octets(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = text.chars().filter(|&c| c != ':').collect();
    ensure!(
        digits.len().is_multiple_of(2),
        "an odd number of digits: {text}"
    );
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            let pair = digits.get(at..at + 2).context("not hexadecimal")?;
            u8::from_str_radix(pair, 16).with_context(|| format!("not hexadecimal: {text}"))
        })
        .collect()
}
