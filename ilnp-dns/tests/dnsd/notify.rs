//! Secondary servers are told of changes.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ilnp_dns::message::{Message, Opcode, Rcode};
use ilnp_dns::zone::{Serial, serial_of_soa};

use crate::world::{CONFIG, PATIENCE, World, l64, replace_l64};

/// Longer than an unanswered message waits.
const QUIET: Duration = Duration::from_millis(1500);

/// A secondary server that gets messages and answers when it is told to.
struct Secondary(UdpSocket);

impl Secondary {
    fn receive(&self, patience: Duration) -> Result<(Serial, Message, SocketAddr), ErrorKind> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 1500];
        let received = self.0.recv_from(&mut buffer);
        let (length, from) = received.map_err(|error| error.kind())?;
        let message = Message::from_wire(&buffer[..length]).unwrap();
        assert_eq!(message.opcode, Opcode::NOTIFY);
        let serial = serial_of_soa(&message.answers[0].rdata).unwrap();
        Ok((serial, message, from))
    }

    fn answer(&self, message: Message, to: SocketAddr) {
        let answer = Message {
            response: true,
            answers: Vec::new(),
            ..message
        };
        self.0.send_to(&answer.to_wire(512), to).unwrap();
    }

    /// Takes messages until one tells of `expected`, and answers that one.
    fn wait_for(&self, expected: Serial) {
        loop {
            let (serial, message, from) = self.receive(PATIENCE).unwrap();
            if serial == expected {
                return self.answer(message, from);
            }
        }
    }
}

#[test]
fn a_secondary_server_is_told_until_it_answers_and_then_of_each_change() {
    let world = World::new();
    let secondary = Secondary(UdpSocket::bind("[::1]:0").unwrap());
    let notify = format!("notify = [\"{}\"]", secondary.0.local_addr().unwrap());
    let config = CONFIG.replace("transfer-key = \"xfer\"", &notify);
    world.write("dnsd.toml", &config);
    let server = world.start();
    let update = |number| {
        let answer = world.send(
            &server,
            &replace_l64("vm1.example.org.", &[l64(number)]),
            "vm1",
        );
        assert_eq!(answer.rcode, Rcode::NOERROR);
    };

    // At the start, again without an answer, and of what is newer.
    assert_eq!(secondary.receive(PATIENCE).unwrap().0, Serial(1));
    assert_eq!(secondary.receive(PATIENCE).unwrap().0, Serial(1));
    update(2);
    secondary.wait_for(Serial(2));
    // An answer to a message that came twice may have crossed with the second one.
    while let Ok((serial, message, from)) = secondary.receive(QUIET) {
        assert_eq!(serial, Serial(2));
        secondary.answer(message, from);
    }
    update(3);
    secondary.wait_for(Serial(3));
}
