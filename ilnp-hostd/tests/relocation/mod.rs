//! A hypervisor's agent leads a host from site to site. Needs root.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::clones::agent::Agent;
use crate::clones::site::session;
use crate::daemon_net::{Daemon, Net, wait_for};

mod mistakes;

const A: &str = "2001:db8:a::";
const D: &str = "2001:db8:d::";
const E: &str = "2001:db8:e::";
const INSTANCE: &str = "0000000000000000000000000000000a";

/// A host with its agent, and a correspondent that it has a session with.
struct Led<'a> {
    net: &'a Net,
    agent: Agent,
    host: Daemon<'a>,
    _correspondent: Daemon<'a>,
}

impl<'a> Led<'a> {
    fn start(net: &'a Net) -> Self {
        let mut agent = Agent::new(net, "a");
        let (mut host, mut correspondent) = (net.daemon("a"), net.daemon("c"));
        host.wait_ready();
        correspondent.wait_ready();
        agent.meet();
        let hello = json!({"hello": {"site": "a", "epoch": 1, "instance": INSTANCE}});
        assert!(agent.ask(hello)["hello"].is_object());
        session(net, "a");
        Self {
            net,
            agent,
            host,
            _correspondent: correspondent,
        }
    }

    /// The host is told where it will be, and so is the correspondent, at both ends.
    #[track_caller]
    fn prepare(&mut self, epoch: u64, prefix: &str) {
        let answer = self.agent.ask(self.request(epoch, prefix));
        assert_eq!(answer["prepared"]["correspondents"], 1, "{answer}");
        self.told(epoch, "prepare");
        let wanted = format!("{prefix}/64");
        wait_for("the correspondent knows of it", || {
            let known = self.net.json("c", "correspondents");
            let locators = known["correspondents"][0]["locators"].as_array();
            locators.is_some_and(|all| all.iter().any(|it| it["locator"] == wanted.as_str()))
        });
    }

    fn request(&self, epoch: u64, prefix: &str) -> Value {
        json!({"prepare": {"epoch": epoch, "site": "next", "locators": [format!("{prefix}/64")],
            "router": router(self.net)}})
    }

    /// Carries out an order, and waits until the correspondent has acknowledged it.
    #[track_caller]
    fn order(&mut self, step: &str, epoch: u64) {
        let answer = self.agent.ask(json!({step: {"epoch": epoch}}));
        assert!(answer["done"].is_object(), "{answer}");
        self.told(epoch, step);
    }

    fn told(&mut self, epoch: u64, step: &str) {
        self.agent.event("told", |told| {
            told["epoch"] == epoch && told["step"] == step && told["acknowledged"] == 1
        });
    }

    /// The host is there, as its agent says; from then on the agent is told how it goes.
    #[track_caller]
    fn arrive(&mut self, epoch: u64, prefix: &str) {
        let resumed = json!({"resumed": {"epoch": epoch, "site": "d", "instance": INSTANCE}});
        let answer = self.agent.ask(resumed);
        assert!(answer["done"].is_object(), "{answer}");
        let usable = self.agent.event("usable", |it| it["epoch"] == epoch);
        assert_eq!(usable["locator"], format!("{prefix}/64"));
        self.agent.event("acknowledged", |it| it["epoch"] == epoch);
        let all = self
            .agent
            .event("all-acknowledged", |it| it["epoch"] == epoch);
        assert_eq!(all["correspondents"], 1, "{all}");
    }

    /// Where the correspondent sends to.
    #[track_caller]
    fn wait_preferred(&self, prefix: &str) {
        let wanted = format!("{prefix}/64");
        wait_for("the correspondent prefers it", || {
            let known = self.net.json("c", "correspondents");
            known["correspondents"][0]["locators"][0]["locator"] == wanted.as_str()
        });
    }

    fn plan(&self) -> Value {
        self.net.json("a", "status")["relocation"].take()
    }
}

/// The address of the router on the link of `a`.
fn router(net: &Net) -> String {
    let text = net.text("r", "ip -6 -o addr show dev to-a scope link");
    let address = text.split_whitespace().nth(3).unwrap();
    address.split('/').next().unwrap().to_owned()
}

fn has_address(net: &Net, prefix: &str) -> bool {
    let addresses = net.text("a", "ip -6 addr show dev eth0");
    addresses.contains(prefix.trim_end_matches(':'))
}

#[test]
fn a_prepared_place_is_used_before_a_router_has_spoken() {
    let net = Net::new("led");
    let mut led = Led::start(&net);
    led.prepare(2, D);
    let plan = led.plan();
    assert_eq!(plan["locators"], json!([format!("{D}/64")]));
    assert_eq!(plan["switched"], false);
    wait_for("the address", || has_address(&net, D));
    led.wait_preferred(A);
    session(&net, "a");
    led.order("switch", 2);
    led.wait_preferred(D);
    assert_eq!(led.plan()["switched"], true);

    // Nobody answers a solicitation there, and the session goes on all the same.
    net.silence();
    net.change_site("a", A, D);
    led.arrive(2, D);
    led.wait_preferred(D);
    session(&net, "a");
    assert!(led.plan().is_null());
    net.advertise_again();
    wait_for("the router's word is taken", || {
        let routes = net.text("a", "ip -6 route show default");
        routes.contains("proto ra") && !routes.contains("65535")
    });
    session(&net, "a");
    assert!(led.host.end(Signal::SIGTERM));
    net.assert_clean("a");
}

#[test]
fn a_prepared_move_that_does_not_happen_leaves_all_as_it_was() {
    let net = Net::new("off");
    let mut led = Led::start(&net);
    led.prepare(2, D);
    led.order("cancel", 2);
    assert!(led.plan().is_null());
    wait_for("no address", || !has_address(&net, D));
    led.wait_preferred(A);
    session(&net, "a");

    // The correspondent sends to the other site already.
    led.prepare(3, D);
    led.order("switch", 3);
    led.wait_preferred(D);
    led.order("cancel", 3);
    led.wait_preferred(A);
    wait_for("no address", || !has_address(&net, D));
    session(&net, "a");

    // Killed in between: the next daemon knows nothing of it.
    led.prepare(4, E);
    led.order("switch", 4);
    led.wait_preferred(E);
    let Led { host, .. } = led;
    assert!(!host.end(Signal::SIGKILL));
    let mut a = net.daemon("a");
    a.wait_ready();
    wait_for("no address", || !has_address(&net, E));
    let routes = net.text("a", "ip -6 route show default");
    assert!(!routes.contains("65535"), "{routes}");
    session(&net, "a");
    assert!(a.end(Signal::SIGTERM));
    net.assert_clean("a");
}

#[test]
fn an_agent_that_was_gone_goes_on_where_it_was() {
    let net = Net::new("back");
    let mut led = Led::start(&net);
    led.prepare(2, D);
    led.agent.go();
    session(&net, "a");
    led.agent.meet();
    // What it was told before is in force.
    led.order("switch", 2);
    led.wait_preferred(D);
    led.agent.go();
    led.agent.meet();
    led.order("cancel", 2);
    led.wait_preferred(A);
    session(&net, "a");
    // Nor is it needed: a plan that it leaves behind is one like any other.
    led.prepare(3, D);
    led.agent.go();
    led.agent.meet();
    led.prepare(4, E);
    wait_for("the new plan alone", || {
        has_address(&net, E) && !has_address(&net, D)
    });
    // Who gives a later move up has given this one up, too.
    let answer = led.agent.ask(json!({"cancel": {"epoch": 5}}));
    assert!(answer["done"].is_object(), "{answer}");
    assert!(led.plan().is_null());
    wait_for("no address", || !has_address(&net, E));
    session(&net, "a");
}
