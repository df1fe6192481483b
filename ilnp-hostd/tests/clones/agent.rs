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
    /// What it told that nobody has looked at.
    events: Vec<Value>,
    id: u64,
}

impl Agent {
    /// The agent of this host.
    pub(crate) fn new(net: &Net, host: &str) -> Self {
        let path = net.directory(host).join("port");
        Self {
            listener: UnixListener::bind(path).unwrap(),
            guest: None,
            events: Vec::new(),
            id: 0,
        }
    }

    /// Waits until the guest listens.
    pub(crate) fn meet(&mut self) {
        let (guest, _) = self.listener.accept().unwrap();
        guest
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        self.guest = Some(BufReader::new(guest));
    }

    /// Asks the guest something, and gives its answer.
    pub(crate) fn ask(&mut self, mut request: Value) -> Value {
        let guest = self.guest.as_mut().unwrap();
        self.id += 1;
        if request["schema"].is_null() {
            request["schema"] = 1.into();
        }
        request["id"] = self.id.into();
        writeln!(guest.get_mut(), "\n{request}").unwrap();
        loop {
            let said = self.hear();
            if said["id"] == self.id {
                return said;
            }
        }
    }

    /// Writes anything.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.guest
            .as_mut()
            .unwrap()
            .get_mut()
            .write_all(octets)
            .unwrap();
    }

    /// Goes away, as an agent that is restarted, or whose guest is moved.
    pub(crate) fn go(&mut self) {
        self.guest = None;
        self.events.clear();
    }

    /// Waits for the guest to tell this.
    pub(crate) fn event(&mut self, name: &str, which: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut events = self.events.iter().map(|event| &event[name]);
            if let Some(place) = events.position(|event| event.is_object() && which(event)) {
                return self.events.remove(place)[name].take();
            }
            self.hear();
        }
    }

    /// The next line, which is kept when it is an event.
    fn hear(&mut self) -> Value {
        let guest = self.guest.as_mut().unwrap();
        let mut line = String::new();
        assert!(guest.read_line(&mut line).unwrap() > 0, "the guest is gone");
        let mut said: Value = serde_json::from_str(&line).unwrap_or_default();
        if said["event"].is_object() {
            self.events.push(said["event"].take());
        }
        said
    }
}
