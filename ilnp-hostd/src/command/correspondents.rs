//! `ilnp correspondents`

use crate::api::correspondents::{Correspondent, Correspondents};
use ilnp_service::client::Client;
use ilnp_service::output::{Output, table};

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let correspondents: Correspondents = client.get("/v1/correspondents").await?;
    output.document(&correspondents, |all| text(&all.correspondents))
}

/// One line for each Locator; the correspondent stands on its first.
fn text(correspondents: &[Correspondent]) -> String {
    let mut rows = Vec::new();
    for correspondent in correspondents {
        let mut about = [
            correspondent.handle.to_string(),
            correspondent.names.join(","),
            correspondent.state.clone(),
            correspondent
                .last_heard_s
                .map_or_else(|| "never".to_owned(), |ago| format!("{ago:.1} s ago")),
            match correspondent.update.tries {
                0 => correspondent.update.state.clone(),
                tries => format!("{} ({tries})", correspondent.update.state),
            },
        ];
        if correspondent.locators.is_empty() {
            rows.push(with_locator(about.clone(), [String::new(), String::new()]));
        }
        for locator in &correspondent.locators {
            let place = [locator.locator.to_string(), locator.state.clone()];
            rows.push(with_locator(std::mem::take(&mut about), place));
        }
    }
    table(
        [
            "HANDLE",
            "NAMES",
            "STATE",
            "HEARD",
            "UPDATE",
            "LOCATOR",
            "LOCATOR STATE",
        ],
        &rows,
    )
}

fn with_locator(about: [String; 5], place: [String; 2]) -> [String; 7] {
    let [handle, names, state, heard, update] = about;
    let [locator, locator_state] = place;
    [handle, names, state, heard, update, locator, locator_state]
}
