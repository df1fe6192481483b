//! Octets as a sequence of inputs to a node: the body of the fuzz target `node`.
//!
//! A program of one-octet operations builds packets from templates, bends them, and mixes them with
//! link events, names and time. Whatever it is, the node must not panic, stand still or grow, and
//! what it sends must be well formed.

mod templates;

use std::time::Duration;

use bytes::Bytes;

use crate::id::{Handle, HandlePrefix};
use crate::node::{Activity, Config, DatapathUpdate, Input, MoveOrder, Node};
use crate::sim::host_nid;
use crate::time::Instant;
use crate::wire::{Headers, LocatorUpdate, build};
use templates::{
    advertisement, answered, bent, error, links, nonce, outbound, resolved, site, stranger,
    translated,
};

/// More operations add nothing but time.
const MAX_OPERATIONS: usize = 200;
/// Timeouts that a node may want at one instant.
const MAX_TIMEOUTS: usize = 1_000;
const LIMIT: usize = 8;
/// Operations that come rarely, since little happens between the two.
const FENCE: u8 = 250;
const RELEASE: u8 = 251;

/// Runs a program. Panics when the node does something that it must not.
pub fn node(program: &[u8]) {
    let mut run = Run::new();
    let mut program = Program(program);
    for _ in 0..MAX_OPERATIONS {
        let Some(operation) = program.octet() else {
            break;
        };
        let input = run.input(operation, &mut program);
        run.node.handle(run.now, input);
        run.drain();
    }
    run.idle();
}

/// What is left of the octets.
struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next octet, or zero at the end.
    fn next(&mut self) -> u8 {
        self.octet().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Run {
    node: Node,
    now: Instant,
    /// What the node sent last: what others answer.
    sent: Option<Bytes>,
    answers: Vec<Input>,
}

impl Run {
    fn new() -> Self {
        let mut config = Config::new(host_nid(1));
        config.limits.correspondents = LIMIT;
        config.limits.tentative = LIMIT / 2;
        config.limits.tentative_per_locator = LIMIT / 4;
        config.limits.classic_flows = LIMIT;
        Self {
            node: Node::new(config, [7; 32]),
            now: Instant::ZERO + Duration::from_secs(60),
            sent: None,
            answers: Vec::new(),
        }
    }

    fn input(&mut self, operation: u8, program: &mut Program<'_>) -> Input {
        match operation {
            FENCE => return Input::Fence,
            RELEASE => return Input::Release { seed: [9; 32] },
            _ => {}
        }
        match operation % 8 {
            0 => self.time(program),
            1 => Input::Link(links(program)),
            2 => Input::Resolved(resolved(program)),
            3 => Input::Outbound(bent(outbound(program).emit(), program)),
            4 => Input::Inbound(bent(stranger(program), program)),
            5 => Input::Inbound(bent(self.answer(program), program)),
            6 => Input::Move(MoveOrder {
                locator: Some(site(program.next())),
                drop: vec![site(program.next())],
            }),
            _ => Input::Ping {
                handle: Handle::new(host_nid(u16::from(program.next() % 4))),
                identifier: program.word(),
                sequence: program.word(),
            },
        }
    }

    /// Time passes; what the data path was asked for is answered first.
    fn time(&mut self, program: &mut Program<'_>) -> Input {
        if let Some(answer) = self.answers.pop() {
            return answer;
        }
        self.now = self.now + Duration::from_millis(u64::from(program.word()));
        Input::Timeout
    }

    /// What a correspondent could say to what was sent last.
    fn answer(&self, program: &mut Program<'_>) -> Bytes {
        let sent = self.sent.clone().unwrap_or_default();
        let Ok(headers) = Headers::parse(&sent) else {
            return stranger(program);
        };
        let (from, to) = (headers.destination_vector(), headers.source_vector());
        let nonce = nonce(program.next());
        match program.next() % 5 {
            0 => answered(&sent, &headers, program).map_or(sent, |message| {
                translated(&message, from.locator, to.locator, nonce)
            }),
            1 => {
                let update = headers.upper_layer(&sent);
                let update = LocatorUpdate::parse(update).map(|update| update.acknowledgement());
                let message = update.map_or_else(
                    |_| advertisement(program).emit(from.address(), to.address()),
                    |update| update.emit(from.address(), to.address()),
                );
                build::icmpv6(from, to, &nonce, &message).octets
            }
            2 => {
                let message = advertisement(program).emit(from.address(), to.address());
                build::icmpv6(from, to, &nonce, &message).octets
            }
            3 => error(program, from.address(), to.address(), &sent).emit(),
            _ => build::gratuitous(from, to, &nonce).octets,
        }
    }

    /// Takes all outputs, and checks what is sent.
    fn drain(&mut self) {
        while let Some(update) = self.node.poll_datapath_update() {
            if let DatapathUpdate::ReadActivity(handle) = update
                && self.answers.len() < LIMIT
            {
                let activity = Some(Activity {
                    sent: self.now,
                    heard: self.now,
                });
                self.answers.push(Input::Activity { handle, activity });
            }
        }
        while let Some(packet) = self.node.poll_transmit() {
            let headers = Headers::parse(&packet.octets).expect("what is sent is well formed");
            let prefix = HandlePrefix::DEFAULT;
            assert_eq!(headers.source_vector().nid, host_nid(1));
            for address in [headers.source, headers.destination] {
                assert_eq!(prefix.handle(address), None, "a handle leaks");
            }
            assert!(headers.destination_vector().locator.is_usable());
            self.sent = Some(packet.octets);
        }
        while self.node.poll_deliver().is_some() {}
        while self.node.poll_dns_request().is_some() {}
        while self.node.poll_event().is_some() {}
        assert!(self.node.correspondents(self.now).len() <= LIMIT);
    }

    /// Serves the timers until they lie in the future.
    fn idle(&mut self) {
        for _ in 0..MAX_TIMEOUTS {
            if self.node.poll_timeout().is_none_or(|due| due > self.now) {
                return;
            }
            self.node.handle(self.now, Input::Timeout);
            self.drain();
        }
        panic!("the node wants the same timeout again and again");
    }
}
