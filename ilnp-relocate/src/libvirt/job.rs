//! How far a migration is, as `virsh domjobinfo --rawstats` prints it.

use std::collections::HashMap;
use std::time::Duration;

use crate::hypervisor::Progress;

/// The statistics of a job. What libvirt does not tell yet is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// Whether there is one that has not ended.
    pub(super) running: bool,
    pub(super) disk_total: u64,
    pub(super) disk_done: u64,
    pub(super) memory_total: u64,
    pub(super) memory_sent: u64,
    pub(super) memory_remaining: u64,
    /// The pass over memory, from 1.
    pub(super) pass: u64,
    /// Octets of memory a second that are sent.
    pub(super) rate: u64,
    /// Octets a second that the guest changes.
    pub(super) dirty_rate: u64,
    /// While memory is copied what the guest would lose if it were stopped now, afterwards what it
    /// has lost.
    pub(super) downtime: Option<Duration>,
    /// By how much the guest is slowed down, in per cent.
    pub(super) throttle: u8,
}

impl Job {
    /// Reads lines of the form `key: number`; others are left alone.
    pub(super) fn parse(text: &str) -> Self {
        let numbers: HashMap<&str, u64> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(key, value)| Some((key.trim(), value.trim().parse().ok()?)))
            .collect();
        let number = |key| numbers.get(key).copied().unwrap_or_default();
        Self {
            // 1 is a job of unknown length, 2 one whose progress is known.
            running: matches!(
                numbers.get("Job type").or_else(|| numbers.get("type")),
                Some(1 | 2)
            ),
            disk_total: number("disk_total"),
            disk_done: number("disk_processed"),
            memory_total: number("memory_total"),
            memory_sent: number("memory_processed"),
            memory_remaining: number("memory_remaining"),
            pass: number("memory_iteration"),
            rate: number("memory_bps"),
            dirty_rate: number("memory_dirty_rate").saturating_mul(number("memory_page_size")),
            downtime: numbers
                .get("downtime")
                .map(|downtime| Duration::from_millis(*downtime)),
            throttle: u8::try_from(number("auto_converge_throttle")).unwrap_or(u8::MAX),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        if self.memory_total == 0 {
            return Progress::Disks {
                done: self.disk_done,
                total: self.disk_total,
            };
        }
        Progress::Memory {
            sent: self.memory_sent,
            remaining: self.memory_remaining,
            dirty_rate: self.dirty_rate,
            expected_downtime: self.downtime.unwrap_or_default(),
            throttle: self.throttle,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMORY: &str = "Job type: 2

operation: 5
time_elapsed: 943
downtime: 300
memory_total: 134750208
memory_processed: 3363366
memory_remaining: 130416640
memory_bps: 8413380
memory_dirty_rate: 10
memory_iteration: 1
memory_page_size: 4096
auto_converge_throttle: 20
disk_total: 65536
disk_processed: 65536
";

    #[test]
    fn a_job_is_read_as_it_is_printed() {
        let job = Job::parse(MEMORY);
        assert!(job.running);
        assert_eq!((job.pass, job.rate), (1, 8_413_380));
        assert_eq!(
            job.progress(),
            Progress::Memory {
                sent: 3_363_366,
                remaining: 130_416_640,
                dirty_rate: 40_960,
                expected_downtime: Duration::from_millis(300),
                throttle: 20,
            }
        );
    }

    #[test]
    fn disks_come_first() {
        let job = Job::parse("Job type: 2\ndisk_total: 100\ndisk_processed: 7\nmemory_total: 0\n");
        assert_eq!(
            job.progress(),
            Progress::Disks {
                done: 7,
                total: 100
            }
        );
        for over in ["Job type: 0\n", "Job type: 3\n", ""] {
            assert!(!Job::parse(over).running, "{over}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String, number: u64) {
            let _ = Job::parse(&text);
            let text = format!("memory_dirty_rate: {number}\nmemory_page_size: {number}\n");
            let _ = Job::parse(&text).progress();
        }
    }
}
