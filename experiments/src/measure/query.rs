//! Questions to one name server about one name, as often as it takes.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ilnp_dns::message::{Message, Opcode, Question, Rcode};
use ilnp_dns::name::Name;
use ilnp_dns::record::{Class, Record, RecordType};

use crate::error::{Doing, LabError};
use crate::topology::Namespace;

/// How long an answer may take; servers are near.
const PATIENCE: Duration = Duration::from_millis(200);
/// Answers about one name are short.
const LARGEST: usize = 1232;

/// Asks a server for the records of one type at one name.
#[derive(Debug)]
pub struct Inquirer {
    socket: UdpSocket,
    query: Message,
}

impl Inquirer {
    /// Will ask from a namespace. `name` needs no dot at its end.
    ///
    /// # Errors
    /// [`LabError::Io`] when no socket can be made, [`LabError::Misuse`] when `name` is no name.
    pub fn new(
        from: &Namespace,
        server: SocketAddr,
        name: &str,
        rtype: RecordType,
    ) -> Result<Self, LabError> {
        let name: Name = format!("{}.", name.trim_end_matches('.'))
            .parse()
            .map_err(|error| LabError::Misuse(format!("{error}")))?;
        let socket = from
            .inside(|| {
                let socket = UdpSocket::bind("[::]:0")?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok::<_, std::io::Error>(socket)
            })?
            .doing(|| format!("open a socket towards {server}"))?;
        let question = Question {
            name,
            rtype,
            class: Class::IN,
        };
        let mut query = Message::request(0, Opcode::QUERY);
        query.questions.push(question);
        Ok(Self { socket, query })
    }

    /// Asks once and returns the records of the type. `None`: no answer, or one that says nothing
    /// about the name, as while a server starts.
    pub fn ask(&mut self) -> Option<Vec<Record>> {
        self.query.id = self.query.id.wrapping_add(1);
        self.socket.send(&self.query.to_wire(LARGEST)).ok()?;
        let mut buffer = [0; LARGEST];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            let answer = Message::from_wire(buffer.get(..length)?).ok()?;
            if answer.id == self.query.id {
                return self.records_of(answer);
            }
        }
    }

    fn records_of(&self, answer: Message) -> Option<Vec<Record>> {
        let question = self.query.questions.first()?;
        let tells = matches!(answer.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
        let wanted = |record: &Record| record.rtype == question.rtype;
        (tells && answer.authoritative).then(|| answer.answers.into_iter().filter(wanted).collect())
    }
}
