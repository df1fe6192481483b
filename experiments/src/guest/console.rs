//! The lab's own line into a guest: a port of the machine on which its first program does what it
//! is told. It needs no network, so it works wherever the guest is.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Doing, LabError};

/// The name of the port in the guest.
pub const PORT: &str = "org.ilnp.lab.0";

/// The most that a command may say.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;
const POLL: Duration = Duration::from_millis(20);

/// What a command in a guest came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit status of the shell.
    pub status: i32,
    /// What the command wrote, to either output.
    pub output: Vec<u8>,
}

/// The line into a guest, by the socket of the hypervisor that it is at.
#[derive(Debug)]
pub struct Console {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    /// The number of the last command.
    number: u64,
}

impl Console {
    /// Connects with a guest, which need not have come up yet.
    ///
    /// # Errors
    /// [`LabError::TimedOut`] when the hypervisor has no such socket within `limit`.
    pub fn connect(socket: &Path, limit: Duration) -> Result<Self, LabError> {
        let end = Instant::now() + limit;
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    return Ok(Self {
                        socket: socket.to_owned(),
                        stream: BufReader::new(stream),
                        number: 0,
                    });
                }
                Err(error) if Instant::now() > end => {
                    return Err(LabError::TimedOut {
                        what: format!("a way into a guest by {}", socket.display()),
                        seconds: limit.as_secs(),
                        hint: error.to_string(),
                    });
                }
                Err(_) => sleep(POLL),
            }
        }
    }

    /// Runs a command, one line for a shell, and waits for its end, at most `limit`. A guest that
    /// has not come up does it when it has.
    ///
    /// # Errors
    /// [`LabError::TimedOut`] when it does not end, [`LabError::Io`] when the hypervisor ends.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Answer, LabError> {
        self.number += 1;
        let end = Instant::now() + limit;
        match self.exchange(command, end) {
            Err(error) if is_timeout(&error) => Err(LabError::TimedOut {
                what: format!("`{command}` in the guest of {}", self.socket.display()),
                seconds: limit.as_secs(),
                hint: "see the log of its console".to_owned(),
            }),
            result => result.doing(|| format!("run `{command}` in a guest")),
        }
    }

    fn exchange(&mut self, command: &str, end: Instant) -> io::Result<Answer> {
        let stream = self.stream.get_ref();
        stream.set_write_timeout(Some(time_until(end)?))?;
        let line = format!("{} {}\n", self.number, command.replace('\n', " "));
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut line = Vec::new();
            self.read_line(&mut line, end)?;
            // What the guest answered to an earlier line that was given up may still come.
            let Some((number, status, length)) = head(&line) else {
                continue;
            };
            if length > LARGEST_ANSWER {
                return Err(io::Error::other(format!("an answer of {length} octets")));
            }
            let mut output = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.fill(&mut output, end)?;
            if number == self.number {
                return Ok(Answer { status, output });
            }
        }
    }

    fn read_line(&mut self, line: &mut Vec<u8>, end: Instant) -> io::Result<()> {
        loop {
            self.stream
                .get_ref()
                .set_read_timeout(Some(time_until(end)?))?;
            let available = self.stream.fill_buf()?;
            if available.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let newline = available.iter().position(|&octet| octet == b'\n');
            let length = newline.map_or(available.len(), |place| place + 1);
            line.extend(available.iter().take(length));
            self.stream.consume(length);
            if newline.is_some() {
                return Ok(());
            }
        }
    }

    fn fill(&mut self, mut buffer: &mut [u8], end: Instant) -> io::Result<()> {
        while !buffer.is_empty() {
            self.stream
                .get_ref()
                .set_read_timeout(Some(time_until(end)?))?;
            let length = self.stream.read(buffer)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(length..).unwrap_or_default();
        }
        Ok(())
    }
}

fn time_until(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// The number, the exit status and the length in a line `answer 7 0 12`.
fn head(line: &[u8]) -> Option<(u64, i32, u64)> {
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let is_head = words.next() == Some("answer");
    let head = (
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    );
    is_head.then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    const LIMIT: Duration = Duration::from_millis(500);

    /// What a console makes of what a guest says.
    fn answered(said: &'static [u8]) -> Result<Answer, LabError> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("console");
        let listener = UnixListener::bind(&socket).unwrap();
        let guest = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = [0; 32];
            let length = stream.read(&mut line).unwrap();
            stream.write_all(said).unwrap();
            // The line stays open until the console has given up.
            let _ = stream.read(&mut [0]);
            line[..length].to_vec()
        });
        let mut console = Console::connect(&socket, LIMIT).unwrap();
        let answer = console.run("echo\nhello", LIMIT);
        drop(console);
        assert_eq!(guest.join().unwrap(), b"1 echo hello\n");
        answer
    }

    #[test]
    fn answers_carry_any_octets() {
        let answer = answered(b"answer 1 3 8\nanswer\n\xff").unwrap();
        assert_eq!(answer.status, 3);
        assert_eq!(answer.output, b"answer\n\xff");
    }

    #[test]
    fn late_answers_and_noise_are_left_out() {
        let answer = answered(b"\nnoise\nanswer 0 0 4\nold\nanswer 1 0 3\nnew").unwrap();
        assert_eq!(answer.output, b"new");
    }

    #[test]
    fn a_guest_that_says_nothing_right_is_given_up() {
        for said in [
            &b"answer 1 0 9\nshort"[..],
            b"answer 2 0 0\n",
            b"",
            b"answer 1 x 0\n",
        ] {
            let error = answered(said).unwrap_err();
            assert!(matches!(error, LabError::TimedOut { .. }), "{error}");
        }
        let error = answered(b"answer 1 0 99999999999\n").unwrap_err();
        assert!(matches!(error, LabError::Io { .. }), "{error}");
    }
}
