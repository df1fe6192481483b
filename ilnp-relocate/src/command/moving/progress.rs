//! The progress bar of a move.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::config::quantity;
use crate::hypervisor::Progress;
use crate::report::{Event, Phase};

/// How often the bar turns when nothing is heard.
const TICK: Duration = Duration::from_millis(100);

/// A line at the bottom of the terminal; nothing where standard error is none.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        bar.enable_steady_tick(TICK);
        let bar = Self(bar);
        bar.style("{spinner} {msg}");
        bar
    }

    pub(super) fn show(&self, event: &Event) {
        match event {
            Event::Begun { guest, to } => self.0.set_message(format!("{guest} goes to {to}")),
            Event::Phase { phase } => self.phase(*phase),
            Event::Copying { progress } => self.progress(progress),
            Event::Waiting { reason } => self.0.println(reason),
            Event::Told(told) => self
                .0
                .set_message(format!("the guest says: {}", told.event)),
            Event::Ended { .. } => {}
        }
    }

    fn phase(&self, phase: Phase) {
        if !matches!(phase, Phase::Disks | Phase::Memory) {
            self.style("{spinner} {msg}");
        }
        self.0.set_message(crate::report::phase(phase));
    }

    fn progress(&self, progress: &Progress) {
        match progress {
            Progress::Disks { done, total } => {
                self.style("{spinner} {msg:8} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}");
                self.0.set_length(*total);
                self.0.set_position(*done);
            }
            Progress::Memory {
                sent,
                remaining,
                dirty_rate,
                expected_downtime,
                throttle,
            } => {
                self.style("{spinner} {msg}");
                let mut text = format!(
                    "memory: {} sent, {} left, the guest writes {}/s, downtime would be {} ms",
                    quantity::show(*sent),
                    quantity::show(*remaining),
                    quantity::show(*dirty_rate),
                    expected_downtime.as_millis()
                );
                if *throttle > 0 {
                    text += &format!(", slowed down by {throttle} %");
                }
                self.0.set_message(text);
            }
            Progress::Stopped => {}
        }
    }

    fn style(&self, template: &str) {
        // All templates are in this file.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
