use std::time::Instant;

use ilnp_core::relocation::{
    Empty, FromGuest, Instance, Line, Lines, Prepared, Refused, ToGuest, Told, encode,
};
use ilnp_core::relocation::{Step, Usable};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);

/// A guest's port, as a hypervisor shows it.
struct Port {
    directory: TempDir,
    listener: UnixListener,
}

/// Its end in the guest.
struct Daemon {
    stream: UnixStream,
    lines: Lines,
}

impl Port {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("port")).unwrap();
        Self {
            directory,
            listener,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("port")
    }

    async fn accept(&self) -> Daemon {
        let (stream, _) = tokio::time::timeout(LONG, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        Daemon {
            stream,
            lines: Lines::default(),
        }
    }
}

impl Daemon {
    async fn asked(&mut self) -> ToGuest {
        loop {
            let mut octet = [0];
            let read = self.stream.read_exact(&mut octet);
            tokio::time::timeout(LONG, read).await.unwrap().unwrap();
            if let Some(Line::Whole(line)) = self.lines.push(&octet).pop() {
                return ToGuest::parse(&line).unwrap();
            }
        }
    }

    async fn say(&mut self, line: &FromGuest) {
        self.stream.write_all(&encode(line).unwrap()).await.unwrap();
    }

    async fn answer(&mut self, id: u64, answer: Answer) {
        self.say(&FromGuest::Answer { id, answer }).await;
    }
}

fn prepare() -> Prepare {
    Prepare {
        epoch: 13,
        site: "b".into(),
        locators: vec!["2001:db8:b::/64".parse().unwrap()],
        router: "fe80::1".parse().unwrap(),
        router_mac: None,
    }
}

#[tokio::test]
async fn asks_and_hears_what_happens() {
    let port = Port::new();
    let (guest, mut events) = Guest::new(port.path(), LONG);
    let daemon = async {
        let mut daemon = port.accept().await;
        let ToGuest { id, request, .. } = daemon.asked().await;
        assert_eq!(request, Request::Prepare(prepare()));
        // Of the line before only the end is left, and somebody else gets another answer.
        daemon.stream.write_all(b"7,\"done\":{}}\n").await.unwrap();
        daemon.answer(1, Answer::Done(Empty {})).await;
        let prepared = Prepared { correspondents: 3 };
        daemon.answer(id, Answer::Prepared(prepared)).await;
        let told = Event::Told(Told {
            epoch: 13,
            step: Step::Prepare,
            correspondents: 3,
            acknowledged: 3,
        });
        daemon.say(&FromGuest::Event(told)).await;
        let ToGuest { id, request, .. } = daemon.asked().await;
        assert_eq!(request, Request::Switch(Epoch { epoch: 13 }));
        daemon.answer(id, Answer::Done(Empty {})).await;
        daemon
    };
    let agent = async {
        assert_eq!(guest.prepare(prepare(), LONG).await, Ok(3));
        assert!(matches!(events.recv().await, Some(Event::Told(_))));
        assert_eq!(guest.switch(13).await, Ok(()));
    };
    tokio::join!(daemon, agent);
}

#[tokio::test]
async fn a_refusal_says_why_and_a_strange_answer_that_it_is_one() {
    let port = Port::new();
    let (guest, _events) = Guest::new(port.path(), LONG);
    let daemon = async {
        let mut daemon = port.accept().await;
        let id = daemon.asked().await.id;
        let reason = "no interface of this host has a Locator".to_owned();
        daemon.answer(id, Answer::Error(Refused { reason })).await;
        let id = daemon.asked().await.id;
        daemon.answer(id, Answer::Done(Empty {})).await;
        daemon
    };
    let agent = async {
        let refused = guest.prepare(prepare(), LONG).await.unwrap_err();
        assert!(refused.to_string().contains("has a Locator"), "{refused}");
        let hello = Hello {
            site: "a".into(),
            epoch: 12,
            instance: Instance(7),
        };
        let strange = guest.hello(hello).await;
        assert_eq!(strange, Err(GuestError::Strange { request: "hello" }));
    };
    tokio::join!(daemon, agent);
}

#[tokio::test]
async fn a_guest_without_a_port_or_a_daemon_costs_a_bounded_time() {
    let port = Port::new();
    for path in [port.path(), port.directory.path().join("none")] {
        let (guest, _events) = Guest::new(path, SHORT);
        let start = Instant::now();
        let silent = guest.cancel(13).await.unwrap_err();
        assert!(matches!(silent, GuestError::Silent { .. }), "{silent}");
        assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_busy_guest_has_time_to_prepare_while_nothing_stands_still() {
    let port = Port::new();
    let (guest, _events) = Guest::new(port.path(), SHORT);
    let daemon = async {
        let mut daemon = port.accept().await;
        let id = daemon.asked().await.id;
        tokio::time::sleep(SHORT * 3).await;
        let prepared = Prepared { correspondents: 1 };
        daemon.answer(id, Answer::Prepared(prepared)).await;
        // Nothing else is waited for so long.
        daemon.asked().await;
        daemon
    };
    let agent = async {
        assert_eq!(guest.prepare(prepare(), LONG).await, Ok(1));
        let silent = guest.switch(13).await;
        assert!(matches!(
            silent,
            Err(GuestError::Silent {
                patience: SHORT,
                ..
            })
        ));
    };
    tokio::join!(daemon, agent);
}

#[tokio::test]
async fn what_is_given_up_costs_others_nothing() {
    let port = Port::new();
    let (guest, _events) = Guest::new(port.path(), SHORT);
    let daemon = async {
        let mut daemon = port.accept().await;
        let first = daemon.asked().await;
        let second = daemon.asked().await;
        assert!(matches!(first.request, Request::Cancel(_)));
        tokio::time::sleep(SHORT * 3).await;
        let prepared = Prepared { correspondents: 2 };
        daemon.answer(second.id, Answer::Prepared(prepared)).await;
        daemon
    };
    let agent = async {
        // A guest that is slow to hear of the end of one move is told of the next.
        let (given_up, prepared) = tokio::join!(guest.cancel(12), guest.prepare(prepare(), LONG));
        assert!(matches!(given_up, Err(GuestError::Silent { .. })));
        assert_eq!(prepared, Ok(2));
    };
    tokio::join!(daemon, agent);
}

#[tokio::test]
async fn what_was_given_up_is_not_asked_later() {
    let port = Port::new();
    let (guest, mut events) = Guest::new(port.path(), SHORT);
    guest.switch(13).await.unwrap_err();
    // What the hypervisor did not read ends with its connection.
    let mut old = port.accept().await;
    assert_eq!(
        old.asked().await.request,
        Request::Switch(Epoch { epoch: 13 })
    );
    let mut octet = [0];
    let read = old.stream.read(&mut octet);
    assert_eq!(tokio::time::timeout(LONG, read).await.unwrap().unwrap(), 0);
    let mut daemon = port.accept().await;
    let usable = Event::Usable(Usable {
        epoch: 13,
        after_ms: 2.5,
        locator: "2001:db8:b::/64".parse().unwrap(),
    });
    daemon.say(&FromGuest::Event(usable.clone())).await;
    assert_eq!(events.recv().await, Some(usable));
    let asking = guest.cancel(13);
    let answering = async {
        let ToGuest { id, request, .. } = daemon.asked().await;
        assert_eq!(request, Request::Cancel(Epoch { epoch: 13 }));
        daemon.answer(id, Answer::Done(Empty {})).await;
    };
    let (cancelled, ()) = tokio::join!(asking, answering);
    assert_eq!(cancelled, Ok(()));
}

#[tokio::test]
async fn a_flood_of_events_that_nobody_reads_keeps_no_answer_back() {
    let port = Port::new();
    let (guest, _events) = Guest::new(port.path(), LONG);
    let daemon = async {
        let mut daemon = port.accept().await;
        let id = daemon.asked().await.id;
        let told = Event::Told(Told {
            epoch: 13,
            step: Step::Cancel,
            correspondents: 1,
            acknowledged: 1,
        });
        for _ in 0..1000 {
            daemon.say(&FromGuest::Event(told.clone())).await;
        }
        daemon.answer(id, Answer::Done(Empty {})).await;
        daemon
    };
    let (daemon, done) = tokio::join!(daemon, guest.cancel(13));
    assert_eq!(done, Ok(()));
    drop(daemon);
}
