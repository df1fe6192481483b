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
    for (protocol, path) in [("tcp", "/proc/net/tcp6"), ("udp", "/proc/net/udp6")] {
        let table = std::fs::read_to_string(path)?;
        for socket in table.lines().skip(1).filter_map(Socket::parse) {
            let Some(correspondent) = by_handle.get(&socket.remote.0) else {
                continue;
            };
            sessions.push(Session {
                protocol: protocol.to_owned(),
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

/// A line of `/proc/net/tcp6` or `/proc/net/udp6`.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: (Ipv6Addr, u16),
    remote: (Ipv6Addr, u16),
    state: &'static str,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        Some(Self {
            local: endpoint(fields.next()?)?,
            remote: endpoint(fields.next()?)?,
            state: state_name(fields.next()?)?,
        })
    }
}

/// Reads `ADDRESS:PORT`: the address as four words, each as the processor would print it.
fn endpoint(text: &str) -> Option<(Ipv6Addr, u16)> {
    let (address, port) = text.split_once(':')?;
    if address.len() != 32 {
        return None;
    }
    let mut octets = [0; 16];
    for (index, word) in octets.chunks_exact_mut(4).enumerate() {
        let digits = address.get(index * 8..index * 8 + 8)?;
        word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    Some((octets.into(), u16::from_str_radix(port, 16).ok()?))
}

/// The kernel's `TCP_*` states; UDP sockets use the first and the seventh.
fn state_name(code: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "established",
        "syn-sent",
        "syn-recv",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "unconnected",
        "close-wait",
        "last-ack",
        "listen",
        "closing",
        "new-syn-recv",
    ];
    let code = usize::from_str_radix(code, 16).ok()?;
    NAMES.get(code.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_a_line_of_the_kernel() {
        let line = "   1: 6E6C69FD27260070FF4F1402 64EE20FE:0016 x";
        assert_eq!(Socket::parse(line), None);
        let line = "   0: 6E6C69FD27260070FF4F140264EE20FE:8CB4 6E6C69FD27260070FF6F160266EE22FE:1451 01 00000000:00000000";
        let socket = Socket::parse(line).unwrap();
        assert_eq!(
            socket.local,
            (
                "fd69:6c6e:7000:2627:214:4fff:fe20:ee64".parse().unwrap(),
                36020
            )
        );
        assert_eq!(socket.remote.1, 5201);
        assert_eq!(socket.state, "established");
    }

    #[test]
    fn takes_no_nonsense() {
        for line in ["", "0:", "0: 1:2 3:4 01", "0: é:1 é:1 00"] {
            assert_eq!(Socket::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn reads_this_machines_tables() {
        read(&[]).unwrap();
    }
}
