//! Reads a scenario file, and says where a mistake stands: file, line and column.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::Scenario;
use super::validate::{Invalid, Step};

/// A scenario that cannot be read or makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}:{column}: {message}")]
    Wrong {
        /// The file, as it was named.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
}

/// Reads and validates a scenario file.
///
/// # Errors
/// [`LoadError`] when the file cannot be read, is no TOML, has unknown keys or values of a wrong
/// kind, or contradicts itself.
pub fn load(file: &Path) -> Result<Scenario, LoadError> {
    let text = std::fs::read_to_string(file).map_err(|source| LoadError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    parse(&text, &file.display().to_string())
}

/// Reads and validates the text of a scenario; `file` is what messages call it.
///
/// # Errors
/// [`LoadError::Wrong`], as for [`load`].
pub fn parse(text: &str, file: &str) -> Result<Scenario, LoadError> {
    let wrong = |offset: usize, message: String| {
        let (line, column) = position(text, offset);
        LoadError::Wrong {
            file: file.to_owned(),
            line,
            column,
            message,
        }
    };
    let mut scenario: Scenario = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        wrong(offset, error.message().to_owned())
    })?;
    scenario.unroll();
    match scenario.validate() {
        Ok(()) => Ok(scenario),
        Err(invalid) => {
            let offset = span_of(text, &invalid).map_or(0, |span| span.start);
            Err(wrong(offset, invalid.to_string()))
        }
    }
}

/// Where in the text the value stands that is invalid, or the innermost table around it that was
/// written down.
fn span_of(text: &str, invalid: &Invalid) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut span = None;
    let mut steps = invalid.path.iter().peekable();
    while let Some(step) = steps.next() {
        let Step::Key(key) = step else { break };
        let Some(mut value) = table.get(*key) else {
            break;
        };
        if let (Some(Step::Index(index)), DeValue::Array(items)) = (steps.peek(), value.get_ref()) {
            steps.next();
            value = items.get(*index)?;
        }
        span = Some(value.span());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    span
}

/// The line and column of an offset into a text, both counted from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::LinkSettings;
    use std::time::Duration;

    const GOOD: &str = r#"
name = "one move"
protocol = "ipv6"
duration = "10s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]
[site.link]
delay = "12.5ms"
loss = "30%"
rate = "100mbit"

[[site]]
name = "b"
prefixes = ["2001:db8:b::/64"]

[[host]]
name = "mobile"
site = "a"
nid = "0214:4fff:fe20:ee64"

[[host]]
name = "fixed"
site = "b"
nid = "0216:6fff:fe22:ee66"

[[move]]
host = "mobile"
at = "4s"
to = "b"

[[workload]]
program = "curl"
from = "mobile"
to = "fixed"
size = "40MB"
speed = "1.5MB"
"#;

    #[test]
    fn reads_values_with_their_units() {
        let scenario = parse(GOOD, "good.toml").unwrap();
        assert_eq!(scenario.sites[0].link.delay, Duration::from_micros(12_500));
        assert_eq!(scenario.sites[0].link.rate, Some(100_000_000));
        assert!((scenario.sites[0].link.loss - 0.3).abs() < 1e-9);
        assert!(scenario.sites[1].source_filter);
        assert_eq!(scenario.workloads[0].size, Some(40_000_000));
        assert_eq!(scenario.workloads[0].speed, Some(1_500_000));
    }

    #[test]
    fn moves_are_repeated() {
        let text = GOOD.replacen(
            "[[move]]",
            "[repeat]\ntimes = 2\nevery = \"3s\"\n[[move]]\nhost = \"mobile\"\nat = \"5s\"\nto = \"a\"\n[[move]]",
            1,
        );
        let text = text.replacen("at = \"5s\"", "at = \"3s\"", 1).replacen(
            "site = \"a\"",
            "site = \"b\"",
            1,
        );
        let scenario = parse(&text, "repeated.toml").unwrap();
        let moves: Vec<(u128, &str)> = scenario
            .moves
            .iter()
            .map(|step| (step.at.as_millis(), step.to.as_str()))
            .collect();
        assert_eq!(moves, [(3000, "a"), (4000, "b"), (6000, "a"), (7000, "b")]);
        let text = text.replacen("times = 2", "times = 9", 1);
        assert!(parse(&text, "f.toml").is_err(), "the run is too short");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scenario = parse(GOOD, "good.toml").unwrap();
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(parse(&text, "again.toml").unwrap(), scenario);
    }

    /// Replaces text in the good scenario and returns the complaint.
    fn complaint(old: &str, new: &str) -> String {
        assert!(GOOD.contains(old), "{old}");
        let text = GOOD.replacen(old, new, 1);
        parse(&text, "f.toml").unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = [
            (
                "name = \"one move\"",
                "nam = 1",
                "f.toml:2:1: unknown field `nam`",
            ),
            (
                "\"12.5ms\"",
                "\"12.5\"",
                "f.toml:10:9: \"12.5\" is not a duration",
            ),
            (
                "\"12.5ms\"",
                "12",
                "f.toml:10:9: invalid type: integer `12`, expected a duration",
            ),
            (
                "\"30%\"",
                "\"130%\"",
                "f.toml:11:8: \"130%\" is not a share",
            ),
            ("delay =", "dalay =", "f.toml:10:1: unknown field `dalay`"),
            (
                "\"ipv6\"",
                "\"ipv4\"",
                "f.toml:3:12: unknown variant `ipv4`",
            ),
            (
                "to = \"b\"\n\n[[work",
                "to = \"c\"\n\n[[work",
                "f.toml:31:6: no site is called \"c\" (sites: a, b)",
            ),
            (
                "to = \"fixed\"",
                "to = \"mobile\"",
                "f.toml:36:6: a session needs two hosts",
            ),
            (
                "name = \"fixed\"",
                "name = \"mobile\"",
                "f.toml:24:8: two hosts are called \"mobile\"",
            ),
            ("at = \"4s\"", "at = \"40s\"", "f.toml:30:6: "),
            (
                "0216:6fff:fe22:ee66\"",
                "0216:6fff:fe22:ee66\"\nvm = { memory = \"64MiB\" }",
                "f.toml:27:17: a virtual machine has 160 MiB",
            ),
            (
                "0214:4fff:fe20:ee64\"",
                "0214:4fff:fe20:ee64\"\nvm = {}",
                "f.toml:36:8: \"mobile\" is a virtual machine, and those answer",
            ),
            (
                "name = \"b\"",
                "name = \"b\"\nhypervisors = 9",
                "f.toml:16:15: a site has 1 to 4 hypervisors",
            ),
            (
                "to = \"b\"\n\n[[work",
                "to = \"b\"\nbandwidth = \"20mbit\"\n\n[[work",
                "f.toml:32:13: \"mobile\" is no virtual machine, and only the move of one",
            ),
            (
                "to = \"b\"\n\n[[work",
                "to = \"b\"\nbandwidth = \"20\"\n\n[[work",
                "f.toml:32:13: \"20\" is not a rate with its unit",
            ),
            (
                "to = \"b\"\n\n[[work",
                "to = \"b\"\nfault = { what = \"abort\", after = \"1s\" }\n\n[[work",
                "f.toml:32:9: \"mobile\" is no virtual machine, and has no agents",
            ),
            ("nid = \"0216", "nid = \"0116", "f.toml:26:7: "),
            ("name = \"a\"", "name = \"a b\"", "f.toml:7:8: "),
            ("2001:db8:b::/64", "2001:db8:a::/64", "f.toml:16:12: "),
            ("size = \"40MB\"\n", "", "f.toml:33:1: curl needs `size`"),
            (
                "to = \"fixed\"\n",
                "to = \"fixed\"\ncolour = 1\n",
                "unknown field `colour`",
            ),
            (
                "to = \"fixed\"\n",
                "to = \"fixed\"\ntiers = [\"mobile\", \"fixed\"]\n",
                "f.toml:37:9: only query has `tiers`",
            ),
            (
                "program = \"curl\"\nfrom = \"mobile\"\nto = \"fixed\"\nsize = \"40MB\"\nspeed = \"1.5MB\"",
                "program = \"query\"\nfrom = \"mobile\"\nto = \"fixed\"",
                "f.toml:33:1: query needs `tiers`",
            ),
            (
                "program = \"curl\"\nfrom = \"mobile\"\nto = \"fixed\"\nsize = \"40MB\"\nspeed = \"1.5MB\"",
                "program = \"query\"\nfrom = \"mobile\"\nto = \"fixed\"\ntiers = [\"fixed\", \"fixed\"]",
                "f.toml:37:9: \"fixed\" is no virtual machine",
            ),
        ];
        for (old, new, expected) in table {
            let found = complaint(old, new);
            assert!(found.contains(expected), "{new}: {found}");
        }
    }

    /// Two virtual machines, one of which starts a session.
    fn between_machines() -> String {
        let vm = |nid: &str| format!("{nid}\"\nvm = {{}}");
        let old = "program = \"curl\"\nfrom = \"mobile\"\nto = \"fixed\"\nsize = \"40MB\"\nspeed = \"1.5MB\"";
        let new = "program = \"udp\"\nfrom = \"fixed\"\nto = \"mobile\"\ndirection = \"out\"\nsize = \"1.2kB\"";
        GOOD.replace("fe20:ee64\"", &vm("fe20:ee64"))
            .replace("fe22:ee66\"", &vm("fe22:ee66"))
            .replace("at = \"4s\"", "at = \"4s\"\nbandwidth = \"20mbit\"")
            .replace(old, new)
    }

    #[test]
    fn virtual_machines_talk_to_each_other_and_move_at_a_rate() {
        let scenario = parse(&between_machines(), "good.toml").unwrap();
        assert_eq!(scenario.moves[0].bandwidth, Some(20_000_000));
        assert_eq!(scenario.workloads[0].size, Some(1200));
        let table = [
            (
                "\"20mbit\"",
                "\"20kbit\"",
                "f.toml:33:13: the copy of a virtual machine keeps to",
            ),
            (
                "\"20mbit\"",
                "\"0mbit\"",
                "f.toml:33:13: \"0mbit\" is not a rate",
            ),
            (
                "direction = \"out\"\n",
                "",
                "f.toml:36:1: probes of a virtual machine go out",
            ),
            (
                "bandwidth = \"20mbit\"",
                "fault = { what = \"abort\", after = \"61s\" }",
                "f.toml:33:9: nothing breaks later than a minute",
            ),
            (
                "\"1.2kB\"",
                "\"1.5kB\"",
                "f.toml:41:8: a probe has 64 to 1400 octets",
            ),
            (
                "\"udp\"\n",
                "\"ping\"\n",
                "f.toml:38:8: \"fixed\" is a virtual machine, and those answer",
            ),
            (
                "to = \"b\"\n\n[[work",
                "to = \"b\"\n\n[[move]]\nhost = \"fixed\"\nat = \"5s\"\nto = \"a\"\n\n[[work",
                "f.toml:43:8: \"fixed\" moves, and a virtual machine that does starts no sessions",
            ),
        ];
        for (old, new, expected) in table {
            assert!(between_machines().contains(old), "{old}");
            let text = between_machines().replacen(old, new, 1);
            let found = parse(&text, "f.toml").unwrap_err().to_string();
            assert!(found.contains(expected), "{new}: {found}");
        }
    }

    #[test]
    fn batches_take_a_millisecond_at_most_on_a_link() {
        let link = parse(GOOD, "good.toml").unwrap().sites[0].link;
        assert_eq!(link.largest_batch(), Some(1), "each packet may be lost");
        let late = |rate| LinkSettings {
            loss: 0.0,
            rate,
            ..link
        };
        assert_eq!(late(Some(100_000_000)).largest_batch(), Some(8));
        assert_eq!(late(Some(1_000_000)).largest_batch(), Some(1));
        assert_eq!(late(Some(1_000_000_000)).largest_batch(), None);
        assert_eq!(late(None).largest_batch(), None);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/nonexistent/x.toml")).unwrap_err();
        assert!(
            error.to_string().starts_with("/nonexistent/x.toml: "),
            "{error}"
        );
    }
}
