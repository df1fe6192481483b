//! The daemon's API: HTTP/1.1 and JSON over a Unix socket.
//!
//! Whoever may open the socket may read; only root may change anything. Every answer has a
//! `"schema"` number. The handlers only translate: the task that owns the node answers.
//!
//! | resource | method | answer |
//! |---|---|---|
//! | `/v1/status` | GET | [`status::Status`] |
//! | `/v1/correspondents` | GET | [`correspondents::Correspondents`] |
//! | `/v1/locators` | GET | [`locators::Locators`] |
//! | `/v1/sessions` | GET | [`sessions::Sessions`] |
//! | `/v1/counters` | GET | [`counters::Counters`] |
//! | `/v1/monitor` | GET | a stream of [`monitor::Report`], one a line |
//! | `/v1/identity` | POST [`identity::Identity`] | [`Done`] |
//! | `/v1/move` | POST [`moving::Move`] | [`Done`] |
//! | `/v1/resolve` | POST [`resolve::Question`] | [`resolve::Answer`] |
//! | `/v1/ping` | POST [`ping::Ping`] | [`ping::Reply`] |

pub mod correspondents;
pub mod counters;
pub mod identity;
pub mod locators;
pub mod monitor;
pub mod moving;
pub mod names;
pub mod ping;
pub mod resolve;
pub mod sessions;
pub mod status;

use std::io;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use ilnp_service::control_socket::{ControlSocket, Peer};
use ilnp_service::problem::Problem;
use ilnp_service::{guard, problem};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clone::Custodian;
use crate::driver::Request;
use crate::names::NamesView;

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

/// What the handlers share: the way to the task that owns the node.
#[derive(Clone, Debug)]
pub struct Api {
    /// Questions and orders.
    pub requests: mpsc::Sender<Request>,
    /// Where events come from.
    pub reports: broadcast::Sender<monitor::Report>,
    /// How names stand.
    pub names: NamesView,
    /// Who decides whether the identifier is used.
    pub custodian: Custodian,
}

impl Api {
    /// Sends a request and waits for its answer.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(request(answer))
            .await
            .map_err(|_| Problem::stopping())?;
        answered.await.map_err(|_| Problem::stopping())
    }
}

/// The resources.
pub fn router(api: Api) -> Router {
    let changes = Router::new()
        .route("/v1/identity", post(identity::post))
        .route("/v1/move", post(moving::post))
        .route("/v1/ping", post(ping::post))
        .layer(middleware::from_fn(guard::require_root));
    Router::new()
        .route("/v1/status", get(status::get))
        .route("/v1/correspondents", get(correspondents::get))
        .route("/v1/locators", get(locators::get))
        .route("/v1/sessions", get(sessions::get))
        .route("/v1/counters", get(counters::get))
        .route("/v1/monitor", get(monitor::get))
        .route("/v1/resolve", post(resolve::post))
        .merge(changes)
        .fallback(problem::no_such_resource)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn(guard::refuse_browsers))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

/// Serves the API for as long as the future is polled.
///
/// # Errors
/// None in practice: failures to accept a connection are retried.
pub async fn serve(socket: ControlSocket, api: Api) -> io::Result<()> {
    let service = router(api).into_make_service_with_connect_info::<Peer>();
    axum::serve(socket, service).await
}
