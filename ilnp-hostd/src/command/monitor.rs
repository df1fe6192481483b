//! `ilnp monitor`

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use ilnp_service::client::Client;
use ilnp_service::output::Output;

pub(super) async fn run(client: &Client, output: &Output) -> anyhow::Result<()> {
    let mut reports = client.stream("/v1/monitor").await?;
    while let Some(line) = reports.next().await? {
        show(output, &line)?;
    }
    bail!("the daemon stopped")
}

fn show(output: &Output, line: &str) -> anyhow::Result<()> {
    if output.json() {
        return output.line(line);
    }
    let report: Map<String, Value> =
        serde_json::from_str(line).context("the daemon's report is not understood")?;
    output.line(&text(&report))
}

/// Time of day (UTC), the event, and its fields as `name=value`.
fn text(report: &Map<String, Value>) -> String {
    let time = report.get("time_s").and_then(Value::as_f64).unwrap_or(0.0);
    let event = report.get("event").and_then(Value::as_str).unwrap_or("?");
    let mut line = format!("{} {event}", time_of_day(time));
    for (name, value) in report {
        if !["schema", "time_s", "event", "nid"].contains(&name.as_str()) {
            line += &format!(" {name}={}", plain(value));
        }
    }
    line
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(fields) => fields.values().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds of a day fit"
)]
fn time_of_day(seconds: f64) -> String {
    let millis = (seconds.rem_euclid(86_400.0) * 1e3) as u64;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        millis / 3_600_000,
        millis / 60_000 % 60,
        millis / 1000 % 60,
        millis % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_readable_line() {
        let report: Map<String, Value> = serde_json::from_str(
            r#"{"schema":1,"time_s":86399.25,"event":"update-sent","locators":["2001:db8:a::/64","2001:db8:b::/64"],"attempt":1}"#,
        )
        .unwrap();
        assert_eq!(
            text(&report),
            "23:59:59.250 update-sent attempt=1 locators=2001:db8:a::/64,2001:db8:b::/64"
        );
    }
}
