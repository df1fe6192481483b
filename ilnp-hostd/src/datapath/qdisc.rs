//! Removes the `clsact` queueing discipline that filters hang on, which aya only adds.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

const RECEIVE: usize = 32 * 1024;

/// Removes the discipline from an interface, unless filters of others use it.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn remove_unused(interface: u32) -> io::Result<()> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    for minor in [TcHandle::MIN_INGRESS, TcHandle::MIN_EGRESS] {
        let major = TcHandle::CLSACT.major;
        let filters = message(interface, TcHandle { major, minor })?;
        let request = RouteNetlinkMessage::GetTrafficFilter(filters);
        if ask(&socket, request, NLM_F_DUMP)? > 0 {
            return Ok(());
        }
    }
    let mut discipline = message(interface, TcHandle::CLSACT)?;
    discipline.attributes = vec![TcAttribute::Kind("clsact".to_owned())];
    let request = RouteNetlinkMessage::DelQueueDiscipline(discipline);
    ask(&socket, request, NLM_F_ACK).map(drop)
}

fn message(interface: u32, parent: TcHandle) -> io::Result<TcMessage> {
    let index = i32::try_from(interface).map_err(io::Error::other)?;
    let mut message = TcMessage::with_index(index);
    message.header.parent = parent;
    Ok(message)
}

/// Sends a request and counts the answers up to the last one.
fn ask(socket: &Socket, request: RouteNetlinkMessage, flags: u16) -> io::Result<usize> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(request));
    request.finalize();
    let mut octets = vec![0; request.buffer_len()];
    request.serialize(&mut octets);
    socket.send_to(&octets, &SocketAddr::new(0, 0), 0)?;

    let mut answers = 0;
    loop {
        let mut received = Vec::with_capacity(RECEIVE);
        socket.recv(&mut received, 0)?;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => answers += 1,
            }
            let length = usize::try_from(answer.header.length).map_err(io::Error::other)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
