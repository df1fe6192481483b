//! The application of a query, in its guest: it answers each request with a row that it has added
//! to the database. Every connection of the web server has a session of its own with the database,
//! by PostgreSQL's `psql`, and both end together.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::http;
use crate::error::{Doing, LabError};

/// Answers on a port for ever; `psql` is that program, and `database` what it is to connect to.
///
/// # Errors
/// [`LabError::Io`] when the port cannot be opened.
pub fn serve(port: u16, psql: &str, database: &str) -> Result<(), LabError> {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let listener = TcpListener::bind(address).doing(|| format!("answer on port {port}"))?;
    let mut connections = 0u64;
    loop {
        // A connection that is gone ends its own service only.
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        connections += 1;
        let (number, psql, database) = (connections, psql.to_owned(), database.to_owned());
        let service = move || match serve_connection(&stream, number, &psql, &database) {
            Ok(()) => tracing::info!(number, "a connection ended"),
            Err(error) => tracing::info!(number, %error, "a connection broke"),
        };
        std::thread::Builder::new()
            .name("application".to_owned())
            .spawn(service)
            .doing(|| "start a thread".to_owned())?;
    }
}

fn serve_connection(stream: &TcpStream, number: u64, psql: &str, database: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session::start(psql, database)?;
    let (mut input, mut output) = (BufReader::new(stream), stream);
    while let Some(request) = http::read(&mut input)? {
        let answer = match statement(&request.first).map(|sql| session.ask(&sql)) {
            Some(Ok(row)) => http::answer("200 OK", &format!("{row} {number}")),
            Some(Err(error)) => http::answer("503 Service Unavailable", &error.to_string()),
            None => http::answer("400 Bad Request", "ask for /USER/NUMBER"),
        };
        output.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// What the database is told because of a request `GET /USER/NUMBER HTTP/1.1`. It refuses to do the
/// same twice, and says who did it: a process of its own for every session.
fn statement(request: &str) -> Option<String> {
    let path = request.strip_prefix("GET /")?.split(' ').next()?;
    let (user, number) = path.split_once('/')?;
    let (user, number): (u32, u32) = (user.parse().ok()?, number.parse().ok()?);
    Some(format!(
        "INSERT INTO request (person, number) VALUES ({user}, {number}) \
         RETURNING id, pg_backend_pid();"
    ))
}

/// A session with the database.
struct Session {
    psql: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start(psql: &str, database: &str) -> io::Result<Self> {
        let mut child = Command::new(psql)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--field-separator= ", "--set=ON_ERROR_STOP=1", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("psql has no pipes"))?;
        let output = BufReader::new(output);
        Ok(Self {
            psql: child,
            input,
            output,
        })
    }

    /// Has a statement done and returns the row that it gives; psql ends at the first that fails.
    fn ask(&mut self, statement: &str) -> io::Result<String> {
        writeln!(self.input, "{statement}")?;
        self.input.flush()?;
        let mut row = String::new();
        if self.output.read_line(&mut row)? == 0 {
            return Err(io::Error::other("the session with the database ended"));
        }
        Ok(row.trim_end().to_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_becomes_a_row_of_numbers_alone() {
        let sql = statement("GET /3/17 HTTP/1.1").unwrap();
        assert!(sql.contains("VALUES (3, 17)"), "{sql}");
        for request in [
            "GET /3 HTTP/1.1",
            "GET /3/17;DROP HTTP/1.1",
            "GET /-1/17 HTTP/1.1",
            "POST /3/17 HTTP/1.1",
            "",
        ] {
            assert_eq!(statement(request), None, "{request}");
        }
    }
}
