//! `ilnp locators`

use crate::api::locators::{LocalLocator, Locators};
use ilnp_service::client::Client;
use ilnp_service::output::{Output, duration, table};

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let locators: Locators = client.get("/v1/locators").await?;
    output.document(&locators, |locators| table_of(&locators.locators))
}

/// This host's Locators, one a line.
pub(super) fn table_of(locators: &[LocalLocator]) -> String {
    let rows: Vec<_> = locators
        .iter()
        .map(|locator| {
            [
                locator.locator.to_string(),
                locator.interface.clone(),
                locator.state.clone(),
                locator.preference.to_string(),
                duration(locator.lifetime_s.into()),
            ]
        })
        .collect();
    table(
        ["LOCATOR", "INTERFACE", "STATE", "PREFERENCE", "LIFETIME"],
        &rows,
    )
}
