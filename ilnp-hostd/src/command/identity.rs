//! `ilnp identity`

use ilnp_service::client::Client;
use ilnp_service::output::Output;

use crate::api::Done;
use crate::api::identity::{Decision, Identity};

/// What to do with the identifier.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(super) enum Options {
    /// This host is fenced, and no other copy of it runs: go on with the identifier
    Keep,
    /// Give the identifier up. Sessions end, and so does the daemon: started again, which systemd
    /// does by itself, it makes a new one
    New,
}

pub(super) async fn run(client: &Client, output: &Output, options: Options) -> anyhow::Result<()> {
    let identifier = match options {
        Options::Keep => Decision::Keep,
        Options::New => Decision::New,
    };
    let done: Done = client
        .post("/v1/identity", &Identity { identifier })
        .await?;
    output.document(&done, |_| String::new())
}
