//! A full disk, and many connections.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use ilnp_dns::message::{Message, Rcode};
use ilnp_dns::record::RecordType;

use crate::world::{PATIENCE, Server, World, l64, question, replace_l64};

const HOST: &str = "vm1.example.org.";

#[test]
fn a_thousand_idle_connections_disturb_nobody() {
    let world = World::new();
    let server = world.start();
    let idle: Vec<_> = (0..1000)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    world.wait_for(&server, HOST, RecordType::L64, &[l64(1)]);
    let answer = world.send(&server, &replace_l64(HOST, &[l64(2)]), "vm1");
    assert_eq!(answer.rcode, Rcode::NOERROR);
    // One more, and one that was idle.
    for stream in [&TcpStream::connect(server.address).unwrap(), &idle[500]] {
        assert_eq!(ask(stream).answers[0].rdata, l64(2));
    }
}

/// Asks by TCP.
fn ask(mut stream: &TcpStream) -> Message {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let octets = question(HOST, RecordType::L64).to_wire(512);
    let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
    // In two parts, as slow senders do.
    stream.write_all(&length).unwrap();
    stream.write_all(&octets).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    Message::from_wire(&answer).unwrap()
}

#[test]
fn a_full_disk_refuses_updates_and_loses_nothing() {
    let world = World::new();
    let disk = Disk::mount(&world.path().join("state"));
    let mut server = world.start();
    let update = |server: &Server, number| {
        let answer = world.send(server, &replace_l64(HOST, &[l64(number)]), "vm1");
        answer.rcode
    };
    assert_eq!(update(&server, 2), Rcode::NOERROR);

    disk.fill();
    // What the database has allocated may hold some more.
    let refused = (3..100_000).find(|&number| update(&server, number) != Rcode::NOERROR);
    let refused = refused.unwrap();
    assert_eq!(update(&server, refused), Rcode::SERVFAIL);
    let kept = [l64(refused - 1)];
    world.wait_for(&server, HOST, RecordType::L64, &kept);

    // It comes back by itself when there is room, and what it acknowledged is there after a crash.
    disk.empty();
    server.wait_for_update(|| update(&server, 1_000_000) == Rcode::NOERROR);
    server.kill();
    server = world.start();
    world.wait_for(&server, HOST, RecordType::L64, &[l64(1_000_000)]);
}

/// A file system of a few megabytes, gone at the end of the test.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(path)
            .status();
        assert!(
            done.unwrap().success(),
            "this test mounts, which needs root"
        );
        Self(path.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server may still have its files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
