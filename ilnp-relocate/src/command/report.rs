//! `ilnp-relocate report`

use clap::Args;
use ilnp_service::client::Client;
use ilnp_service::output::Output;

use crate::api::Reports;
use crate::report;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only of this guest
    guest: Option<String>,
    /// Only the newest ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    last: usize,
}

pub(super) async fn run(client: &Client, output: &Output, options: &Options) -> anyhow::Result<()> {
    let path = match &options.guest {
        Some(guest) => format!("/v1/reports?guest={}", super::encoded(guest)),
        None => "/v1/reports".to_owned(),
    };
    let mut reports: Reports = client.get(&path).await?;
    reports.reports.truncate(options.last);
    output.document(&reports, |reports| {
        if reports.reports.is_empty() {
            return "nothing has been moved from here".to_owned();
        }
        let tables: Vec<_> = reports.reports.iter().map(report::table).collect();
        tables.join("\n")
    })
}
