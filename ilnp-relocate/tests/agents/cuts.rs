//! The connection between the agents dies in each phase, and later comes back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::world::{Changes, World, moving, wait_for_outcome};

/// A wire between two agents that can be cut and mended.
struct Wire {
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// Carries what comes to `listener` to a port of this machine.
    fn new(listener: TcpListener, to: u16) -> Self {
        let wire = Self {
            cut: Arc::default(),
            streams: Arc::default(),
        };
        let (cut, streams) = (wire.cut.clone(), wire.streams.clone());
        std::thread::spawn(move || {
            for from in listener.incoming() {
                let (Ok(from), Ok(to)) = (from, TcpStream::connect(("::1", to))) else {
                    continue;
                };
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                for stream in [&from, &to] {
                    stream.set_nodelay(true).unwrap();
                    streams.lock().unwrap().push(stream.try_clone().unwrap());
                }
                carry(&from, &to);
                carry(&to, &from);
            }
        });
        wire
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    std::thread::spawn(move || {
        let mut octets = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut octets) {
            if to.write_all(&octets[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

#[test]
fn a_link_that_dies_in_any_phase_leaves_one_guest() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let way_to_b = Some(listener.local_addr().unwrap().port());
    let world = World::new(&Changes {
        way_to_b,
        ..Changes::default()
    });
    let wire = Wire::new(listener, world.port("b"));
    world.ok("a", &["start", "vm1"]);
    world.writes_again("a");
    for phase in ["prepare", "disks", "memory", "stop", "stop", "stop"] {
        if world.comes_to_rest() == "b" {
            world.ok("b", &["move", "vm1", "--to", "a"]);
            world.comes_to_rest_at("a");
        }
        let mut child = moving(&world, "a", phase);
        wire.cut();
        std::thread::sleep(Duration::from_secs(2));
        wire.mend();
        child.wait().unwrap();
        let expected = match world.comes_to_rest() {
            "a" => "failed",
            _ => "moved",
        };
        let report = wait_for_outcome(&world, "a");
        assert_eq!(report["outcome"], expected, "{phase}: {report}");
    }
    let site = world.comes_to_rest();
    world.check_disk(site);
}
