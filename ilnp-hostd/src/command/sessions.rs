//! `ilnp sessions`

use crate::api::sessions::{Session, Sessions};
use ilnp_service::client::Client;
use ilnp_service::output::{Output, table};

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let sessions: Sessions = client.get("/v1/sessions").await?;
    output.document(&sessions, |all| text(&all.sessions))
}

fn text(sessions: &[Session]) -> String {
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            [
                session.protocol.clone(),
                session.local_port.to_string(),
                session.remote_port.to_string(),
                session.state.clone(),
                session.handle.to_string(),
                session.names.join(","),
            ]
        })
        .collect();
    table(
        [
            "PROTOCOL",
            "LOCAL PORT",
            "REMOTE PORT",
            "STATE",
            "HANDLE",
            "NAMES",
        ],
        &rows,
    )
}
