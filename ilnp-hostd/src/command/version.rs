//! `ilnp version`

use serde_json::json;

use crate::api::SCHEMA;
use ilnp_service::output::Output;

pub(super) fn run(output: &Output) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    output.document(&json!({"schema": SCHEMA, "version": version}), |_| {
        format!("ilnp {version}")
    })
}
