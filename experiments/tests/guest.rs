//! Virtual machines as hosts: the guest comes up, and the daemon works on its kernel, Linux 6.1, as
//! it does on that of the lab.

use std::path::Path;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::measure::flow::Flow;
use experiments::run;
use experiments::scenario::{Protocol, parse};

const SCENARIO: &str = r#"
name = "a guest that stays"
protocol = "both"
duration = "4s"

[[site]]
name = "a"
prefixes = ["2001:db8:a::/64"]

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

[[workload]]
program = "ping"
from = "peer"
to = "guest"

[[workload]]
program = "ssh"
from = "peer"
to = "guest"

[[workload]]
program = "curl"
from = "peer"
to = "guest"
size = "8MB"
speed = "1MB"
"#;

#[test]
fn programs_in_a_guest_answer_over_either_protocol() {
    let scenario = parse(SCENARIO, "guest.toml").unwrap();
    for protocol in [Protocol::Ipv6, Protocol::Ilnp] {
        let results = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let options = Options {
            out: results.join(format!("guest-{}", protocol.key())),
            bin_dir: None,
        };
        let interrupt = Interrupt::never();
        let run = run::run(&scenario, protocol, &options, &interrupt).unwrap();
        assert_eq!(run.sessions.len(), 3);
        for session in &run.sessions {
            let program = session.workload.program.name();
            assert_eq!(session.observed.failure, None, "{protocol:?} {program}");
            assert_ne!(
                session.observed.intact,
                Some(false),
                "{protocol:?} {program}"
            );
            let arrived = |flow: &Flow| flow.arrivals.len() >= 20;
            assert!(
                session.observed.flows.iter().all(arrived),
                "{protocol:?} {program}"
            );
        }
    }
}
