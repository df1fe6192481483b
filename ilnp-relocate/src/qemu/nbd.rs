//! Reads an image of whatever format as a guest would, through `qemu-nbd` and the NBD protocol
//! (its document `proto.md`: fixed newstyle handshake, structured replies). Those tell of a hole that it
//! is one, instead of carrying its zeros: most of a disk is empty.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::image::Format;

/// How long the server may take to begin, and to answer.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a server that begins is tried.
const TRY: Duration = Duration::from_millis(5);
/// What is asked for at once. Servers allow 32 MiB.
const CHUNK: usize = 2 << 20;

const GREETING: [u8; 16] = *b"NBDMAGICIHAVEOPT";
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const OPTION_EXPORT_NAME: u32 = 1;
const OPTION_STRUCTURED_REPLY: u32 = 8;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const OPTION_ACKNOWLEDGED: u32 = 1;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const COMMAND_READ: u16 = 0;
const COMMAND_DISCONNECT: u16 = 2;
const REPLY_MAGIC: u32 = 0x668e_33ef;
const REPLY_DONE: u16 = 1;
const REPLY_NONE: u16 = 0;
const REPLY_DATA: u16 = 1;
const REPLY_HOLE: u16 = 2;
const REPLY_ERROR: u16 = 1 << 15;

/// An image that is being read. The server ends with it.
pub(super) struct Reader {
    stream: UnixStream,
    size: u64,
    _server: Server,
}

struct Server {
    child: Child,
    socket: PathBuf,
}

impl Reader {
    /// Opens an image. A socket is made in `run_dir`, and removed in the end.
    pub(super) fn open(image: &Path, format: Format, run_dir: &Path) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = run_dir.join(format!("image-{}-{number}", std::process::id()));
        let child = Command::new("qemu-nbd")
            .args(["--read-only", "--format", format.name(), "--socket"])
            .args([&socket, image])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Error::new(error.kind(), format!("cannot run qemu-nbd: {error}")))?;
        let mut server = Server { child, socket };
        let mut stream = server.connect()?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let size = handshake(&mut stream)?;
        Ok(Self {
            stream,
            size,
            _server: server,
        })
    }

    /// The size that a guest sees.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Reads what is there at an offset, both in octets.
    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        read_at(&mut self.stream, offset, buffer)
    }

    /// Hands the contents over, in order.
    pub(super) fn read(mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        while offset < self.size {
            let left = usize::try_from(self.size - offset).unwrap_or(CHUNK);
            let part = &mut buffer[..left.min(CHUNK)];
            self.read_at(offset, part)?;
            take(part);
            offset += part.len() as u64;
        }
        self.stream.write_all(&request(COMMAND_DISCONNECT, 0, 0))
    }
}

impl Server {
    fn connect(&mut self) -> Result<UnixStream> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::other(format!("qemu-nbd ended: {status}")));
            }
            std::thread::sleep(TRY);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Opens the default export; tells its size.
fn handshake(stream: &mut (impl Read + Write)) -> Result<u64> {
    let greeting: [u8; 16] = take(stream)?;
    let flags = u16::from_be_bytes(take(stream)?);
    if greeting != GREETING || flags & FIXED_NEWSTYLE_NO_ZEROES != FIXED_NEWSTYLE_NO_ZEROES {
        return Err(unknown("speaks another protocol"));
    }
    let mut choices = u32::from(FIXED_NEWSTYLE_NO_ZEROES).to_be_bytes().to_vec();
    for option in [OPTION_STRUCTURED_REPLY, OPTION_EXPORT_NAME] {
        choices.extend(b"IHAVEOPT");
        choices.extend(option.to_be_bytes());
        choices.extend(0_u32.to_be_bytes());
    }
    stream.write_all(&choices)?;
    let magic = u64::from_be_bytes(take(stream)?);
    let [option, answer, length] =
        [take(stream)?, take(stream)?, take(stream)?].map(u32::from_be_bytes);
    if (magic, option, answer, length)
        != (
            OPTION_REPLY_MAGIC,
            OPTION_STRUCTURED_REPLY,
            OPTION_ACKNOWLEDGED,
            0,
        )
    {
        return Err(unknown("cannot tell of holes"));
    }
    let size = u64::from_be_bytes(take(stream)?);
    let _transmission_flags: [u8; 2] = take(stream)?;
    Ok(size)
}

/// Asks for what is at an offset, and takes the parts of the answer, in whatever order.
fn read_at(stream: &mut (impl Read + Write), offset: u64, buffer: &mut [u8]) -> Result<()> {
    let length = u32::try_from(buffer.len()).map_err(Error::other)?;
    stream.write_all(&request(COMMAND_READ, offset, length))?;
    let mut missing = buffer.len();
    loop {
        let magic = u32::from_be_bytes(take(stream)?);
        let [flags, kind] = [take(stream)?, take(stream)?].map(u16::from_be_bytes);
        let cookie = u64::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?);
        if magic != REPLY_MAGIC || cookie != offset {
            return Err(unknown("answers what was not asked"));
        }
        let told = match (kind, length) {
            (REPLY_NONE, 0) if flags & REPLY_DONE != 0 => 0,
            (REPLY_DATA, 9..) => {
                let at = u64::from_be_bytes(take(stream)?);
                let part = part(buffer, offset, at, length - 8)?;
                stream.read_exact(part)?;
                part.len()
            }
            (REPLY_HOLE, 12) => {
                let at = u64::from_be_bytes(take(stream)?);
                let part = part(buffer, offset, at, u32::from_be_bytes(take(stream)?))?;
                part.fill(0);
                part.len()
            }
            (REPLY_ERROR.., 4..) => {
                let error = u32::from_be_bytes(take(stream)?);
                return Err(Error::other(format!(
                    "the NBD server cannot read at {offset}: error {error}"
                )));
            }
            _ => return Err(unknown("answers in a way that is not known")),
        };
        missing = missing
            .checked_sub(told)
            .ok_or_else(|| unknown("answers twice"))?;
        if flags & REPLY_DONE != 0 {
            break;
        }
    }
    if missing != 0 {
        return Err(unknown("answers a part of what was asked"));
    }
    Ok(())
}

/// The part of what was asked for at `offset` that is told of at `at`.
fn part(buffer: &mut [u8], offset: u64, at: u64, length: u32) -> Result<&mut [u8]> {
    let start = at
        .checked_sub(offset)
        .and_then(|start| usize::try_from(start).ok());
    let end = start.and_then(|start| start.checked_add(length as usize));
    let range = start.zip(end).filter(|(start, end)| start < end);
    range
        .and_then(|(start, end)| buffer.get_mut(start..end))
        .ok_or_else(|| unknown("answers what was not asked"))
}

fn unknown(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the NBD server {what}"))
}

/// A request, whose cookie is its offset: there is one at a time.
fn request(command: u16, offset: u64, length: u32) -> Vec<u8> {
    let mut request = REQUEST_MAGIC.to_be_bytes().to_vec();
    request.extend(0_u16.to_be_bytes());
    request.extend(command.to_be_bytes());
    request.extend(offset.to_be_bytes());
    request.extend(offset.to_be_bytes());
    request.extend(length.to_be_bytes());
    request
}

fn take<const LENGTH: usize>(stream: &mut impl Read) -> Result<[u8; LENGTH]> {
    let mut octets = [0; LENGTH];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Says what it was given, whatever it is asked.
    struct Answers(Cursor<Vec<u8>>);

    impl Read for Answers {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Answers {
        fn write(&mut self, octets: &[u8]) -> Result<usize> {
            Ok(octets.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn reply(flags: u16, kind: u16, cookie: u64, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap();
        let parts = [
            &REPLY_MAGIC.to_be_bytes()[..],
            &flags.to_be_bytes(),
            &kind.to_be_bytes(),
            &cookie.to_be_bytes(),
            &length.to_be_bytes(),
            contents,
        ];
        parts.concat()
    }

    fn data(flags: u16, at: u64, data: &[u8]) -> Vec<u8> {
        reply(
            flags,
            REPLY_DATA,
            512,
            &[&at.to_be_bytes()[..], data].concat(),
        )
    }

    fn hole(flags: u16, at: u64, length: u32) -> Vec<u8> {
        let contents = [&at.to_be_bytes()[..], &length.to_be_bytes()].concat();
        reply(flags, REPLY_HOLE, 512, &contents)
    }

    /// What is read of eight octets at 512 when this is answered.
    fn answered(answer: &[u8]) -> std::result::Result<[u8; 8], String> {
        let mut buffer = [7; 8];
        let read = read_at(&mut Answers(Cursor::new(answer.to_vec())), 512, &mut buffer);
        read.map(|()| buffer).map_err(|error| error.to_string())
    }

    #[test]
    fn puts_parts_together() {
        let whole = Ok(*b"datadata");
        assert_eq!(answered(&data(REPLY_DONE, 512, b"datadata")), whole);
        let parts = [
            data(0, 516, b"data"),
            data(0, 512, b"data"),
            reply(REPLY_DONE, REPLY_NONE, 512, b""),
        ];
        assert_eq!(answered(&parts.concat()), whole);
        let empty = [hole(0, 512, 4), data(REPLY_DONE, 516, b"data")];
        assert_eq!(answered(&empty.concat()), Ok(*b"\0\0\0\0data"));
    }

    #[test]
    fn refuses_wrong_replies() {
        let other = "answers what was not asked";
        let wrong = [
            (vec![0; 20], other),
            (reply(REPLY_DONE, REPLY_NONE, 0, b""), other),
            (hole(REPLY_DONE, 511, 8), other),
            (hole(REPLY_DONE, 513, 8), other),
            (hole(REPLY_DONE, u64::MAX, 8), other),
            (hole(0, 512, 0), other),
            (data(REPLY_DONE, 512, b"datadatas"), other),
            (data(REPLY_DONE, 512, b"data"), "a part of what was asked"),
            ([hole(0, 512, 8), hole(0, 512, 8)].concat(), "answers twice"),
            (reply(0, REPLY_NONE, 512, b""), "not known"),
            (reply(REPLY_DONE, REPLY_DATA, 512, b"12345678"), "not known"),
            (reply(REPLY_DONE, 77, 512, b"1234"), "not known"),
            (
                reply(REPLY_DONE, REPLY_ERROR | 1, 512, b"\0\0\0\x05\0\0"),
                "cannot read at 512: error 5",
            ),
        ];
        for (answer, reason) in wrong {
            let told = answered(&answer).unwrap_err();
            assert!(told.contains(reason), "{answer:?}: {told}");
        }
    }

    #[test]
    fn wants_a_server_that_tells_of_holes() {
        let opened = |answer: u32| {
            let parts = [
                &GREETING[..],
                &FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes(),
                &OPTION_REPLY_MAGIC.to_be_bytes(),
                &OPTION_STRUCTURED_REPLY.to_be_bytes(),
                &answer.to_be_bytes(),
                &[0; 4],
                &4096_u64.to_be_bytes(),
                &[0; 2],
            ];
            handshake(&mut Answers(Cursor::new(parts.concat())))
        };
        assert_eq!(opened(OPTION_ACKNOWLEDGED).unwrap(), 4096);
        // NBD_REP_ERR_UNSUP.
        let refused = opened((1 << 31) + 1).unwrap_err().to_string();
        assert!(refused.contains("cannot tell of holes"), "{refused}");
    }

    proptest! {
        #[test]
        fn survives_any_server(octets in proptest::collection::vec(any::<u8>(), 0..64), greets: bool) {
            let greeting = [&GREETING[..], &FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes()].concat();
            let said = if greets { [greeting, octets.clone()].concat() } else { octets.clone() };
            let _ = handshake(&mut Answers(Cursor::new(said)));
            let _ = answered(&octets);
            let _ = answered(&reply(0, REPLY_DATA, 512, &octets));
            let _ = answered(&reply(REPLY_DONE, REPLY_HOLE, 512, &octets));
        }
    }
}
