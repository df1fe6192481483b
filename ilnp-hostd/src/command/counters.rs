//! `ilnp counters`

use std::collections::BTreeMap;

use crate::api::counters::Counters;
use ilnp_service::client::Client;
use ilnp_service::output::{Output, table};

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let counters: Counters = client.get("/v1/counters").await?;
    output.document(&counters, |counters| {
        format!(
            "{}\n{}",
            counts("PACKETS", &counters.packets),
            counts("DROPPED", &counters.drops)
        )
    })
}

fn counts(title: &str, counts: &BTreeMap<String, u64>) -> String {
    let rows: Vec<_> = counts
        .iter()
        .map(|(name, count)| [name.clone(), count.to_string()])
        .collect();
    table([title, "COUNT"], &rows)
}
