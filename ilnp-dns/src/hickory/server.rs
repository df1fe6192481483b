//! TCP by hickory's server: it accepts connections, frames messages and ends idle connections.
//!
//! What is answered is decided elsewhere: a [`RequestHandler`] hands the octets of a request on, and
//! turns the messages that come back into hickory's. UDP is not served so: a task for each datagram
//! costs more than its answer.
//!
//! Hickory does not count connections. What bounds them is the limit of file descriptors, which the
//! process raises as far as it may, and that each idle one is closed.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_net::runtime::Time;
use hickory_proto::op::{
    Edns, Header, HeaderCounts, Message as HickoryMessage, MessageType, Metadata, OpCode,
};
use hickory_proto::rr::rdata::{NULL, TSIG};
use hickory_proto::rr::{DNSClass, Name as HickoryName, RData, Record as HickoryRecord};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::exchange::unix_now;
use crate::message::Message;
use crate::record::Record;
use crate::tsig::Seal;

/// How many messages may wait to be written to a connection: those of the largest transfer, since
/// hickory writes none before the last one is there.
const WAITING: usize = 1 << 20;

/// Octets of a header.
const HEADER: usize = 12;

/// Answers requests.
pub(crate) trait Respond: Send + Sync + Unpin + 'static {
    /// Begins to answer a request, given by its octets. The answer ends when nobody is left to send.
    fn respond(&self, request: &[u8], from: SocketAddr) -> mpsc::Receiver<Sealed>;
}

/// A message of an answer.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// What it says.
    pub(crate) message: Message,
    /// What seals it; `None` for what sealed the message before.
    pub(crate) seal: Option<Seal>,
}

/// Serves the connections to a listener for ever. One on which nothing comes for
/// `idle` is closed.
pub(crate) async fn serve_tcp(
    listener: TcpListener,
    idle: Duration,
    responder: impl Respond,
) -> Result<(), String> {
    let mut server = Server::new(Handler(responder));
    server.register_listener(listener, idle, WAITING);
    let ended = server.block_until_done().await;
    ended.map_err(|error| error.to_string())
}

struct Handler<R>(R);

#[async_trait::async_trait]
impl<R: Respond> RequestHandler for Handler<R> {
    async fn handle_request<H: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut handle: H,
    ) -> ResponseInfo {
        let mut answer = self.0.respond(request.as_slice(), request.src());
        let mut info = nothing(request);
        let mut seal = Seal::Open;
        while let Some(next) = answer.recv().await {
            seal = next.seal.unwrap_or(seal);
            match send(&mut handle, request, &next.message, &mut seal).await {
                Ok(sent) => info = sent,
                Err(error) => {
                    tracing::debug!(peer = %request.src(), error, "an answer was not sent");
                    break;
                }
            }
        }
        info
    }
}

/// What is said of a request that is not answered.
fn nothing(request: &Request) -> ResponseInfo {
    ResponseInfo::from(Header {
        metadata: Metadata::response_from_request(&request.metadata),
        counts: HeaderCounts::default(),
    })
}

/// Sends a message. It is made twice: what is signed are its octets.
async fn send(
    handle: &mut impl ResponseHandler,
    request: &Request,
    message: &Message,
    seal: &mut Seal,
) -> Result<ResponseInfo, String> {
    let parts = Parts::new(request, message)?;
    let signature = parts.signature(seal)?;
    let mut response = parts.response();
    if let Some(signature) = signature {
        response.set_signature(signature);
    }
    let sent = handle.send_response(response).await;
    sent.map_err(|error| error.to_string())
}

/// What [`Parts`] make.
type Response<'a, I> = MessageResponse<'a, 'a, I, I, I, I>;

/// A message as hickory has it.
struct Parts {
    metadata: Metadata,
    queries: Queries,
    answers: Vec<HickoryRecord>,
    authorities: Vec<HickoryRecord>,
    additionals: Vec<HickoryRecord>,
    edns: Option<Edns>,
}

impl Parts {
    fn new(request: &Request, message: &Message) -> Result<Self, String> {
        let octets = request.as_slice().get(HEADER..).unwrap_or_default();
        // The question is repeated as it came; later messages of a transfer have none.
        let queries = Queries::read(&mut BinDecoder::new(octets), message.questions.len());
        Ok(Self {
            metadata: metadata(message),
            queries: queries.map_err(|error| error.to_string())?,
            answers: all(&message.answers)?,
            authorities: all(&message.authorities)?,
            additionals: all(&message.additionals)?,
            edns: message.edns.as_ref().map(edns),
        })
    }

    fn response(&self) -> Response<'_, std::slice::Iter<'_, HickoryRecord>> {
        let builder = MessageResponseBuilder::new(&self.queries, self.edns.as_ref());
        builder.build(
            self.metadata,
            &self.answers,
            &self.authorities,
            &[],
            &self.additionals,
        )
    }

    /// The TSIG record that `seal` adds.
    fn signature(&self, seal: &mut Seal) -> Result<Option<Box<HickoryRecord<TSIG>>>, String> {
        let mut octets = Vec::new();
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(u16::MAX);
        let emitted = self.response().destructive_emit(&mut encoder);
        emitted.map_err(|error| error.to_string())?;
        let unsigned = octets.len();
        seal.apply(&mut octets, unix_now());
        if octets.len() > usize::from(u16::MAX) {
            return Err("no room for the signature".to_owned());
        }
        let appended = &octets[unsigned..];
        if appended.is_empty() {
            return Ok(None);
        }
        let mut decoder = BinDecoder::new(appended);
        match HickoryMessage::read_records(&mut decoder, 1, true, self.metadata.op_code) {
            Ok((_, _, signature)) => Ok(signature),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn metadata(message: &Message) -> Metadata {
    let op_code = OpCode::from_u8(message.opcode.0);
    let mut metadata = Metadata::new(message.id, MessageType::Response, op_code);
    metadata.authoritative = message.authoritative;
    metadata.truncation = message.truncated;
    metadata.recursion_desired = message.recursion_desired;
    metadata.recursion_available = message.recursion_available;
    metadata.authentic_data = message.authentic_data;
    metadata.checking_disabled = message.checking_disabled;
    metadata.response_code = message.rcode.0.into();
    metadata
}

fn edns(given: &crate::message::Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_version(given.version)
        .set_max_payload(given.udp_payload)
        .set_dnssec_ok(given.dnssec_ok);
    edns
}

fn all(records: &[Record]) -> Result<Vec<HickoryRecord>, String> {
    records.iter().map(record).collect()
}

/// RDATA goes as it is, so that hickory need not know the type.
fn record(record: &Record) -> Result<HickoryRecord, String> {
    let name = HickoryName::read(&mut BinDecoder::new(record.name.wire()));
    let rdata = RData::Unknown {
        code: record.rtype.0.into(),
        rdata: NULL::with(record.rdata.to_vec()),
    };
    let name = name.map_err(|error| error.to_string())?;
    let mut made = HickoryRecord::from_rdata(name, record.ttl, rdata);
    made.dns_class = DNSClass::from(record.class.0);
    Ok(made)
}
