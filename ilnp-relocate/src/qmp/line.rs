//! Lines of bounded length.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line. The longest that is known to come, a list of all block devices, has some ten
/// thousand octets.
pub(super) const MAX_LINE: usize = 1 << 20;

/// Reads a line without its end into `line`; `false` at the end of the stream.
///
/// # Errors
/// Besides those of the stream, `InvalidData` for a line that is too long.
pub(super) async fn read_line<R: AsyncBufRead + Unpin>(
    stream: &mut R,
    line: &mut Vec<u8>,
) -> Result<bool> {
    line.clear();
    loop {
        let buffer = stream.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let end = buffer.iter().position(|octet| *octet == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        if line.len() + part.len() > MAX_LINE {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("a line has more than {MAX_LINE} octets"),
            ));
        }
        line.extend_from_slice(part);
        let taken = part.len() + usize::from(end.is_some());
        stream.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::BufReader;

    use super::*;

    async fn lines(input: &[u8], buffer: usize) -> Result<Vec<Vec<u8>>> {
        let mut stream = BufReader::with_capacity(buffer, input);
        let (mut all, mut line) = (Vec::new(), Vec::new());
        while read_line(&mut stream, &mut line).await? {
            all.push(line.clone());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn refuses_a_line_without_end() {
        let endless = vec![b'x'; MAX_LINE + 1];
        assert_eq!(
            lines(&endless, 4096).await.unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        let longest = [vec![b'x'; MAX_LINE], vec![b'\n']].concat();
        assert_eq!(lines(&longest, 4096).await.unwrap()[0].len(), MAX_LINE);
    }

    proptest! {
        #[test]
        fn splits_as_the_standard_library_does(input in "[a\n]{0,50}", buffer in 1_usize..9) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(lines(input.as_bytes(), buffer)).unwrap();
            let mut expected: Vec<&[u8]> = input.as_bytes().split(|octet| *octet == b'\n').collect();
            expected.pop();
            prop_assert_eq!(read, expected);
        }
    }
}
