//! Readers of records that are replaced again and again.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::ensure;

use crate::dns::answer::Answer;
use crate::dns::exchange::socket;
use crate::dns::tsig::Signer;
use crate::dns::{compose, rcode, rtype};
use crate::name_servers::Key;

/// Updates and questions in flight.
const WRITING: u32 = 16;
const READING: u32 = 4;

/// What the readers saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Answers.
    pub answers: u32,
    /// Answers that were not the two records of one update.
    pub torn: u32,
}

/// Replaces both Locators of a host `updates` times, and asks for them all the time.
///
/// # Errors
/// When an update is not answered with NOERROR, or a query not at all.
pub fn watch(server: SocketAddr, zone: &str, host: &Key, updates: u32) -> anyhow::Result<Seen> {
    update(server, zone, host, 0..1)?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| read(server, &host.name, &ended));
        let updated = update(server, zone, host, 1..updates);
        ended.store(true, Ordering::Relaxed);
        let read = reading.join().expect("the reader does not panic");
        updated.and(read)
    })
}

/// The data of the two records of an update.
fn pair(number: u32) -> [Vec<u8>; 2] {
    let number = u64::from(number);
    [1, 2].map(|half| compose::preferred(10, half << 32 | number))
}

fn update(server: SocketAddr, zone: &str, host: &Key, numbers: Range<u32>) -> anyhow::Result<()> {
    let signer = Signer::new(host)?;
    let socket = socket(server)?;
    let mut in_flight = 0;
    let mut buffer = [0; 1500];
    let mut acknowledge = || {
        let length = socket.recv(&mut buffer)?;
        let code = Answer::read(&buffer[..length])?.rcode();
        ensure!(code == rcode::NOERROR, "an update got {code}");
        anyhow::Ok(())
    };
    for number in numbers {
        let [one, other] = pair(number);
        let changes = [
            compose::delete(&host.name, rtype::L64),
            compose::add(&host.name, rtype::L64, &one),
            compose::add(&host.name, rtype::L64, &other),
        ];
        let id = u16::try_from(number & 0xffff)?;
        let mut message = compose::update(id, zone, &[], &changes);
        signer.sign(&mut message);
        socket.send(&message)?;
        in_flight += 1;
        if in_flight == WRITING {
            acknowledge()?;
            in_flight -= 1;
        }
    }
    (0..in_flight).try_for_each(|_| acknowledge())
}

fn read(server: SocketAddr, host: &str, ended: &AtomicBool) -> anyhow::Result<Seen> {
    let socket = socket(server)?;
    let question = compose::query(7, host, rtype::L64);
    (0..READING).try_for_each(|_| socket.send(&question).map(drop))?;
    let mut buffer = [0; 1500];
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        let length = socket.recv(&mut buffer)?;
        let answer = Answer::read(&buffer[..length])?;
        seen.answers += 1;
        seen.torn += u32::from(!is_whole(&answer));
        socket.send(&question)?;
    }
    Ok(seen)
}

/// Whether an answer has the two records of one update.
fn is_whole(answer: &Answer) -> bool {
    let [one, other] = answer.data(rtype::L64)[..] else {
        return false;
    };
    let number = one.last_chunk().map(|octets| u32::from_be_bytes(*octets));
    number.is_some_and(|number| pair(number) == [one, other])
}
