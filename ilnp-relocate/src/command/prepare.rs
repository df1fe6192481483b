//! `ilnp-relocate prepare`

use clap::Args;
use ilnp_service::client::Client;
use ilnp_service::output::Output;

use super::moving::{self, StorageOption};
use crate::relocation::{Mode, MoveOrder, Preparation};
use crate::site::Site;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The guest's name
    guest: String,
    /// Where it will go
    #[arg(long, value_name = "SITE")]
    to: Site,
    /// Which part of the disks will travel
    #[arg(long, value_enum, default_value_t = StorageOption::Delta)]
    storage: StorageOption,
}

pub(super) async fn run(client: &Client, output: &Output, options: &Options) -> anyhow::Result<()> {
    let order = MoveOrder {
        storage: options.storage.into(),
        mode: Mode::Soft,
        ..MoveOrder::to(options.to.clone())
    };
    let path = super::path(&options.guest, "/prepare");
    let preparation: Preparation = client.post(&path, &order).await?;
    output.document(&preparation, text)
}

fn text(preparation: &Preparation) -> String {
    let (guest, to) = (&preparation.trial.guest, &preparation.trial.to);
    format!(
        "{}{guest} knows that it will be at {to}, and tells {}; for {} minutes: \
         `ilnp-relocate move {guest} --to {to}` uses it, `ilnp-relocate abort {guest}` takes it back\n",
        moving::text(&preparation.trial),
        match preparation.correspondents {
            1 => "1 correspondent".to_owned(),
            many => format!("{many} correspondents"),
        },
        preparation.holds_s / 60
    )
}
