//! The plans, carried out on a model of a host that can be cut off after any step.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::InstallError;
use super::observe::{Observed, ResolvConf, Resolvconf, Resolved};
use super::plan::{self, Install, Step, Way};
use super::record::{Original, Record, Text};
use super::resolv_conf;

const PROVIDER: &str = "search example.org\nnameserver 2001:db8::53\noptions edns0\n";

/// A host as far as it is looked at and changed.
#[derive(Clone, Debug)]
struct Host {
    observed: Observed,
    /// What is at the end of the link, where there is one.
    behind: Option<Vec<u8>>,
    record: Option<Record>,
}

fn listen() -> Vec<SocketAddr> {
    vec!["[::1]:53".parse().unwrap()]
}

fn file(text: &str) -> Original {
    Original::File {
        text: Text(text.into()),
        mode: 0o644,
    }
}

impl Host {
    fn with(original: Original, behind: Option<&str>) -> Self {
        let mut host = Self {
            observed: Observed {
                resolv_conf: ResolvConf {
                    itself: Original::Missing,
                    text: Vec::new(),
                    leads_to: None,
                },
                resolved: None,
                resolvconf: None,
            },
            behind: behind.map(Into::into),
            record: None,
        };
        host.put(original);
        host
    }

    /// The three things that can be at `/etc/resolv.conf`.
    fn kinds() -> [Self; 3] {
        [
            Self::with(file(PROVIDER), None),
            Self::with(Original::Missing, None),
            Self::with(Original::Link("/run/made.conf".into()), Some(PROVIDER)),
        ]
    }

    fn of_resolved() -> Self {
        let link = PathBuf::from("../run/systemd/resolve/stub-resolv.conf");
        let mut host = Self::with(Original::Link(link), Some("nameserver 127.0.0.53\n"));
        host.observed.resolv_conf.leads_to = Some("/run/systemd/resolve/stub-resolv.conf".into());
        host.observed.resolved = Some(Resolved {
            uplinks: b"nameserver 2001:db8::53\nnameserver ::1\nsearch example.org .\n".to_vec(),
            on_interface: Vec::new(),
        });
        host
    }

    fn put(&mut self, original: Original) {
        let text = match &original {
            Original::Missing => Vec::new(),
            Original::Link(_) => self.behind.clone().unwrap_or_default(),
            Original::File { text, .. } => text.0.clone(),
        };
        self.observed.resolv_conf.itself = original;
        self.observed.resolv_conf.text = text;
    }

    /// Somebody else writes the file.
    fn rewrite(&mut self, text: &[u8]) {
        self.put(Original::File {
            text: Text(text.to_vec()),
            mode: 0o644,
        });
    }

    fn itself(&self) -> &Original {
        &self.observed.resolv_conf.itself
    }

    fn way(&self, install: Install) -> Result<Option<Way>, InstallError> {
        plan::way(install, &self.observed, self.record.as_ref())
    }

    fn plan(&self) -> Result<Vec<Step>, InstallError> {
        let way = self.way(Install::Auto)?.unwrap();
        let server = plan::server(&listen(), way)?;
        let behind = self.behind_ours();
        plan::install(
            way,
            server,
            "ilnp0",
            &self.observed,
            self.record.as_ref(),
            behind,
        )
    }

    /// What is behind the link that was replaced.
    fn behind_ours(&self) -> Option<&[u8]> {
        match self.record {
            Some(Record::ResolvConf {
                original: Original::Link(_),
                ..
            }) => self.behind.as_deref(),
            _ => None,
        }
    }

    fn take(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Remember(record) => self.record = Some(record.clone()),
                Step::Forget => self.record = None,
                Step::Put(original) => self.put(original.clone()),
                other => panic!("no program runs for /etc/resolv.conf: {other:?}"),
            }
        }
    }

    fn install(&mut self) {
        let steps = self.plan().unwrap();
        self.take(&steps);
    }

    fn undo_plan(&self) -> Vec<Step> {
        self.record.as_ref().map_or_else(Vec::new, |record| {
            plan::undo(record, &self.observed.resolv_conf)
        })
    }

    fn undo(&mut self) {
        let steps = self.undo_plan();
        self.take(&steps);
    }

    fn asks_us(&self) -> bool {
        let server = "::1".parse().unwrap();
        resolv_conf::names_only(&self.observed.resolv_conf.text, server)
    }

    fn upstreams(&self) -> Vec<String> {
        let way = self.way(Install::Auto).unwrap();
        let behind = self.behind_ours();
        let record = self.record.as_ref();
        plan::upstreams(way, &listen(), &self.observed, record, behind)
            .iter()
            .map(|server| server.address.to_string())
            .collect()
    }
}

#[test]
fn what_was_there_comes_back() {
    for before in Host::kinds() {
        let mut host = before.clone();
        host.install();
        assert!(host.asks_us(), "{host:?}");
        assert!(host.plan().unwrap().is_empty(), "done once, it is done");
        host.undo();
        assert_eq!(host.itself(), before.itself());
        assert_eq!(host.record, None);
    }
}

#[test]
fn a_crash_between_any_two_steps_is_undone() {
    for before in Host::kinds() {
        let steps = before.plan().unwrap();
        for done in 0..=steps.len() {
            let mut host = before.clone();
            host.take(&steps[..done]);
            // The run that undoes can crash as well.
            for undone in 0..=host.undo_plan().len() {
                let mut host = host.clone();
                let undo = host.undo_plan();
                host.take(&undo[..undone]);
                host.undo();
                assert_eq!(host.itself(), before.itself(), "{done} {undone}");
                assert_eq!(host.record, None);
            }
        }
    }
}

#[test]
fn a_file_that_a_crash_cut_short_is_put_back() {
    let before = Host::with(file(PROVIDER), None);
    let mut host = before.clone();
    host.install();
    let ours = host.observed.resolv_conf.text.clone();
    for text in [&ours[..], PROVIDER.as_bytes()] {
        for length in 0..text.len() {
            let mut host = host.clone();
            host.rewrite(&text[..length]);
            host.undo();
            assert_eq!(host.itself(), before.itself(), "{length} octets");
        }
    }
}

#[test]
fn a_foreign_file_stays() {
    for before in Host::kinds() {
        let mut host = before.clone();
        host.install();
        host.rewrite(b"nameserver 192.0.2.99\n");
        host.undo();
        assert_eq!(*host.itself(), file("nameserver 192.0.2.99\n"));
        assert_eq!(host.record, None);
    }
}

#[test]
fn a_foreign_link_stays_whatever_it_leads_to() {
    let mut host = Host::with(file(PROVIDER), None);
    host.install();
    host.behind = Some(PROVIDER.into());
    host.put(Original::Link("/run/other.conf".into()));
    host.undo();
    assert_eq!(*host.itself(), Original::Link("/run/other.conf".into()));
}

#[test]
fn an_editor_keeps_his_lines_and_gets_the_servers_back() {
    let mut host = Host::with(file(PROVIDER), None);
    host.install();
    let mut text = host.observed.resolv_conf.text.clone();
    text.extend_from_slice(b"options ndots:2\n");
    host.rewrite(&text);
    assert!(host.plan().unwrap().is_empty(), "it still asks us");
    host.undo();
    assert_eq!(
        *host.itself(),
        file("nameserver 2001:db8::53\nsearch example.org\noptions edns0\noptions ndots:2\n")
    );
}

#[test]
fn an_edited_file_in_the_place_of_a_link_gives_way_to_the_link() {
    let [.., before] = Host::kinds();
    let mut host = before.clone();
    host.install();
    let mut text = host.observed.resolv_conf.text.clone();
    text.extend_from_slice(b"options ndots:2\n");
    host.rewrite(&text);
    host.undo();
    assert_eq!(host.itself(), before.itself(), "nobody would answer at ::1");
}

#[test]
fn what_somebody_else_writes_is_the_original_from_then_on() {
    for mut host in Host::kinds() {
        host.install();
        host.rewrite(b"search b.example\nnameserver 2001:db8:b::53\n");
        host.install();
        assert!(host.asks_us());
        assert_eq!(host.upstreams(), ["2001:db8:b::53"]);
        host.undo();
        let text = "search b.example\nnameserver 2001:db8:b::53\n";
        assert_eq!(*host.itself(), file(text));
    }
}

#[test]
fn a_link_is_followed_while_it_is_replaced() {
    let [.., mut host] = Host::kinds();
    assert_eq!(host.upstreams(), ["2001:db8::53"]);
    host.install();
    assert_eq!(host.upstreams(), ["2001:db8::53"]);
    host.behind = Some(b"search b.example\nnameserver 2001:db8:b::53\n".to_vec());
    assert_eq!(host.upstreams(), ["2001:db8:b::53"]);
    host.install();
    let text = String::from_utf8(host.observed.resolv_conf.text.clone()).unwrap();
    assert!(text.contains("\nsearch b.example\n"), "{text}");
    assert!(host.plan().unwrap().is_empty());
    host.undo();
    assert_eq!(*host.itself(), Original::Link("/run/made.conf".into()));
}

#[test]
fn a_text_of_another_run_is_not_taken_for_an_original() {
    let mut host = Host::with(file(PROVIDER), None);
    host.install();
    host.record = None;
    assert!(matches!(host.plan(), Err(InstallError::Another)));
}

#[test]
fn the_stub_resolver_is_never_its_own_upstream() {
    let host = Host::with(file("nameserver ::1\nnameserver 192.0.2.53\n"), None);
    assert_eq!(host.upstreams(), ["192.0.2.53"]);
    assert_eq!(Host::of_resolved().upstreams(), ["2001:db8::53"]);
}

#[test]
fn systemd_resolved_behind_the_stub_resolver_is_not_asked() {
    // It takes ::1 out of a file that is not its own, and would ask who asks it.
    let mut host = Host::of_resolved();
    host.put(file("nameserver 127.0.0.53\nnameserver 192.0.2.7\n"));
    host.observed.resolv_conf.leads_to = None;
    assert_eq!(host.upstreams(), ["192.0.2.7", "2001:db8::53"]);
}

#[test]
fn a_file_that_names_systemd_resolved_is_as_good_as_its_link() {
    let mut host = Host::of_resolved();
    host.put(file("nameserver 127.0.0.53\n"));
    host.observed.resolv_conf.leads_to = None;
    assert_eq!(host.way(Install::Auto).unwrap(), Some(Way::Resolved));
}

#[test]
fn systemd_resolved_is_told_where_it_is_in_use() {
    let mut host = Host::of_resolved();
    let steps = host.plan().unwrap();
    let record = Record::Resolved {
        interface: "ilnp0".to_owned(),
    };
    assert_eq!(steps[0], Step::Remember(record.clone()));
    let said = |line: &str| {
        let words = line.split(' ').map(str::to_owned).collect();
        assert!(steps.contains(&Step::Resolvectl(words)), "{steps:?}");
    };
    said("dns ilnp0 ::1");
    said("domain ilnp0 ~.");
    host.observed.resolved.as_mut().unwrap().on_interface = vec!["::1".to_owned()];
    assert!(host.plan().unwrap().is_empty());
    let undo = plan::undo(&record, &host.observed.resolv_conf);
    let revert = vec!["revert".to_owned(), "ilnp0".to_owned()];
    assert_eq!(undo, [Step::ResolvectlIfThere(revert), Step::Forget]);
}

#[test]
fn search_domains_of_other_links_are_told() {
    let host = Host::of_resolved();
    let bypassed = |way| plan::bypassed(Some(way), &host.observed);
    assert_eq!(bypassed(Way::Resolved), ["example.org"]);
    assert!(bypassed(Way::ResolvConf).is_empty());
}

#[test]
fn systemd_resolved_that_does_not_answer_is_not_got_around() {
    let mut host = Host::of_resolved();
    host.observed.resolved = None;
    for install in [Install::Auto, Install::Resolved] {
        let way = host.way(install);
        assert!(matches!(way, Err(InstallError::NoResolved)), "{install:?}");
    }
    // The operator may decide otherwise, and the stub resolver then stands in front of it.
    assert_eq!(
        host.way(Install::ResolvConf).unwrap(),
        Some(Way::ResolvConf)
    );
}

#[test]
fn resolvconf_is_told_where_it_writes_the_file() {
    let [mut host, ..] = Host::kinds();
    host.observed.resolvconf = Some(Resolvconf {
        ours: None,
        others: b"nameserver 192.0.2.53\n".to_vec(),
    });
    assert_eq!(host.way(Install::Auto).unwrap(), Some(Way::Resolvconf));
    assert_eq!(host.upstreams(), ["192.0.2.53"]);
    let steps = host.plan().unwrap();
    assert_eq!(steps[0], Step::Remember(Record::Resolvconf));
    assert!(
        matches!(&steps[1], Step::Resolvconf(["-a", _], text) if text == "nameserver ::1\n"),
        "{steps:?}"
    );
    host.rewrite(b"nameserver ::1\n");
    assert!(host.plan().unwrap().is_empty());
    let undo = plan::undo(&Record::Resolvconf, &host.observed.resolv_conf);
    assert!(matches!(&undo[0], Step::Resolvconf(["-d", _], text) if text.is_empty()));
    assert_eq!(undo[1], Step::Forget);
}

#[test]
fn nothing_is_done_when_nothing_is_wanted() {
    for host in Host::kinds() {
        assert_eq!(host.way(Install::No).unwrap(), None);
    }
    let [host, ..] = Host::kinds();
    let upstreams = plan::upstreams(None, &listen(), &host.observed, None, None);
    assert_eq!(upstreams.len(), 1, "the file is read all the same");
}

#[test]
fn a_file_needs_port_53() {
    let listen: Vec<SocketAddr> = ["[::1]:5353", "[::]:53", "127.0.0.1:53"]
        .map(|address| address.parse().unwrap())
        .into();
    let server = |listen: &[SocketAddr], way| plan::server(listen, way).map(|at| at.to_string());
    assert_eq!(server(&listen, Way::ResolvConf).unwrap(), "[::1]:53");
    assert_eq!(server(&listen, Way::Resolved).unwrap(), "[::1]:5353");
    let error = server(&listen[..1], Way::ResolvConf).unwrap_err();
    assert!(error.to_string().contains("install = \"no\""), "{error}");
}
