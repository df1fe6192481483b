//! `/v1/sessions`: the transport sessions between handles, as the kernel lists them.

use std::collections::HashMap;
use std::io;
use std::net::Ipv6Addr;

use axum::Json;
use axum::extract::State;
use ilnp_core::id::Nid;
use serde::{Deserialize, Serialize};

use super::correspondents::Correspondent;
use super::{Api, SCHEMA};
use crate::driver::Request;
use crate::kernel::sockets::Transport;
use ilnp_service::problem::Problem;

/// All sessions with correspondents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// [`SCHEMA`].
    pub schema: u32,
    /// TCP first, in the kernel's order.
    pub sessions: Vec<Session>,
}

/// One transport session. Between two handles it is bound to identifiers, not to places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The correspondent's identifier.
    pub nid: Nid,
    /// The address that the application uses for it.
    pub handle: Ipv6Addr,
    /// The names that led to it.
    pub names: Vec<String>,
    /// The port on this host.
    pub local_port: u16,
    /// The correspondent's port.
    pub remote_port: u16,
    /// The state as `ss` names it.
    pub state: String,
}

pub(super) async fn get(State(api): State<Api>) -> Result<Json<Sessions>, Problem> {
    let known = api.ask(Request::Correspondents).await?.correspondents;
    let sessions = tokio::task::spawn_blocking(move || read(&known))
        .await
        .map_err(|error| Problem::internal(error.to_string()))?
        .map_err(|error| Problem::internal(format!("cannot read /proc/net: {error}")))?;
    Ok(Json(Sessions {
        schema: SCHEMA,
        sessions,
    }))
}

fn read(known: &[Correspondent]) -> io::Result<Vec<Session>> {
    let by_handle: HashMap<_, _> = known.iter().map(|c| (c.handle, c)).collect();
    let mut sessions = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        for socket in transport.sockets()? {
            let socket = socket?;
            let Some(correspondent) = by_handle.get(&socket.remote.0) else {
                continue;
            };
            sessions.push(Session {
                protocol: transport.name().to_owned(),
                nid: correspondent.nid,
                handle: correspondent.handle,
                names: correspondent.names.clone(),
                local_port: socket.local.1,
                remote_port: socket.remote.1,
                state: socket.state.to_owned(),
            });
        }
    }
    Ok(sessions)
}
