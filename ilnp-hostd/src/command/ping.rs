//! `ilnp ping`

use std::time::Duration;

use anyhow::bail;
use axum::http::StatusCode;
use serde_json::json;

use crate::api::SCHEMA;
use crate::api::ping::{Ping, Reply};
use ilnp_service::client::{Client, RequestError};
use ilnp_service::output::Output;

const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A name, a Node Identifier or a handle
    #[arg(value_name = "NAME|NID|HANDLE")]
    target: String,
    /// How many echoes to ask for, one a second
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long to wait for each answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout: u64,
}

pub(super) async fn run(client: &Client, output: &Output, options: Options) -> anyhow::Result<()> {
    let ping = Ping {
        target: options.target,
        timeout_ms: options.timeout,
    };
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut answered = 0;
    for sequence in 1..=options.count {
        ticks.tick().await;
        match client.post::<Reply>("/v1/ping", &ping).await {
            Ok(reply) => {
                answered += 1;
                output.document(&reply, |reply| text(sequence, reply))?;
            }
            Err(RequestError::Refused {
                status: StatusCode::GATEWAY_TIMEOUT,
                message,
            }) => {
                let lost = json!({"schema": SCHEMA, "error": message});
                output.document(&lost, |_| format!("{message} (try {sequence})"))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !output.json() {
        output.line(&format!("{answered} of {} answered", options.count))?;
    }
    if answered == 0 {
        bail!("{} did not answer", ping.target);
    }
    Ok(())
}

fn text(sequence: u32, reply: &Reply) -> String {
    format!(
        "{}: try {sequence}, {:.3} ms, from {} to {}",
        reply.handle, reply.rtt_ms, reply.remote, reply.local
    )
}
