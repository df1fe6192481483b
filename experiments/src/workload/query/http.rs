//! As much of HTTP/1.1 (RFC 9112) as small requests and answers on a kept connection need.

use std::io::{self, BufRead, Read};

/// The longest head and the longest body.
const LARGEST: u64 = 8192;

/// The first line of a message, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) first: String,
    pub(super) body: String,
}

/// Reads a message; `None` when the connection ends before one begins.
///
/// # Errors
/// When the connection breaks, or what comes is no message or a large one.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut head = input.by_ref().take(LARGEST);
    let mut first = String::new();
    if head.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            return Err(invalid(&line));
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| invalid(&line))?;
        }
    }
    if length > LARGEST {
        return Err(invalid("a body of more than 8192 octets"));
    }
    let mut body = String::new();
    let read = input.by_ref().take(length).read_to_string(&mut body)?;
    if read as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let first = first.trim_end().to_owned();
    Ok(Some(Message { first, body }))
}

/// The octets of a request for a path.
pub(super) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n")
}

/// The octets of an answer; after one that is not "200 OK" the connection ends.
pub(super) fn answer(status: &str, body: &str) -> String {
    let close = if status.starts_with("200") {
        ""
    } else {
        "Connection: close\r\n"
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{close}\r\n{body}")
}

fn invalid(what: &str) -> io::Error {
    let what = what.trim_end();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not understood: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_each_other_on_a_connection() {
        let text = request("/1/2") + &answer("200 OK", "7 8") + &answer("503 No", "why");
        let mut input = text.as_bytes();
        let mut next = || read(&mut input).unwrap().map(|one| (one.first, one.body));
        let message = |first: &str, body: &str| Some((first.to_owned(), body.to_owned()));
        assert_eq!(next(), message("GET /1/2 HTTP/1.1", ""));
        assert_eq!(next(), message("HTTP/1.1 200 OK", "7 8"));
        assert_eq!(next(), message("HTTP/1.1 503 No", "why"));
        assert_eq!(next(), None);
    }

    #[test]
    fn what_is_cut_or_no_message_is_refused() {
        let whole = answer("200 OK", "body");
        for length in 1..whole.len() {
            assert!(read(&mut &whole.as_bytes()[..length]).is_err(), "{length}");
        }
        for text in [
            "GET / HTTP/1.1\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        ] {
            assert!(read(&mut text.as_bytes()).is_err(), "{text}");
        }
        let endless = "x".repeat(20_000);
        assert!(read(&mut endless.as_bytes()).is_err());
    }
}
