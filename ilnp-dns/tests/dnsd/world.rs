//! A server with one zone, and what tests say to it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ilnp_dns::exchange::{exchange, exchange_signed, fresh_id};
use ilnp_dns::key::TsigKey;
use ilnp_dns::message::{Message, Opcode, Question};
use ilnp_dns::name::Name;
use ilnp_dns::record::{Class, Record, RecordType};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const ZONE: &str = "\
$TTL 5
@ SOA ns hostmaster 1 3600 600 86400 5
@ NS ns
ns AAAA ::1
vm1 NID 10 0014:4fff:ff20:ee64
vm1 L64 10 2001:0db8:0000:0001
";

pub(crate) const CONFIG: &str = r#"
listen = ["[::1]:0"]
state-dir = "state"
key-files = ["vm1.key", "xfer.key"]
[[zone]]
name = "example.org"
file = "example.org.zone"
transfer-key = "xfer"
[[zone.grant]]
key = "vm1"
name = "vm1.example.org"
types = ["NID", "L64", "LP", "AAAA"]
"#;

/// A directory with the files of a server.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let world = Self {
            directory,
            runtime: { runtime }.enable_all().build().unwrap(),
        };
        for key in ["vm1", "xfer"] {
            world.write_key(key);
        }
        world.write("example.org.zone", ZONE);
        world.write("dnsd.toml", CONFIG);
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    pub(crate) fn write_key(&self, name: &str) {
        let text = format!(
            "key \"{name}\" {{ algorithm hmac-sha256; secret \"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\"; }};\n"
        );
        self.write(&format!("{name}.key"), &text);
    }

    pub(crate) fn key(&self, name: &str) -> Arc<TsigKey> {
        let path = self.path().join(format!("{name}.key"));
        Arc::new(TsigKey::read(&path).unwrap())
    }

    /// Starts the server and waits until it serves.
    pub(crate) fn start(&self) -> Server {
        Server::start(&self.path().join("dnsd.toml"))
    }

    /// Asks a server.
    pub(crate) fn ask(&self, server: &Server, name: &str, rtype: RecordType) -> Message {
        let request = question(name, rtype).to_wire(512);
        let answer = exchange(server.address, &request, PATIENCE);
        Message::from_wire(&self.runtime.block_on(answer).unwrap()).unwrap()
    }

    /// Sends a signed message.
    pub(crate) fn send(&self, server: &Server, message: &Message, key: &str) -> Message {
        let key = self.key(key);
        let answer = exchange_signed(server.address, message, &key, PATIENCE);
        self.runtime.block_on(answer).unwrap()
    }

    /// Waits until a server answers with `expected` RDATA.
    pub(crate) fn wait_for(
        &self,
        server: &Server,
        name: &str,
        rtype: RecordType,
        expected: &[Bytes],
    ) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = self.ask(server, name, rtype).answers;
            let found: Vec<_> = answers.into_iter().map(|record| record.rdata).collect();
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{name} {rtype}: {found:?}");
        }
    }
}

/// A running server, killed at the end of the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: mpsc::Receiver<String>,
}

impl Server {
    pub(crate) fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ilnp-dnsd"))
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
                let _ = sender.send(line);
            }
        });
        let mut server = Self {
            child,
            address: "[::1]:0".parse().unwrap(),
            log,
        };
        let line = server.wait_for_log("serving");
        let (_, address) = line.split_once("listen=[").unwrap();
        server.address = address.trim_end_matches(']').parse().unwrap();
        server
    }

    /// Waits for a line of the log that contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(rest);
            let line = line.unwrap_or_else(|_| panic!("the log never says {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until `done` says yes.
    pub(crate) fn wait_for_update(&self, done: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(
                Instant::now() < deadline,
                "the server does not do updates again"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn question(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::request(fresh_id(), Opcode::QUERY);
    message.questions.push(Question {
        name: name.parse().unwrap(),
        rtype,
        class: Class::IN,
    });
    message
}

pub(crate) fn l64(number: u32) -> Bytes {
    let mut rdata = vec![0, 10, 0x20, 1, 0x0d, 0xb8];
    rdata.extend(number.to_be_bytes());
    rdata.into()
}

fn record(owner: &str, class: Class, ttl: u32, rdata: Bytes) -> Record {
    Record {
        name: name(owner),
        rtype: RecordType::L64,
        class,
        ttl,
        rdata,
    }
}

/// An update that replaces the L64 records of a name.
pub(crate) fn replace_l64(owner: &str, rdatas: &[Bytes]) -> Message {
    let mut message = Message::request(fresh_id(), Opcode::UPDATE);
    message.questions.push(Question {
        name: name("example.org."),
        rtype: RecordType::SOA,
        class: Class::IN,
    });
    message
        .authorities
        .push(record(owner, Class::ANY, 0, Bytes::new()));
    for rdata in rdatas {
        message
            .authorities
            .push(record(owner, Class::IN, 5, rdata.clone()));
    }
    message
}
