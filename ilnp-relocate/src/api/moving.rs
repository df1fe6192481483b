//! `/v1/guests/{guest}/move`: a move, and how it goes, one JSON document a line.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use ilnp_service::problem::Problem;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::problem_of;
use crate::relocation::{Agent, MoveOrder, Preparation, Trial};
use crate::report::{Line, Recorder};

pub(super) async fn post(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
    body: Result<Json<MoveOrder>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = body?;
    let recorder = agent.move_guest(&guest, order).await.map_err(problem_of)?;
    let lines = stream::unfold(Follower::new(&recorder), |mut follower| async {
        let line = follower.next().await?;
        Some((Ok::<_, Infallible>(line), follower))
    });
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

pub(super) async fn trial(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
    body: Result<Json<MoveOrder>, JsonRejection>,
) -> Result<Json<Trial>, Problem> {
    let Json(order) = body?;
    let trial = agent.try_move(&guest, order).await.map_err(problem_of)?;
    Ok(Json(trial))
}

pub(super) async fn prepare(
    State(agent): State<Agent>,
    Path(guest): Path<String>,
    body: Result<Json<MoveOrder>, JsonRejection>,
) -> Result<Json<Preparation>, Problem> {
    let Json(order) = body?;
    let preparation = agent.prepare(&guest, order).await.map_err(problem_of)?;
    Ok(Json(preparation))
}

/// Follows a relocation to its end.
struct Follower {
    /// What is to be said first.
    so_far: std::vec::IntoIter<Line>,
    lines: broadcast::Receiver<Line>,
    over: bool,
}

impl Follower {
    fn new(recorder: &Recorder) -> Self {
        // In this order nothing is missed.
        let lines = recorder.listen();
        Self {
            so_far: recorder.so_far().into_iter(),
            lines,
            over: false,
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let line = match self.so_far.next() {
            Some(line) => line,
            None => loop {
                match self.lines.recv().await {
                    Ok(line) => break line,
                    // Who reads slowly misses some of the progress.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            },
        };
        self.over = line.is_last();
        let mut octets = serde_json::to_vec(&line).ok()?;
        octets.push(b'\n');
        Some(octets.into())
    }
}
