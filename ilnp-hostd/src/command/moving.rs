//! `ilnp move`

use ilnp_core::id::Locator;

use crate::api::Done;
use crate::api::moving::Move;
use ilnp_service::client::Client;
use ilnp_service::output::Output;

/// What to do; without options, look for a new attachment now.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Send from this Locator from now on
    #[arg(long, value_name = "PREFIX")]
    locator: Option<Locator>,
    /// Give this Locator up at once, as in a hard handoff; may be repeated
    #[arg(long, value_name = "PREFIX")]
    drop: Vec<Locator>,
}

pub(super) async fn run(client: &Client, output: &Output, options: Options) -> anyhow::Result<()> {
    let order = Move {
        locator: options.locator,
        drop: options.drop,
    };
    let done: Done = client.post("/v1/move", &order).await?;
    output.document(&done, |_| String::new())
}
