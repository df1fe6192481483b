//! Waits for a server to listen.

use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::process::{Process, status_text};
use crate::topology::Host;

const START: Duration = Duration::from_secs(5);

/// Waits until a server on a host accepts connections on the host's loopback.
pub(super) fn wait_until_listening(
    host: &Host,
    port: u16,
    server: &mut Process,
) -> Result<(), LabError> {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let end = Instant::now() + START;
    while host
        .namespace()
        .inside(|| TcpStream::connect(address))?
        .is_err()
    {
        let ended = server.ended();
        if ended.is_some() || Instant::now() > end {
            return Err(LabError::Failed {
                command: server.name().to_owned(),
                status: ended.map_or_else(|| "no answer".to_owned(), status_text),
                output: "see its log in the folder of results".to_owned(),
            });
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}
