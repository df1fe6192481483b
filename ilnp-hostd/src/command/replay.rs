//! `ilnp replay`

use std::fs::File;
use std::io::BufReader;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use ilnp_core::node::{Input, Node};
use ilnp_core::time::Instant;
use ilnp_core::wire::Packet;
use serde::Serialize;
use serde_json::json;

use crate::api::SCHEMA;
use crate::driver;
use crate::record::{self, Line};
use ilnp_service::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What `ilnp-hostd --record` wrote
    file: PathBuf,
}

/// Gives a new node the recorded inputs and prints what it does: the same every time.
pub(super) fn run(output: &Output, options: &Options) -> anyhow::Result<()> {
    let name = options.file.display().to_string();
    let file = File::open(&options.file).with_context(|| name.clone())?;
    let (config, seed, lines) = record::read(BufReader::new(file)).with_context(|| name.clone())?;
    let mut node = Node::new(config, seed);
    for line in lines {
        match line.with_context(|| name.clone())? {
            Line::Start { .. } => bail!("{name}: a second first line"),
            Line::Restored { now, restored } => {
                show(output, now, "in", "restored", &restored)?;
                node.restore(now, *restored);
                show_outputs(output, now, &mut node)?;
            }
            Line::Input { now, input } => {
                show_input(output, now, &input)?;
                node.handle(now, *input);
                show_outputs(output, now, &mut node)?;
            }
        }
    }
    Ok(())
}

fn show_input(output: &Output, now: Instant, input: &Input) -> anyhow::Result<()> {
    match input {
        Input::Outbound(packet) if !output.json() => {
            show_packet(output, now, "in  outbound", packet)
        }
        Input::Inbound(packet) if !output.json() => show_packet(output, now, "in  inbound", packet),
        other => show(output, now, "in", "input", other),
    }
}

fn show_outputs(output: &Output, now: Instant, node: &mut Node) -> anyhow::Result<()> {
    while let Some(wanted) = driver::poll_output(node) {
        match &wanted {
            driver::Output::Transmit(packet) if !output.json() => {
                show_packet(output, now, "out transmit", packet)?;
            }
            driver::Output::Deliver(packet) if !output.json() => {
                show_packet(output, now, "out deliver", packet)?;
            }
            other => show(output, now, "out", "output", other)?,
        }
    }
    Ok(())
}

/// Seconds since boot, the direction, and the value as compact JSON.
fn show(
    output: &Output,
    now: Instant,
    direction: &str,
    kind: &str,
    value: &impl Serialize,
) -> anyhow::Result<()> {
    if output.json() {
        let line = json!({"schema": SCHEMA, "now_ns": now.as_nanos(), kind: value});
        return output.line(&line.to_string());
    }
    let value = serde_json::to_string(value)?;
    output.line(&format!("{} {direction:3} {value}", seconds(now)))
}

fn show_packet(output: &Output, now: Instant, what: &str, packet: &Packet) -> anyhow::Result<()> {
    let octets = &packet.octets;
    let address = |start: usize| {
        let octets = octets.get(start..start + 16)?;
        Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string())
    };
    let addresses = match (address(8), address(24)) {
        (Some(source), Some(destination)) => format!("{source} > {destination}"),
        _ => "not even a header".to_owned(),
    };
    output.line(&format!(
        "{} {what} {addresses}, {} octets",
        seconds(now),
        octets.len()
    ))
}

fn seconds(now: Instant) -> String {
    let nanos = now.as_nanos();
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
