//! Who may do what.

use axum::extract::{ConnectInfo, Request};
use axum::http::header::ORIGIN;
use axum::middleware::Next;
use axum::response::Response;

use crate::control_socket::Peer;
use crate::problem::Problem;

/// Refuses what a web page sends: no program of ours sets `Origin`.
///
/// # Errors
/// The refusal.
pub async fn refuse_browsers(request: Request, next: Next) -> Result<Response, Problem> {
    if request.headers().contains_key(ORIGIN) {
        return Err(Problem::forbidden("requests from web pages are refused"));
    }
    Ok(next.run(request).await)
}

/// Lets only root pass.
///
/// # Errors
/// The refusal.
pub async fn require_root(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if peer.user != Some(0) {
        return Err(Problem::forbidden("only root may do this"));
    }
    Ok(next.run(request).await)
}
