//! The servers of others copy the zone, and follow its changes.

use std::time::{Duration, Instant};

use tests::dns::{compose, exchange, rcode, rtype};
use tests::name_servers::tools::await_answer;
use tests::name_servers::{NameServer, Role, Setup, Software, fresh_address};

use crate::fixture::{Fixture, HOST, TEXT, TRANSFER, ZONE};

const LIMIT: Duration = Duration::from_secs(10);

fn copy(software: Software, fixture: &Fixture, address: std::net::SocketAddr) -> NameServer {
    let role = Role::Secondary {
        primary: fixture.address(),
        key: Some(TRANSFER.to_owned()),
    };
    let setup = Setup::at(address).key(fixture.server.key(TRANSFER));
    software.start(&setup.zone(ZONE, role)).unwrap()
}

#[test]
fn secondaries_follow_every_change() {
    let kinds = [Software::Bind, Software::Nsd, Software::Knot];
    let addresses = kinds.map(|_| fresh_address());
    let fixture = Fixture::start_notifying(TEXT, &addresses);
    let copies = std::iter::zip(kinds, addresses);
    let copies: Vec<_> = copies
        .map(|(kind, address)| copy(kind, &fixture, address))
        .collect();
    for copy in &copies {
        await_answer(copy, HOST, "L64", &["10 2001:db8:a:0"], LIMIT)
            .unwrap_or_else(|error| panic!("{error}\n{}", copy.log_end()));
    }
    for step in 1..=20 {
        assert_eq!(
            fixture.move_host(0x2001_0db8_0000_0000 + (step << 16)),
            rcode::NOERROR
        );
        let wanted = format!("10 2001:db8:{step:x}:0");
        await_answer(&copies[0], HOST, "L64", &[&wanted], LIMIT)
            .unwrap_or_else(|error| panic!("{error}\n{}", copies[0].log_end()));
    }
    for copy in &copies {
        await_answer(copy, HOST, "L64", &["10 2001:db8:14:0"], LIMIT)
            .unwrap_or_else(|error| panic!("{error}\n{}", copy.log_end()));
        // Everything else came along.
        let name = format!("vm3.{ZONE}");
        await_answer(copy, &name, "LP", &["10 site.example.org."], LIMIT).unwrap();
    }
}

#[test]
fn a_secondary_that_was_away_catches_up() {
    let address = fresh_address();
    let fixture = Fixture::start_notifying(TEXT, &[address]);
    let mut copy = copy(Software::Bind, &fixture, address);
    await_answer(&copy, HOST, "L64", &["10 2001:db8:a:0"], LIMIT).unwrap();
    copy.stop().unwrap();
    for step in 1..=5 {
        assert_eq!(
            fixture.move_host(0x2001_0db8_0000_0000 + (step << 16)),
            rcode::NOERROR
        );
    }
    copy.start_again().unwrap();
    await_answer(&copy, HOST, "L64", &["10 2001:db8:5:0"], LIMIT)
        .unwrap_or_else(|error| panic!("{error}\n{}", copy.log_end()));
}

#[test]
fn a_bind_secondary_shows_a_move_at_once() {
    let address = fresh_address();
    let fixture = Fixture::start_notifying(TEXT, &[address]);
    let copy = copy(Software::Bind, &fixture, address);
    await_answer(&copy, HOST, "L64", &["10 2001:db8:a:0"], LIMIT).unwrap();
    let mut times = vec![];
    for step in 1..=15 {
        let start = Instant::now();
        assert_eq!(fixture.move_host(step), rcode::NOERROR);
        let wanted = compose::preferred(10, step);
        let question = compose::query(6, HOST, rtype::L64);
        exchange::until(copy.address(), &question, LIMIT, |answer| {
            answer.data(rtype::L64) == [wanted.as_slice()]
        })
        .unwrap();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    // The bench has the figure; this says that nothing waits for a timer.
    assert!(times[7] < Duration::from_millis(300), "{times:?}");
}

#[test]
fn a_large_zone_is_transferred_whole() {
    const HOSTS: u32 = 20_000;
    let mut text = TEXT.to_owned();
    for number in 0..HOSTS {
        text.push_str(&format!("h{number} NID 10 0214:4fff:0000:{number:04x}\n"));
        text.push_str(&format!("h{number} L64 10 2001:0db8:0000:{number:04x}\n"));
    }
    let address = fresh_address();
    let fixture = Fixture::start_notifying(&text, &[address]);
    let records = fixture.records();
    let count = TEXT.lines().count() - 1 + 2 * usize::try_from(HOSTS).unwrap();
    assert_eq!(records.len(), count);

    let copy = copy(Software::Bind, &fixture, address);
    let last = format!("h{}.{ZONE}", HOSTS - 1);
    await_answer(&copy, &last, "L64", &["10 2001:db8:0:4e1f"], LIMIT)
        .unwrap_or_else(|error| panic!("{error}\n{}", copy.log_end()));
}
