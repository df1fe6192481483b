//! Packets as logs and tests print them: one line each, in the manner of tcpdump.
//!
//! A Nonce is never printed, only its length.

use core::fmt;

use super::transport::tcp_flags::{ACK, FIN, PSH, RST, SYN, URG};
use super::{
    Headers, IcmpError, LocatorUpdate, Operation, Packet, Record, Transport, icmpv6, protocol,
};

/// How many Locators of an update are listed.
const LISTED: usize = 8;

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Headers::parse(&self.octets) {
            Ok(headers) => {
                headers_line(f, &headers)?;
                upper_layer(f, &headers, &self.octets)
            }
            Err(reason) => write!(f, "IP6 [{reason}], length {}", self.octets.len()),
        }
    }
}

fn headers_line(f: &mut fmt::Formatter<'_>, headers: &Headers) -> fmt::Result {
    write!(f, "IP6 {} > {}: ", headers.source, headers.destination)?;
    if let Some(found) = &headers.nonce {
        let beside = if found.alone { "" } else { " beside options" };
        write!(
            f,
            "nonce {} bits{beside}, ",
            found.nonce.as_slice().len() * 8
        )?;
    }
    if let Some(field) = &headers.fragment {
        let more = if field.more { "+" } else { "" };
        let id = field.identification;
        write!(f, "fragment {id:#010x} at {}{more}, ", field.offset)?;
    }
    Ok(())
}

fn upper_layer(f: &mut fmt::Formatter<'_>, headers: &Headers, octets: &[u8]) -> fmt::Result {
    let upper = headers.upper_layer(octets);
    match headers.transport(octets) {
        Transport::Tcp {
            source,
            destination,
            sequence,
            acknowledgement,
            flags,
        } => {
            let flags = Flags(flags);
            write!(f, "TCP {source} > {destination} [{flags}] seq {sequence}")?;
            write!(f, " ack {acknowledgement}")?;
        }
        Transport::Udp {
            source,
            destination,
        } => write!(f, "UDP {source} > {destination}")?,
        Transport::Echo {
            request,
            identifier,
            sequence,
        } => {
            let kind = if request { "request" } else { "reply" };
            write!(f, "ICMP6 echo {kind} id {identifier} seq {sequence}")?;
        }
        Transport::Icmp { kind, code } => icmp(f, kind, code, upper)?,
        Transport::Other if headers.protocol == protocol::NO_NEXT_HEADER => {
            f.write_str("no next header")?;
        }
        Transport::Other => write!(f, "protocol {}", headers.protocol)?,
    }
    write!(f, ", length {}", upper.len())
}

fn icmp(f: &mut fmt::Formatter<'_>, kind: u8, code: u8, message: &[u8]) -> fmt::Result {
    if kind == icmpv6::LOCATOR_UPDATE {
        return match LocatorUpdate::parse(message) {
            Ok(update) => locator_update(f, &update),
            Err(reason) => write!(f, "ICMP6 locator update [{reason}]"),
        };
    }
    match IcmpError::parse(message) {
        Ok(error) => icmp_error(f, &error),
        Err(_) => write!(f, "ICMP6 type {kind} code {code}"),
    }
}

fn locator_update(f: &mut fmt::Formatter<'_>, update: &LocatorUpdate) -> fmt::Result {
    let operation = match update.operation() {
        Operation::Advertisement => "advertisement",
        Operation::Acknowledgement => "acknowledgement",
    };
    write!(f, "ICMP6 locator update {operation} of")?;
    for Record {
        locator,
        preference,
        lifetime,
    } in update.records().iter().take(LISTED)
    {
        write!(f, " {locator} pref {} life {}", preference.0, lifetime.0)?;
    }
    match update.records().len().checked_sub(LISTED) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

fn icmp_error(f: &mut fmt::Formatter<'_>, error: &IcmpError<'_>) -> fmt::Result {
    let IcmpError { code, value, .. } = error;
    match error.kind {
        icmpv6::PACKET_TOO_BIG => write!(f, "ICMP6 packet too big, mtu {value}")?,
        icmpv6::PARAMETER_PROBLEM => {
            write!(f, "ICMP6 parameter problem code {code} at {value}")?;
        }
        icmpv6::TIME_EXCEEDED => write!(f, "ICMP6 time exceeded code {code}")?,
        _ => write!(f, "ICMP6 unreachable code {code}")?,
    }
    f.write_str(", about (")?;
    headers_line(f, &error.quoted)?;
    // A quote of a quote is not followed: its type is enough.
    match error.quoted.transport(error.quote) {
        Transport::Icmp { kind, code } => write!(f, "ICMP6 type {kind} code {code}")?,
        _ => upper_layer(f, &error.quoted, error.quote)?,
    }
    f.write_str(")")
}

/// TCP flags as tcpdump writes them.
struct Flags(u8);

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (FIN, "F"),
            (SYN, "S"),
            (RST, "R"),
            (PSH, "P"),
            (ACK, "."),
            (URG, "U"),
        ];
        for (flag, letter) in letters {
            if self.0 & flag != 0 {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}
