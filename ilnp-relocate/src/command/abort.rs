//! `ilnp-relocate abort`

use clap::Args;
use ilnp_service::client::Client;
use ilnp_service::output::Output;

use crate::api::Done;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The guest's name
    guest: String,
}

pub(super) async fn run(client: &Client, output: &Output, options: &Options) -> anyhow::Result<()> {
    let path = super::path(&options.guest, "/abort");
    let done: Done = client.post(&path, &()).await?;
    output.document(&done, |_| format!("{} stays where it is", options.guest))
}
