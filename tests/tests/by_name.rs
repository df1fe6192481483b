//! A host that moves is found by name, with BIND as the primary server. `cargo xtask demo` does the
//! same with ilnp-dnsd as primary and BIND as secondary.

use std::path::Path;

use experiments::interrupt::Interrupt;
use experiments::lab::Options;
use experiments::report::Report;
use experiments::run::run;
use experiments::scenario::{Protocol, load};
use tests::scene;

#[test]
fn a_host_is_found_where_it_is_when_bind_is_the_primary() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/scenarios");
    let scenario = load(&folder.join("names-bind.toml"))?;
    let options = Options {
        out: scene::results().join("names-bind"),
        bin_dir: None,
    };
    let seen = run(&scenario, Protocol::Ilnp, &options, &Interrupt::never())?;
    let report = Report::new(&scenario, &[seen]);
    assert!(report.is_success(), "{}", report.table());
    let sessions = report.runs.iter().flat_map(|run| &run.sessions);
    let reached = sessions.filter_map(|session| session.reached);
    let reached: Vec<String> = reached.map(|locator| locator.to_string()).collect();
    let (a, b) = ("2001:db8:a::/64", "2001:db8:b::/64");
    assert_eq!(
        reached,
        [a, a, b],
        "ssh and ping before the move, curl after it"
    );
    Ok(())
}
