//! Links by the kernel's own queueing discipline.

use super::{INNER, OUTER};
use crate::error::LabError;
use crate::process;
use crate::scenario::LinkSettings;
use crate::topology::Namespace;

/// How many packets are under way at most.
const LIMIT: u32 = 100_000;

/// Whether the kernel has `sch_netem`.
pub(super) fn is_available(namespace: &Namespace) -> bool {
    let mut command = namespace.command("tc");
    command.args(["qdisc", "replace", "dev", INNER, "root", "netem"]);
    process::run(&mut command, "").is_ok()
}

/// Bridges the two ends, each of which treats what leaves by it as the settings say.
pub(super) fn install(namespace: &Namespace, settings: &LinkSettings) -> Result<(), LabError> {
    for end in [INNER, OUTER] {
        let mut command = namespace.command("tc");
        command.args(["qdisc", "replace", "dev", end, "root", "netem"]);
        process::run(command.args(arguments(settings)), "")?;
    }
    namespace.ip(&[
        "link add name pass type bridge mcast_snooping 0".to_owned(),
        "link set pass up".to_owned(),
        format!("link set {INNER} master pass"),
        format!("link set {OUTER} master pass"),
    ])
}

fn arguments(settings: &LinkSettings) -> Vec<String> {
    let percent = |share: f64| format!("{}%", share * 100.0);
    let micros = |time: std::time::Duration| format!("{}us", time.as_micros());
    let mut words = vec!["limit".to_owned(), LIMIT.to_string()];
    // netem draws evenly around the delay, the scenario above it.
    let middle = settings.delay + settings.jitter / 2;
    words.extend(["delay".to_owned(), micros(middle)]);
    if !settings.jitter.is_zero() {
        words.push(micros(settings.jitter / 2));
    }
    for (word, share) in [
        ("loss", settings.loss),
        ("duplicate", settings.duplication),
        ("reorder", settings.reordering),
    ] {
        if share > 0.0 {
            words.extend([word.to_owned(), percent(share)]);
        }
    }
    if let Some(rate) = settings.rate {
        words.extend(["rate".to_owned(), format!("{rate}bit")]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn settings_become_words_of_tc() {
        let settings = LinkSettings {
            rate: Some(10_000_000),
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(4),
            loss: 0.25,
            ..LinkSettings::default()
        };
        assert_eq!(
            arguments(&settings).join(" "),
            "limit 100000 delay 22000us 2000us loss 25% rate 10000000bit"
        );
    }
}
