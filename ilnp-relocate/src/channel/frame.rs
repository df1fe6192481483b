//! Frames: a length of four octets, most significant first, and as many octets.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Octets of the length.
pub(super) const HEADER: usize = 4;

/// The header of a frame. A frame longer than a length can say is never made: every kind of frame
/// has a limit that is checked before.
pub(super) fn header(length: usize) -> [u8; HEADER] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Reads a frame of at most `largest` octets; `None` when nothing comes any more. Memory is taken
/// as octets arrive, not because someone announces them.
pub(super) async fn read(
    input: &mut (impl AsyncRead + Unpin),
    largest: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; HEADER];
    if input.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut length[1..]).await?;
    let announced = u32::from_be_bytes(length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > largest {
        let text = format!("a frame of {announced} octets, of at most {largest}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut contents = Vec::new();
    input
        .take(u64::from(announced))
        .read_to_end(&mut contents)
        .await?;
    if contents.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(contents))
}

/// Writes a frame.
pub(super) async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    contents: &[u8],
) -> io::Result<()> {
    let mut frame = Vec::with_capacity(HEADER + contents.len());
    frame.extend_from_slice(&header(contents.len()));
    frame.extend_from_slice(contents);
    output.write_all(&frame).await?;
    output.flush().await
}
