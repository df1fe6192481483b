//! The agent's API: HTTP/1.1 and JSON over a Unix socket, for root alone.
//!
//! | resource | method | answer |
//! |---|---|---|
//! | `/v1/guests` | GET | [`Overview`](crate::relocation::Overview) |
//! | `/v1/guests/{guest}` | GET | [`Status`](crate::relocation::Status) |
//! | `/v1/guests/{guest}/start` | POST | [`Done`] |
//! | `/v1/guests/{guest}/move` | POST [`MoveOrder`](crate::relocation::MoveOrder) | a stream of [`Line`](crate::report::Line), one a line, the report last |
//! | `/v1/guests/{guest}/trial` | POST [`MoveOrder`](crate::relocation::MoveOrder) | [`Trial`](crate::relocation::Trial) |
//! | `/v1/guests/{guest}/prepare` | POST [`MoveOrder`](crate::relocation::MoveOrder) | [`Preparation`](crate::relocation::Preparation) |
//! | `/v1/guests/{guest}/abort` | POST | [`Done`] |
//! | `/v1/reports` | GET, `?guest=` | [`Reports`] |

mod guests;
mod moving;
mod reports;

use std::io;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use ilnp_service::control_socket::{ControlSocket, Peer};
use ilnp_service::problem::Problem;
use ilnp_service::{guard, problem};
use serde::{Deserialize, Serialize};

use crate::relocation::{Agent, Unwilling};

pub use reports::Reports;

/// The number in every answer. It changes when a program that reads them would break.
pub const SCHEMA: u32 = 1;

/// No request of ours is longer.
const MAX_BODY: usize = 16 * 1024;

/// The answer when there is nothing to say but that it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// [`SCHEMA`].
    pub schema: u32,
}

fn router(agent: Agent) -> Router {
    Router::new()
        .route("/v1/guests", get(guests::all))
        .route("/v1/guests/{guest}", get(guests::one))
        .route("/v1/guests/{guest}/start", post(guests::start))
        .route("/v1/guests/{guest}/abort", post(guests::abort))
        .route("/v1/guests/{guest}/move", post(moving::post))
        .route("/v1/guests/{guest}/trial", post(moving::trial))
        .route("/v1/guests/{guest}/prepare", post(moving::prepare))
        .route("/v1/reports", get(reports::get))
        .layer(middleware::from_fn(guard::require_root))
        .fallback(problem::no_such_resource)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn(guard::refuse_browsers))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(agent)
}

/// Serves the API for as long as the future is polled.
///
/// # Errors
/// None in practice: failures to accept a connection are retried.
pub async fn serve(socket: ControlSocket, agent: Agent) -> io::Result<()> {
    let service = router(agent).into_make_service_with_connect_info::<Peer>();
    axum::serve(socket, service).await
}

fn problem_of(unwilling: Unwilling) -> Problem {
    let message = unwilling.to_string();
    match unwilling {
        Unwilling::Unknown { .. } => Problem::not_found(message),
        Unwilling::Refused(_) => Problem::conflict(message),
    }
}
