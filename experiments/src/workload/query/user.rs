//! One user of the application: a connection, and one request after the other.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::http;
use crate::clock::Clock;
use crate::error::{Doing, LabError};
use crate::measure::flow::Arrival;
use crate::realtime::prefer_this_thread;
use crate::topology::Host;

/// How long the tiers may take for the first answer.
const START: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(200);

/// A user at work; it stops when this is dropped.
pub(super) struct User {
    number: u32,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What a user's thread works with, and others look at.
#[derive(Default)]
struct Shared {
    /// Asks no more.
    stopped: AtomicBool,
    /// Does not wait for an answer any more.
    ended: AtomicBool,
    asked: AtomicU64,
    answers: Mutex<Vec<Arrival>>,
    connection: Mutex<Option<TcpStream>>,
}

/// What a user saw.
pub(super) struct Seen {
    /// How many requests were sent.
    pub(super) asked: u64,
    /// The answers: the number of the row that the request became, and how long it took.
    pub(super) arrivals: Vec<Arrival>,
    /// Why the user gave up, when it did.
    pub(super) failure: Option<String>,
}

/// An answer, `ROW SESSION CONNECTION`: the row in the database, the process of the database and
/// the connection of the application by which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    row: u64,
    by: (u64, u64),
}

impl User {
    pub(super) fn start(
        from: &Host,
        number: u32,
        remote: SocketAddr,
        interval: Duration,
        clock: Clock,
    ) -> Result<Self, LabError> {
        let shared = Arc::new(Shared::default());
        let first = from
            .namespace()
            .inside(|| connect(remote, number))?
            .doing(|| format!("be user {number} of {remote} from {}", from.name()))?;
        let (stream, answer) = first;
        let copy = stream.try_clone().doing(|| "copy a socket".to_owned())?;
        *lock(&shared.connection) = Some(copy);
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("lab-user".to_owned())
            .spawn(move || own.work(stream, number, answer.by, interval, clock))
            .doing(|| "start a thread".to_owned())?;
        Ok(Self {
            number,
            shared,
            thread: Some(thread),
        })
    }

    /// Whether a request was answered.
    pub(super) fn is_served(&self) -> bool {
        !lock(&self.shared.answers).is_empty()
    }

    pub(super) fn stop_asking(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn finish(mut self) -> Seen {
        let failure = match self.end() {
            Some(Ok(Err(error))) => Some(format!("user {}: {error}", self.number)),
            Some(Err(_)) => Some(format!("the thread of user {} panicked", self.number)),
            Some(Ok(Ok(()))) | None => None,
        };
        Seen {
            asked: self.shared.asked.load(Ordering::Relaxed),
            arrivals: std::mem::take(&mut *lock(&self.shared.answers)),
            failure,
        }
    }

    fn end(&mut self) -> Option<std::thread::Result<io::Result<()>>> {
        self.stop_asking();
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(connection) = &*lock(&self.shared.connection) {
            // It may be closed already, by an error.
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // What its thread says is of interest to nobody any more.
        let _ = self.end();
    }
}

impl Shared {
    /// Asks until it is to stop, or the connection or one behind it is not what it was.
    fn work(
        &self,
        stream: TcpStream,
        user: u32,
        by: (u64, u64),
        interval: Duration,
        clock: Clock,
    ) -> io::Result<()> {
        prefer_this_thread();
        let mut input = BufReader::new(stream);
        let mut due = Instant::now();
        // The first number was used up by connecting.
        for number in 1.. {
            sleep(due.saturating_duration_since(Instant::now()));
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            // Whoever waited long for an answer does not make up for it.
            due = due.max(Instant::now()) + interval;
            let begin = clock.now();
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = match ask(&mut input, user, number) {
                Err(_) if self.ended.load(Ordering::Relaxed) => break,
                answer => answer?,
            };
            let at = clock.now();
            lock(&self.answers).push(Arrival {
                at,
                number: answer.row,
                delay: Some(at.saturating_sub(begin)),
            });
            if answer.by != by {
                return Err(io::Error::other(
                    "a connection between the tiers was opened anew",
                ));
            }
        }
        Ok(())
    }
}

/// Opens a connection on which a request is answered.
fn connect(remote: SocketAddr, user: u32) -> io::Result<(TcpStream, Answer)> {
    let end = Instant::now() + START;
    loop {
        let attempt = TcpStream::connect_timeout(&remote, START).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(START))?;
            let mut input = BufReader::new(stream);
            let answer = ask(&mut input, user, 0)?;
            let stream = input.into_inner();
            stream.set_read_timeout(None)?;
            Ok((stream, answer))
        });
        match attempt {
            Err(_) if Instant::now() < end => sleep(RETRY),
            attempt => return attempt,
        }
    }
}

/// Sends a request and waits for its answer.
fn ask(input: &mut BufReader<TcpStream>, user: u32, number: u32) -> io::Result<Answer> {
    let request = http::request(&format!("/{user}/{number}"));
    input.get_mut().write_all(request.as_bytes())?;
    let message = http::read(input)?;
    let message =
        message.ok_or_else(|| io::Error::other("the web server closed the connection"))?;
    let body = message.body.trim();
    if !message.first.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("{}: {body}", message.first)));
    }
    parse(body).ok_or_else(|| io::Error::other(format!("the answer {body:?} is none")))
}

fn parse(body: &str) -> Option<Answer> {
    let mut words = body.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some(Answer {
        row: next()?,
        by: (next()?, next()?),
    })
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use std::net::TcpListener;

    #[test]
    fn answers_say_how_they_came() {
        let expected = Answer {
            row: 17,
            by: (304, 2),
        };
        assert_eq!(parse("17 304 2"), Some(expected));
        for body in ["", "17 304", "17 304 x"] {
            assert_eq!(parse(body), None, "{body}");
        }
    }

    /// What a user that is connected makes of an answer to its next request.
    fn after(answer: String) -> io::Result<()> {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let remote = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in [http::answer("200 OK", "1 30 2"), answer] {
                while !lines.next().unwrap().unwrap().is_empty() {}
                stream.write_all(answer.as_bytes()).unwrap();
            }
            // Closed while a request is unread, the connection would be reset.
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
        });
        let (stream, first) = connect(remote, 3).unwrap();
        let (shared, clock) = (Shared::default(), Clock::start());
        let result = shared.work(stream, 3, first.by, Duration::from_millis(1), clock);
        server.join().unwrap();
        result
    }

    #[test]
    fn users_notice_what_is_wrong() {
        let reasons = [
            (http::answer("200 OK", "2 31 2"), "opened anew"),
            (http::answer("200 OK", "2 30 3"), "opened anew"),
            (http::answer("502 Bad Gateway", ""), "502 Bad Gateway"),
            (http::answer("200 OK", "2 30 2"), "closed"),
        ];
        for (answer, reason) in reasons {
            let error = after(answer).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }
}
