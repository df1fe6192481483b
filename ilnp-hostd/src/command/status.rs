//! `ilnp status`

use super::client::Client;
use super::output::{Output, duration};
use crate::api::status::Status;

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let status: Status = client.get("/v1/status").await?;
    output.document(&status, text)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole seconds since a start are small and positive"
)]
fn text(status: &Status) -> String {
    let ready = if status.ready {
        "yes"
    } else {
        "no: no Locator works"
    };
    format!(
        "NID             {}\nhandle          {}\ninterface       {}\nready           {ready}\nuptime          {}\ncorrespondents  {}\n\n{}",
        status.nid,
        status.handle,
        status.interface,
        duration(status.uptime_s as u64),
        status.correspondents,
        super::locators::table_of(&status.locators),
    )
}
