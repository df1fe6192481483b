//! The agent of a hypervisor at its end of a guest's port.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use serde_json::Value;

use crate::daemon_net::Net;

/// An agent that waits for its guest.
pub(crate) struct Agent {
    listener: UnixListener,
    guest: Option<BufReader<UnixStream>>,
    id: u64,
}

impl Agent {
    /// The agent of this host.
    pub(crate) fn new(net: &Net, host: &str) -> Self {
        let path = net.directory(host).join("port");
        Self {
            listener: UnixListener::bind(path).unwrap(),
            guest: None,
            id: 0,
        }
    }

    /// Waits until the guest listens.
    pub(crate) fn meet(&mut self) {
        let (guest, _) = self.listener.accept().unwrap();
        guest
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        self.guest = Some(BufReader::new(guest));
    }

    /// Asks the guest something, and gives its answer.
    pub(crate) fn ask(&mut self, mut request: Value) -> Value {
        let guest = self.guest.as_mut().unwrap();
        self.id += 1;
        request["schema"] = 1.into();
        request["id"] = self.id.into();
        writeln!(guest.get_mut(), "\n{request}").unwrap();
        loop {
            let mut line = String::new();
            assert!(guest.read_line(&mut line).unwrap() > 0, "the guest is gone");
            let answer: Value = serde_json::from_str(&line).unwrap_or_default();
            if answer["id"] == self.id {
                return answer;
            }
        }
    }
}
