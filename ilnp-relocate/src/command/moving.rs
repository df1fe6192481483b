//! `ilnp-relocate move`

mod progress;

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use ilnp_service::client::Client;
use ilnp_service::output::Output;

use crate::config::quantity;
use crate::hypervisor::Storage;
use crate::relocation::{Mode, MoveOrder, Trial};
use crate::report::{self, Event, Line, Outcome};
use crate::site::Site;
use progress::Bar;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The guest's name
    guest: String,
    /// Where it goes
    #[arg(long, value_name = "SITE")]
    to: Site,
    /// Run all checks at both sites, say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How long the guest may stand still, by the hypervisor's estimate
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 300)]
    max_downtime: u64,
    /// How much the copies may take: 100Mbit (bits a second), 12MiB (octets a second)
    #[arg(long, value_name = "RATE", value_parser = quantity::rate)]
    bandwidth: Option<u64>,
    /// Which part of the disks travels
    #[arg(long, value_enum, default_value_t = StorageOption::Delta)]
    storage: StorageOption,
    /// Compress memory
    #[arg(long)]
    compress: bool,
    /// Tell the guest in advance, or do not move it
    #[arg(long, conflicts_with = "hard")]
    soft: bool,
    /// Tell the guest nothing in advance
    #[arg(long)]
    hard: bool,
    /// Give up what has not been handed over by then
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Let the guest run at the target before its memory is there; this cannot be undone
    #[arg(long)]
    post_copy: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StorageOption {
    /// Nothing: there are no disks, or both sites share them
    None,
    /// What differs from the base image, which both sites hold
    Delta,
    /// Everything
    Full,
}

impl From<StorageOption> for Storage {
    fn from(option: StorageOption) -> Self {
        match option {
            StorageOption::None => Self::None,
            StorageOption::Delta => Self::Delta,
            StorageOption::Full => Self::Full,
        }
    }
}

impl Options {
    fn order(&self) -> MoveOrder {
        MoveOrder {
            to: self.to.clone(),
            storage: self.storage.into(),
            max_downtime_ms: self.max_downtime,
            bandwidth: self.bandwidth,
            compress: self.compress,
            mode: match (self.soft, self.hard) {
                (true, _) => Mode::Soft,
                (false, true) => Mode::Hard,
                (false, false) => Mode::IfPossible,
            },
            timeout_s: self.timeout,
            post_copy: self.post_copy,
        }
    }
}

pub(super) async fn run(client: &Client, output: &Output, options: Options) -> anyhow::Result<()> {
    let order = options.order();
    if options.dry_run {
        let path = super::path(&options.guest, "/trial");
        let trial: Trial = client.post(&path, &order).await?;
        return output.document(&trial, text);
    }
    let path = super::path(&options.guest, "/move");
    let mut lines = client.post_stream(&path, &order).await?;
    let bar = (!output.json()).then(Bar::new);
    while let Some(text) = lines.next().await? {
        let line: Line =
            serde_json::from_str(&text).context("the agent's answer is not understood")?;
        if output.json() {
            output.line(&text)?;
        }
        if let Some(bar) = &bar {
            bar.show(&line.event);
        }
        if let Event::Ended { report } = line.event {
            drop(bar);
            if !output.json() {
                output.line(report::table(&report).trim_end())?;
            }
            return match report.outcome {
                Some(Outcome::Moved) => Ok(()),
                _ => bail!(
                    "{} was not moved: {}",
                    report.guest,
                    report.reason.as_deref().unwrap_or("no reason is known")
                ),
            };
        }
    }
    bail!(
        "the agent has stopped: the next one takes the relocation up; ask it with `ilnp-relocate status {}`",
        options.guest
    )
}

/// A trial for people.
pub(super) fn text(trial: &Trial) -> String {
    let Trial {
        guest, from, to, ..
    } = trial;
    let mut text = format!(
        "{guest} can be moved from {from} to {to}: at most {} of memory and about {} of disks, round trip {:.1} ms\n",
        quantity::show(trial.memory),
        quantity::show(trial.disks),
        trial.round_trip_ms
    );
    if let Some(copy) = trial
        .copy_s
        .and_then(|copy| Duration::try_from_secs_f64(copy).ok())
    {
        text += &format!(
            "copying takes {:.1} s at this bandwidth, and more as the guest writes\n",
            copy.as_secs_f64()
        );
    }
    text
}
