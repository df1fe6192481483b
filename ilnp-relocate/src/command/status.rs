//! `ilnp-relocate status` and `ilnp-relocate list`

use clap::Args;
use ilnp_service::client::Client;
use ilnp_service::output::{Output, table};

use crate::custody::Standing;
use crate::relocation::{Overview, Prepared, Status};
use crate::report;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The guest's name; left out: all guests
    guest: Option<String>,
}

pub(super) async fn run(client: &Client, output: &Output, options: &Options) -> anyhow::Result<()> {
    let Some(guest) = &options.guest else {
        return list(client, output).await;
    };
    let status: Status = client.get(&super::path(guest, "")).await?;
    output.document(&status, text)
}

pub(super) async fn list(client: &Client, output: &Output) -> anyhow::Result<()> {
    let overview: Overview = client.get("/v1/guests").await?;
    output.document(&overview, |overview| {
        let rows: Vec<_> = overview
            .guests
            .iter()
            .map(|status| {
                [
                    status.guest.clone(),
                    status.epoch.to_string(),
                    says(status),
                    status.problem.clone().unwrap_or_default(),
                ]
            })
            .collect();
        format!(
            "site {}\n{}",
            overview.site,
            table(["GUEST", "EPOCH", "STATE", "PROBLEM"], &rows)
        )
    })
}

fn text(status: &Status) -> String {
    let mut text = format!(
        "{} (epoch {}): {}\n",
        status.guest,
        status.epoch,
        says(status)
    );
    if let Some(problem) = &status.problem {
        text += &format!("problem: {problem}\n");
    }
    if let Some(relocation) = &status.relocation {
        text += &report::table(relocation);
    }
    text
}

/// What a site is to a guest, for people.
fn says(status: &Status) -> String {
    match (&status.standing, status.running) {
        (Standing::None, _) => "has never been here".to_owned(),
        (Standing::Mine { .. }, Some(true)) => match &status.prepared {
            Some(Prepared { to, holds_s, .. }) => format!(
                "is here and runs, prepared to move to site {to} for {} more minutes",
                holds_s.div_ceil(60)
            ),
            None => "is here and runs".to_owned(),
        },
        (Standing::Mine { .. }, Some(false)) => {
            format!(
                "is here and does not run: `ilnp-relocate start {}`",
                status.guest
            )
        }
        (Standing::Mine { .. }, None) if status.relocation.is_none() => {
            "is here, and a move of it is being tried".to_owned()
        }
        (Standing::Mine { .. }, None) => "is here, and being moved".to_owned(),
        (Standing::HandedOver { to, .. }, _) => {
            format!("was handed over to site {to}, which has not answered yet")
        }
        (Standing::Released { to, .. }, _) => format!("went to site {to}"),
        (Standing::Incoming { from, .. }, _) => format!("is on its way here from site {from}"),
        (Standing::Discarded { from, .. }, _) => {
            format!("was on its way here from site {from} and did not come")
        }
    }
}
