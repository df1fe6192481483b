//! Virtual machines as hosts: the guest comes up, the daemon works on its kernel, Linux 6.1, and the
//! sessions of its programs go on when it is migrated between sites.

use std::path::Path;
use std::time::Duration;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::measure::flow::Flow;
use experiments::run;
use experiments::scenario::{Protocol, parse};

const SCENARIO: &str = r#"
name = "a guest that moves away and back"
protocol = "ilnp"
duration = "36s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

[[site]]
name = "b"
prefixes = ["2001:db8:b::/64"]

[[site]]
name = "c"
prefixes = ["2001:db8:c::/64"]

[[host]]
name = "guest"
site = "a"
nid = "0214:4fff:fe20:ee64"
[host.vm]
memory = "192MiB"

[[host]]
name = "peer"
site = "c"
nid = "0216:6fff:fe22:ee66"

[[move]]
host = "guest"
at = "2s"
to = "b"

[[move]]
host = "guest"
at = "9s"
to = "a"

[[workload]]
program = "ping"
from = "peer"
to = "guest"

[[workload]]
program = "udp"
from = "peer"
to = "guest"
interval = "5ms"

[[workload]]
program = "tcp"
from = "peer"
to = "guest"
interval = "5ms"

[[workload]]
program = "ssh"
from = "peer"
to = "guest"

[[workload]]
program = "curl"
from = "peer"
to = "guest"
size = "12MB"
speed = "500kB"
"#;

#[test]
fn sessions_with_a_guest_outlive_its_moves() {
    let scenario = parse(SCENARIO, "guest.toml").unwrap();
    let options = Options {
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest"),
        bin_dir: None,
    };
    let run = run::run(&scenario, Protocol::Ilnp, &options, &Interrupt::never()).unwrap();
    assert_eq!((run.sessions.len(), run.moves.len()), (5, 2));
    for session in &run.sessions {
        let (program, observed) = (session.workload.program.name(), &session.observed);
        assert_eq!(observed.failure, None, "{program}");
        assert_ne!(observed.intact, Some(false), "{program}");
        // To the end of the last site, in every direction.
        let last = run.moves[1].times.attached + Duration::from_secs(1);
        let goes_on = |flow: &Flow| {
            let complete = flow.complete.is_some();
            complete
                || flow
                    .arrivals
                    .last()
                    .is_some_and(|arrival| arrival.at > last)
        };
        assert!(observed.flows.iter().all(goes_on), "{program}");
    }
    for moved in &run.moves {
        assert!(moved.usable.is_some() && moved.updated.is_some() && moved.acknowledged.is_some());
    }
}
