//! `/v1/monitor`: events as they happen, one JSON document a line.

use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use ilnp_core::id::{Handle, HandlePrefix};
use ilnp_core::node::Event;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{Api, SCHEMA};

/// How many reports wait for a monitor that does not keep up; older ones are lost to it.
pub const BACKLOG: usize = 512;

/// One line: an event, ready to be sent to every monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Bytes);

impl Report {
    /// The report of an event that happens now.
    ///
    /// `"time_s"` is the time of day in seconds since 1970; handles are written as addresses, with
    /// the identifier beside them.
    pub fn new(event: &Event, handles: HandlePrefix) -> Self {
        let mut fields = match serde_json::to_value(event) {
            Ok(Value::Object(fields)) => fields,
            other => Map::from_iter([("event".to_owned(), json!(format!("{other:?}")))]),
        };
        let handle = fields.get("handle").cloned().map(serde_json::from_value);
        if let Some(Ok(Handle { nid, alias })) = handle {
            let address = handles.address(Handle { nid, alias });
            fields.insert("nid".to_owned(), json!(nid));
            fields.insert("handle".to_owned(), json!(address));
        }
        Self::line(fields)
    }

    /// Tells a monitor that it was too slow for `count` reports.
    fn lost(count: u64) -> Self {
        Self::line(Map::from_iter([
            ("event".to_owned(), json!("lost")),
            ("count".to_owned(), json!(count)),
        ]))
    }

    fn line(mut fields: Map<String, Value>) -> Self {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        fields.insert("schema".to_owned(), json!(SCHEMA));
        fields.insert("time_s".to_owned(), json!(time.as_secs_f64()));
        Self(format!("{}\n", Value::Object(fields)).into())
    }
}

pub(super) async fn get(State(api): State<Api>) -> Response {
    let lines = stream::unfold(api.reports.subscribe(), |mut reports| async {
        let report = match reports.recv().await {
            Ok(report) => report,
            Err(RecvError::Lagged(count)) => Report::lost(count),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(report.0), reports))
    });
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_monitor_is_told_how_much_it_missed() {
        let Report(line) = Report::lost(7);
        let report: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(report["event"], "lost");
        assert_eq!(report["count"], 7);
        assert_eq!(report["schema"], SCHEMA);
    }
}
