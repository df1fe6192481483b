//! A name server that answers as a test wants it to.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use ilnp_dns::message::{Edns, Message, Rcode};
use ilnp_dns::name::Name;
use ilnp_dns::rdata::{L64, Lp, Nid};
use ilnp_dns::record::{Class, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What a server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) message: Message,
    pub(crate) octets: Vec<u8>,
    pub(crate) tcp: bool,
}

impl Asked {
    pub(crate) fn name(&self) -> String {
        self.message.questions[0].name.to_string()
    }

    pub(crate) fn rtype(&self) -> RecordType {
        self.message.questions[0].rtype
    }
}

/// Whether a query is for what makes an ILNP node.
pub(crate) fn is_ilnp(asked: &Asked) -> bool {
    matches!(
        asked.rtype(),
        RecordType::NID | RecordType::L64 | RecordType::LP
    )
}

/// Runs until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: JoinSet<()>,
}

type Behaviour = Arc<dyn Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync>;

impl Upstream {
    /// Sends what `behaviour` makes of each query: any number of datagrams; over TCP, the first as
    /// it stands, with the length of it in front, and then the end of the connection.
    pub(crate) async fn start(
        behaviour: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let behaviour: Behaviour = Arc::new(behaviour);
        let (udp, tcp, address) = sockets().await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&behaviour), Arc::clone(&asked)));
        tasks.spawn(serve_tcp(tcp, behaviour, Arc::clone(&asked)));
        Self {
            address,
            asked,
            tasks,
        }
    }

    /// A server with these records.
    pub(crate) async fn with(records: Records) -> Self {
        Self::start(move |asked| vec![records.answer(asked)]).await
    }

    /// Frees its port.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn asked_for(&self, rtype: RecordType) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.rtype() == rtype).count()
    }
}

/// UDP and TCP on the same port. One that is free for TCP may not be for UDP.
pub(crate) async fn sockets() -> (UdpSocket, TcpListener, SocketAddr) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        if let Ok(udp) = UdpSocket::bind(address).await {
            return (udp, tcp, address);
        }
    }
}

async fn serve_udp(socket: UdpSocket, behaviour: Behaviour, log: Arc<Mutex<Vec<Asked>>>) {
    let mut buffer = vec![0; 65_535];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        let octets = buffer[..length].to_vec();
        let Ok(message) = Message::from_wire(&octets) else {
            continue;
        };
        let tcp = false;
        let asked = Asked {
            message,
            octets,
            tcp,
        };
        log.lock().unwrap().push(asked.clone());
        for reply in behaviour(&asked) {
            socket.send_to(&reply, client).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, behaviour: Behaviour, log: Arc<Mutex<Vec<Asked>>>) {
    loop {
        let (stream, _client) = listener.accept().await.unwrap();
        let (behaviour, log) = (Arc::clone(&behaviour), Arc::clone(&log));
        tokio::spawn(async move {
            // A client that is gone is none of the server's business.
            let _ = serve_stream(stream, &behaviour, &log).await;
        });
    }
}

async fn serve_stream(
    mut stream: TcpStream,
    behaviour: &Behaviour,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut octets = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut octets).await?;
    let message = Message::from_wire(&octets).unwrap();
    let tcp = true;
    let asked = Asked {
        message,
        octets,
        tcp,
    };
    log.lock().unwrap().push(asked.clone());
    if let Some(reply) = behaviour(&asked).first() {
        stream.write_u16(reply.len().try_into().unwrap()).await?;
        stream.write_all(reply).await?;
    }
    Ok(())
}

/// The records of a server. Names that it has no records of do not exist.
#[derive(Clone, Default)]
pub(crate) struct Records {
    records: HashMap<Name, Vec<Record>>,
    ttls: HashMap<RecordType, u32>,
}

pub(crate) const TTL: u32 = 30;

impl Records {
    /// Two hosts that speak ILNP, one of them under an alias and with LP; and one that does not.
    pub(crate) fn example() -> Self {
        Self::default()
            .has(
                "vm1.example.org.",
                RecordType::NID,
                "10 0214:4fff:fe20:ee64",
            )
            .has("vm1.example.org.", RecordType::L64, "10 2001:db8:a:0")
            .has(
                "vm1.example.org.",
                RecordType::AAAA,
                "2001:db8:a:0:214:4fff:fe20:ee64",
            )
            .has("vm1.example.org.", RecordType::A, "192.0.2.1")
            .has(
                "vm2.example.org.",
                RecordType::NID,
                "10 0216:6fff:fe22:ee66",
            )
            .has("vm2.example.org.", RecordType::LP, "10 site.example.org.")
            .has("site.example.org.", RecordType::L64, "10 2001:db8:b:0")
            .has("www.example.org.", RecordType::CNAME, "vm1.example.org.")
            .has("classic.example.org.", RecordType::AAAA, "2001:db8::1")
            .has("classic.example.org.", RecordType::A, "192.0.2.2")
            .has("classic.example.org.", RecordType::TXT, "text")
    }

    pub(crate) fn has(mut self, name: &str, rtype: RecordType, text: &str) -> Self {
        let name: Name = name.parse().unwrap();
        let rdata = match rtype {
            RecordType::NID => text.parse::<Nid>().unwrap().to_wire(),
            RecordType::L64 => text.parse::<L64>().unwrap().to_wire(),
            RecordType::LP => text.parse::<Lp>().unwrap().to_wire(),
            RecordType::AAAA => text
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets()
                .to_vec(),
            RecordType::A => text.parse::<Ipv4Addr>().unwrap().octets().to_vec(),
            RecordType::CNAME | RecordType::PTR => text.parse::<Name>().unwrap().wire().to_vec(),
            _ => [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat(),
        };
        self.records.entry(name.clone()).or_default().push(Record {
            name,
            rtype,
            class: Class::IN,
            ttl: TTL,
            rdata: rdata.into(),
        });
        self
    }

    pub(crate) fn ttl(mut self, rtype: RecordType, ttl: u32) -> Self {
        self.ttls.insert(rtype, ttl);
        self
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Vec<u8> {
        let limit = match &asked.message.edns {
            _ if asked.tcp => 65_535,
            Some(edns) => edns.udp_payload.into(),
            None => 512,
        };
        self.response(&asked.message).to_wire(limit)
    }

    pub(crate) fn response(&self, request: &Message) -> Message {
        let mut response = Message {
            response: true,
            recursion_available: true,
            edns: request.edns.as_ref().map(|edns| Edns {
                udp_payload: 1400,
                ..edns.clone()
            }),
            ..request.clone()
        };
        let question = &request.questions[0];
        let mut name = question.name.clone();
        if !self.records.contains_key(&name) {
            response.rcode = Rcode::NXDOMAIN;
        }
        while let Some(records) = self.records.get(&name) {
            let of = |rtype| move |record: &&Record| record.rtype == rtype;
            let found = records.iter().filter(of(question.rtype)).cloned();
            response.answers.extend(found.map(|record| Record {
                ttl: self.ttls.get(&record.rtype).copied().unwrap_or(record.ttl),
                ..record
            }));
            let Some(alias) = records.iter().find(of(RecordType::CNAME)) else {
                break;
            };
            response.answers.push(alias.clone());
            name = Name::from_wire(&alias.rdata).unwrap();
        }
        if response
            .answers
            .iter()
            .all(|record| record.rtype != question.rtype)
        {
            response.authorities.push(soa());
        }
        response
    }
}

/// The SOA record of the zone, with a minimum of 20 s.
pub(crate) fn soa() -> Record {
    let names = b"\x02ns\x07example\x03org\x00\x04mail\x07example\x03org\x00";
    let numbers = [1_u32, 3600, 600, 86_400, 20].map(u32::to_be_bytes);
    Record {
        name: "example.org.".parse().unwrap(),
        rtype: RecordType::SOA,
        class: Class::IN,
        ttl: 3600,
        rdata: [&names[..], &numbers.concat()].concat().into(),
    }
}
