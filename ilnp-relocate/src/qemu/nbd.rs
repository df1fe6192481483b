//! Reads an image of whatever format as a guest would, through `qemu-nbd` and the NBD protocol
//! (its document `proto.md`: fixed newstyle handshake, simple replies).

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;
const COMMAND_READ: u16 = 0;
const COMMAND_DISCONNECT: u16 = 2;

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
    /// Opens an image. The socket is made, and removed in the end.
    pub(super) fn open(image: &Path, format: Format, socket: PathBuf) -> Result<Self> {
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

    /// Hands the contents over, in order.
    pub(super) fn read(mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        while offset < self.size {
            let left = usize::try_from(self.size - offset).unwrap_or(CHUNK);
            let part = &mut buffer[..left.min(CHUNK)];
            read_at(&mut self.stream, offset, part)?;
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
        return Err(Error::new(
            ErrorKind::InvalidData,
            "the NBD server speaks another protocol",
        ));
    }
    let mut choice = u32::from(FIXED_NEWSTYLE_NO_ZEROES).to_be_bytes().to_vec();
    choice.extend(b"IHAVEOPT");
    choice.extend(OPTION_EXPORT_NAME.to_be_bytes());
    choice.extend(0_u32.to_be_bytes());
    stream.write_all(&choice)?;
    let size = u64::from_be_bytes(take(stream)?);
    let _transmission_flags: [u8; 2] = take(stream)?;
    Ok(size)
}

fn read_at(stream: &mut (impl Read + Write), offset: u64, buffer: &mut [u8]) -> Result<()> {
    let length = u32::try_from(buffer.len()).map_err(Error::other)?;
    stream.write_all(&request(COMMAND_READ, offset, length))?;
    let magic = u32::from_be_bytes(take(stream)?);
    let error = u32::from_be_bytes(take(stream)?);
    let cookie = u64::from_be_bytes(take(stream)?);
    if magic != REPLY_MAGIC || cookie != offset {
        return Err(Error::new(
            ErrorKind::InvalidData,
            "the NBD server answers what was not asked",
        ));
    }
    if error != 0 {
        return Err(Error::other(format!(
            "the NBD server cannot read at {offset}: error {error}"
        )));
    }
    stream.read_exact(buffer)
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

    fn reply(magic: u32, error: u32, cookie: u64) -> Answers {
        let parts = [
            &magic.to_be_bytes()[..],
            &error.to_be_bytes(),
            &cookie.to_be_bytes(),
            b"data",
        ];
        Answers(Cursor::new(parts.concat()))
    }

    #[test]
    fn refuses_wrong_replies() {
        let mut data = [0; 4];
        read_at(&mut reply(REPLY_MAGIC, 0, 512), 512, &mut data).unwrap();
        assert_eq!(&data, b"data");
        assert!(read_at(&mut reply(1, 0, 512), 512, &mut data).is_err());
        assert!(read_at(&mut reply(REPLY_MAGIC, 0, 0), 512, &mut data).is_err());
        let failed = read_at(&mut reply(REPLY_MAGIC, 5, 512), 512, &mut data).unwrap_err();
        assert!(failed.to_string().contains("cannot read at 512: error 5"));
    }

    proptest! {
        #[test]
        fn survives_any_server(octets in proptest::collection::vec(any::<u8>(), 0..64), greets: bool) {
            let greeting = [&GREETING[..], &FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes()].concat();
            let said = if greets { [greeting, octets].concat() } else { octets };
            let _ = handshake(&mut Answers(Cursor::new(said)));
        }
    }
}
