//! Packets as people read them.

use ilnp_core::id::{Lifetime, Preference};
use ilnp_core::wire::translate::{Outward, outward};
use ilnp_core::wire::{LocatorUpdate, Packet, Record, build, icmpv6, protocol};

use crate::support::{A, B, LONG, SHORT, handle, ipv6, nonce, octets};

#[test]
fn a_line_says_who_and_what() {
    let tcp = octets("c000 0050 00000001 00000000 5002 ffff 5259 0000");
    insta::assert_snapshot!(
        ipv6(handle(A), handle(B), protocol::TCP, &tcp),
        @"IP6 fd69:6c6e:7000:2627:214:4fff:fe20:ee64 > fd69:6c6e:7000:2627:216:6fff:fe22:ee66: TCP 49152 > 80 [S] seq 1 ack 0, length 20"
    );
    let udp = octets("c000 0035 000c 0000 696c6e70");
    insta::assert_snapshot!(
        sent(&ipv6(handle(A), handle(B), protocol::UDP, &udp)),
        @"IP6 2001:db8:1140:1000:214:4fff:fe20:ee64 > 2001:db8:4140:4000:216:6fff:fe22:ee66: nonce 96 bits, UDP 49152 > 53, length 12"
    );
    let fragment = octets("11 00 05a9 00000007 0102030405060708");
    insta::assert_snapshot!(
        sent(&ipv6(handle(A), handle(B), protocol::FRAGMENT, &fragment)),
        @"IP6 2001:db8:1140:1000:214:4fff:fe20:ee64 > 2001:db8:4140:4000:216:6fff:fe22:ee66: nonce 96 bits, fragment 0x00000007 at 1448+, protocol 17, length 8"
    );
    insta::assert_snapshot!(
        build::gratuitous(A, B, &nonce(&SHORT)),
        @"IP6 2001:db8:1140:1000:214:4fff:fe20:ee64 > 2001:db8:4140:4000:216:6fff:fe22:ee66: nonce 32 bits, no next header, length 0"
    );
    insta::assert_snapshot!(Packet::new(vec![0x60; 12]), @"IP6 [malformed], length 12");
}

#[test]
fn icmpv6_messages_are_named() {
    let echo = icmpv6::echo_request(handle(A), handle(B), 7, 1, b"ilnp");
    insta::assert_snapshot!(
        ipv6(handle(A), handle(B), protocol::ICMPV6, &echo),
        @"IP6 fd69:6c6e:7000:2627:214:4fff:fe20:ee64 > fd69:6c6e:7000:2627:216:6fff:fe22:ee66: ICMP6 echo request id 7 seq 1, length 12"
    );
    let record = Record {
        locator: A.locator,
        preference: Preference(10),
        lifetime: Lifetime(300),
    };
    let update = LocatorUpdate::advertisement(vec![record; 10]).unwrap();
    let message = update.emit(A.address(), B.address());
    let packet = build::icmpv6(A, B, &nonce(&LONG), &message);
    assert!(
        packet
            .to_string()
            .ends_with(" 2001:db8:1140:1000::/64 pref 10 life 300 and 2 more, length 128")
    );
    let quote = [&[2, 0, 0, 0, 0, 0, 5, 120], &packet.octets[..]].concat();
    let error = ipv6(handle(B), A.address(), protocol::ICMPV6, &quote).to_string();
    assert!(error.contains("ICMP6 packet too big, mtu 1400, about (IP6 2001:db8:1140:1000:"));
    assert!(
        error.ends_with("nonce 96 bits, ICMP6 type 156 code 0), length 192"),
        "{error}"
    );
}

#[test]
fn a_nonce_is_not_printed() {
    let packet = build::gratuitous(A, B, &nonce(&SHORT));
    let debug = format!("{:?}", nonce(&SHORT));
    for text in [packet.to_string(), debug] {
        assert!(!text.contains("a1") && !text.contains("161"), "{text}");
    }
}

fn sent(packet: &Packet) -> Packet {
    let to_b = Outward {
        source: A.locator,
        destination: B.locator,
        nonce: nonce(&LONG),
    };
    outward(packet, &to_b).expect("a plain packet")
}
