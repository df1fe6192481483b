//! In simulated time.

use ilnp_core::id::{Locator, Preference};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::key::{Algorithm, TsigKey};
use crate::message::{Opcode, Rcode};
use crate::record::{Class, Record, RecordType};
use crate::tsig::AnswerError;

const SECOND: Duration = Duration::from_secs(1);

fn publication() -> Publication {
    let secret = Zeroizing::new(vec![1]);
    let name: Name = "vm1.example.org.".parse().unwrap();
    Publication {
        name: name.clone(),
        zone: Some("example.org.".parse().unwrap()),
        primaries: vec![],
        key: Arc::new(TsigKey::new(name, Algorithm::HmacSha256, secret)),
        ttl: 5,
        nid_ttl: 3600,
        lp: vec![],
    }
}

fn primary() -> Primary {
    Primary::new(Arc::new(publication()), 1)
}

fn host(locators: &[&str]) -> Whereabouts {
    let locators = locators.iter().map(|text| text.parse::<Locator>().unwrap());
    let nid = "0214:4fff:fe20:ee64".parse().unwrap();
    Whereabouts::new(nid, locators.map(|locator| (locator, Preference(10))))
}

fn first() -> Whereabouts {
    host(&["2001:db8:a::/64"])
}

fn second() -> Whereabouts {
    host(&["2001:db8:b::/64"])
}

fn answer(opcode: Opcode, rcode: Rcode) -> Message {
    Message {
        response: true,
        authoritative: true,
        rcode,
        ..Message::request(0, opcode)
    }
}

fn done() -> Result<Message, Problem> {
    Ok(answer(Opcode::UPDATE, Rcode::NOERROR))
}

fn silence() -> Result<Message, Problem> {
    Err(Problem::Unreachable("no answer".into()))
}

/// The AAAA record that a due update publishes.
#[track_caller]
fn updated(primary: &mut Primary, now: Instant) -> Vec<u8> {
    match primary.next(now) {
        Step::Update(update, _patience) => {
            let mut records = update.authorities.iter();
            let found = records.find(|one| one.rtype == RecordType::AAAA && one.ttl == 5);
            found.unwrap().rdata[..8].to_vec()
        }
        other => panic!("no update but {other:?}"),
    }
}

fn octets(host: &Whereabouts) -> Vec<u8> {
    host.locators().next().unwrap().0.octets().to_vec()
}

#[test]
fn nothing_is_sent_before_there_is_something_to_publish() {
    let mut primary = primary();
    assert_eq!(primary.next(Instant::now()), Step::Wait(None));
    assert!(primary.trying().is_none() && primary.confirmed().is_none());
}

#[test]
fn a_set_is_published_once() {
    let now = Instant::now();
    let mut primary = primary();
    primary.want(first(), now);
    assert_eq!(primary.trying().unwrap().since, now);
    assert_eq!(updated(&mut primary, now), octets(&first()));
    assert_eq!(primary.next(now), Step::Wait(None), "its answer is awaited");
    primary.answered(done(), now + SECOND);
    let confirmed = primary.confirmed().unwrap();
    assert_eq!((&confirmed.host, confirmed.since), (&first(), now + SECOND));
    assert!(primary.trying().is_none());
    assert_eq!(primary.next(now + 1000 * SECOND), Step::Wait(None));
}

#[test]
fn a_try_that_is_not_answered_is_repeated_ever_more_slowly() {
    let start = Instant::now();
    let mut primary = primary();
    primary.want(first(), start);
    let mut now = start;
    let mut pauses = Vec::new();
    for failures in 1..12 {
        let Step::Update(_update, patience) = primary.next(now) else {
            panic!("no update");
        };
        assert!(patience <= 4 * SECOND);
        now += patience;
        primary.answered(silence(), now);
        assert_eq!(primary.trying().unwrap().failures, failures);
        let Step::Wait(Some(at)) = primary.next(now) else {
            panic!("no pause");
        };
        pauses.push(at - now);
        now = at;
    }
    assert!(pauses[0] <= SECOND / 10 && pauses[0] >= SECOND / 14);
    assert!(pauses[10] <= 10 * SECOND && pauses[10] >= 7 * SECOND);
    assert_eq!(primary.trying().unwrap().since, start);
    assert_eq!(updated(&mut primary, now), octets(&first()));
    primary.answered(done(), now);
    assert!(primary.trying().is_none());
}

#[test]
fn a_new_set_does_not_wait_for_the_pause_of_the_old() {
    let now = Instant::now();
    let mut primary = primary();
    primary.want(first(), now);
    for _ in 0..8 {
        if let Step::Wait(Some(at)) = primary.next(now) {
            primary.next(at);
        }
        primary.answered(silence(), now);
    }
    primary.want(second(), now);
    assert_eq!(updated(&mut primary, now), octets(&second()));
    assert_eq!(primary.trying().unwrap().failures, 0);
}

#[test]
fn what_may_be_overtaken_is_sent_once_more() {
    let now = Instant::now();
    let mut primary = primary();
    primary.want(first(), now);
    updated(&mut primary, now);
    primary.want(second(), now + SECOND);
    assert_eq!(updated(&mut primary, now + SECOND), octets(&second()));
    primary.answered(done(), now + SECOND);
    assert_eq!(primary.confirmed().unwrap().host, second());

    assert_eq!(primary.next(now + SECOND), Step::Wait(Some(now + SETTLE)));
    assert_eq!(updated(&mut primary, now + SETTLE), octets(&second()));
    primary.answered(done(), now + SETTLE);
    assert_eq!(primary.next(now + SETTLE), Step::Wait(None));
    assert_eq!(
        primary.confirmed().unwrap().since,
        now + SECOND,
        "confirmed since the first time"
    );
}

#[test]
fn what_was_lost_long_ago_is_not_feared() {
    let now = Instant::now();
    let mut primary = primary();
    primary.want(first(), now);
    updated(&mut primary, now);
    primary.answered(silence(), now);
    primary.want(second(), now + SETTLE);
    updated(&mut primary, now + SETTLE);
    primary.answered(done(), now + SETTLE);
    assert_eq!(primary.next(now + SETTLE), Step::Wait(None));
}

#[test]
fn mistakes_of_people_are_told_apart_and_tried_slowly() {
    let clock = AnswerError::Clock {
        theirs: 1,
        ours: 4000,
    };
    let key = AnswerError::UnknownKey("k.".into());
    for (result, kind) in [
        (Err(Problem::WrongClock(clock)), "wrong-clock"),
        (Err(Problem::WrongKey(key)), "wrong-key"),
        (Ok(answer(Opcode::UPDATE, Rcode::REFUSED)), "refused"),
        (Ok(answer(Opcode::UPDATE, Rcode::NOTAUTH)), "not-served"),
        (Ok(answer(Opcode::UPDATE, Rcode::NOTZONE)), "not-served"),
        (Ok(answer(Opcode::UPDATE, Rcode::NOTIMP)), "rcode"),
    ] {
        let now = Instant::now();
        let mut primary = primary();
        primary.want(first(), now);
        updated(&mut primary, now);
        primary.answered(result, now);
        let problem = primary.trying().unwrap().problem.clone().unwrap();
        assert_eq!(problem.kind(), kind);
        let Step::Wait(Some(at)) = primary.next(now) else {
            panic!("no pause after {kind}");
        };
        assert!(at - now > 3 * SECOND, "{kind}");
    }
}

#[test]
fn a_server_that_fails_is_tried_again_soon() {
    let now = Instant::now();
    let mut primary = primary();
    primary.want(first(), now);
    updated(&mut primary, now);
    primary.answered(Ok(answer(Opcode::UPDATE, Rcode::SERVFAIL)), now);
    assert!(matches!(primary.next(now), Step::Wait(Some(at)) if at - now < SECOND));
}

fn unknown_zone() -> Primary {
    let publication = Publication {
        zone: None,
        ..publication()
    };
    Primary::new(Arc::new(publication), 1)
}

fn record(name: &str, rtype: RecordType) -> Record {
    Record {
        name: name.parse().unwrap(),
        rtype,
        class: Class::IN,
        ttl: 5,
        rdata: vec![0].into(),
    }
}

#[test]
fn the_zone_is_asked_for_when_it_is_not_known() {
    for (rcode, owner) in [(Rcode::NOERROR, "Example.org."), (Rcode::NXDOMAIN, "org.")] {
        let now = Instant::now();
        let mut primary = unknown_zone();
        primary.want(first(), now);
        let Step::Query(query, _patience) = primary.next(now) else {
            panic!("no query");
        };
        assert_eq!(query.questions[0].rtype, RecordType::SOA);
        assert!(!query.recursion_desired);
        let mut found = answer(Opcode::QUERY, rcode);
        found.authorities = vec![
            record("x.example.net.", RecordType::SOA),
            record(owner, RecordType::SOA),
        ];
        primary.answered(Ok(found), now);
        assert_eq!(primary.zone(), Some(&owner.parse().unwrap()));
        updated(&mut primary, now);

        // The server lost the zone: it is asked for again.
        primary.answered(Ok(answer(Opcode::UPDATE, Rcode::NOTZONE)), now);
        assert_eq!(primary.zone(), None);
        assert!(matches!(primary.next(now + 60 * SECOND), Step::Query(..)));
    }
}

#[test]
fn a_server_without_the_zone_and_an_alias_are_told() {
    let soa = || record("example.org.", RecordType::SOA);
    let alias = record("vm1.example.org.", RecordType::CNAME);
    let authority = |authoritative, answers, authorities| Message {
        authoritative,
        answers,
        authorities,
        ..answer(Opcode::QUERY, Rcode::NOERROR)
    };
    for (answer, kind) in [
        (authority(false, vec![], vec![soa()]), "not-served"),
        (authority(true, vec![], vec![]), "not-served"),
        (authority(true, vec![alias], vec![soa()]), "alias"),
        (answer(Opcode::QUERY, Rcode::REFUSED), "not-served"),
        (answer(Opcode::QUERY, Rcode::SERVFAIL), "server-failure"),
        (answer(Opcode::QUERY, Rcode::FORMERR), "rcode"),
    ] {
        let now = Instant::now();
        let mut primary = unknown_zone();
        primary.want(first(), now);
        primary.next(now);
        primary.answered(Ok(answer), now);
        let problem = primary.trying().unwrap().problem.clone().unwrap();
        assert_eq!(problem.kind(), kind, "{problem}");
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    AnswerLost,
    Lost,
    /// It arrives so much later, its answer is lost.
    Late(u64),
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Answered),
        Just(Fate::AnswerLost),
        Just(Fate::Lost),
        (1_u64..4500).prop_map(Fate::Late),
    ]
}

/// A primary server behind a bad network.
struct Network {
    primary: Primary,
    fates: std::vec::IntoIter<Fate>,
    now: Instant,
    /// Updates that are on their way.
    late: Vec<(Instant, Vec<u8>)>,
    /// What the server has.
    server: Vec<u8>,
    /// When the request that is under way is given up.
    given_up: Option<Instant>,
}

impl Network {
    fn run_until(&mut self, end: Instant) {
        while self.now < end {
            let next = match self.primary.next(self.now) {
                Step::Update(update, patience) => self.send(&update, patience),
                Step::Query(..) => panic!("the zone is known"),
                Step::Wait(at) => at,
            };
            let next = [next, self.given_up]
                .into_iter()
                .flatten()
                .fold(end, Instant::min);
            self.now = next.max(self.now);
            self.arrive();
            if self.given_up.take_if(|at| *at <= next).is_some() {
                self.primary.answered(silence(), next);
            }
        }
    }

    fn want(&mut self, host: Whereabouts) {
        self.given_up = None;
        self.primary.want(host, self.now);
    }

    fn send(&mut self, update: &Message, patience: Duration) -> Option<Instant> {
        let mut records = update.authorities.iter();
        let aaaa = records.rfind(|one| one.rtype == RecordType::AAAA);
        let own = aaaa.unwrap().rdata[..8].to_vec();
        self.given_up = Some(self.now + patience);
        match self.fates.next().unwrap_or(Fate::Answered) {
            Fate::Answered => {
                self.server = own;
                self.given_up = None;
                self.primary.answered(done(), self.now);
                return Some(self.now);
            }
            Fate::AnswerLost => self.server = own,
            Fate::Lost => {}
            Fate::Late(millis) => self
                .late
                .push((self.now + Duration::from_millis(millis), own)),
        }
        None
    }

    fn arrive(&mut self) {
        self.late.sort();
        while self.late.first().is_some_and(|(at, _)| *at <= self.now) {
            self.server = self.late.remove(0).1;
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_or_late_the_newest_set_wins(
        fates in prop::collection::vec(any_fate(), 1..40),
        moves in prop::collection::vec(0_u64..5000, 1..6),
    ) {
        let mut network = Network {
            primary: primary(),
            fates: fates.into_iter(),
            now: Instant::now(),
            late: vec![],
            server: vec![],
            given_up: None,
        };
        let mut wanted = first();
        for (index, millis) in moves.into_iter().enumerate() {
            wanted = host(&[&format!("2001:db8:{index:x}::/64")]);
            network.want(wanted.clone());
            network.run_until(network.now + Duration::from_millis(millis));
        }
        network.run_until(network.now + 1000 * SECOND);
        prop_assert_eq!(network.server, octets(&wanted));
        prop_assert_eq!(&network.primary.confirmed().unwrap().host, &wanted);
        prop_assert!(network.primary.trying().is_none());
    }
}
