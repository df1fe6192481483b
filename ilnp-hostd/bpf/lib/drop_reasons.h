/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Written by `cargo xtask bpf` from ilnp-core/src/drop_reason.rs. */
#ifndef ILNP_DROP_REASONS_H
#define ILNP_DROP_REASONS_H

enum drop_reason {
	/* A handle as source or destination on a physical interface: a forgery or a leak. */
	DROP_HANDLE_ON_WIRE = 0,
	/* A Nonce option in a packet to a multicast group. */
	DROP_NONCE_TO_MULTICAST = 1,
	/* Headers that are cut short or contradict each other. */
	DROP_MALFORMED = 2,
	/* More than one Nonce option (RFC 6744 §2). */
	DROP_NONCE_REPEATED = 3,
	/* A Nonce that is neither 32 nor 96 bits long. */
	DROP_NONCE_LENGTH = 4,
	/* A correspondent's identifier with a Nonce that is not its own. */
	DROP_NONCE_WRONG = 5,
	/* A Nonce from a node that is no correspondent, in a packet that starts no session. */
	DROP_NONCE_UNKNOWN = 6,
	/* A packet whose Nonce belongs to one of our identifiers but whose destination is not ours. */
	DROP_NOT_OURS = 7,
	/* A Locator Update without a Nonce. */
	DROP_UPDATE_WITHOUT_NONCE = 8,
	/* A Locator Update with the wrong Nonce. */
	DROP_UPDATE_WRONG_NONCE = 9,
	/* A Locator Update from a node that is no correspondent. */
	DROP_UPDATE_NOT_CORRESPONDENT = 10,
	/* A Locator Update with a wrong code, operation, count or length. */
	DROP_UPDATE_MALFORMED = 11,
	/* A Locator Update in which no Locator is usable. */
	DROP_UPDATE_NO_USABLE_LOCATOR = 12,
	/* More Locator Updates from one correspondent than are processed. */
	DROP_UPDATE_RATE = 13,
	/* An acknowledgement of an update that was not sent. */
	DROP_UPDATE_UNASKED = 14,
	/* An ICMPv6 message whose checksum is wrong. */
	DROP_ICMP_CHECKSUM = 15,
	/* An ICMPv6 error that claims to come from a correspondent and lacks its Nonce. */
	DROP_ICMP_FORGED = 16,
	/* An ICMPv6 error that quotes no packet of an ILNP session. */
	DROP_ICMP_UNMATCHED = 17,
	/* No room for another correspondent. */
	DROP_CORRESPONDENTS_FULL = 18,
	/* No room for another session that is not yet proved. */
	DROP_TENTATIVE_FULL = 19,
	/* A packet to a handle of which nothing is known. */
	DROP_NO_CORRESPONDENT = 20,
	/* No Locator to send from. */
	DROP_NO_LOCATOR = 21,
	/* A packet that is larger than the link carries. */
	DROP_PACKET_TOO_BIG = 22,
	/* A fragment that could not be kept or put together. */
	DROP_FRAGMENT = 23,
	/* The kernel had no room to insert or remove the Nonce option. */
	DROP_NO_ROOM = 24,
	/* A packet on the ILNP interface that is neither to a handle nor from the wire. */
	DROP_NOT_TO_HANDLE = 25,
	/* A packet that waited for its session to start and was pushed out by others. */
	DROP_QUEUE_FULL = 26,
	/* A packet from or to an identifier that this host must not use, because a copy of it does. */
	DROP_FENCED = 27,
	/* A packet for the daemon, when as many waited for it as may. */
	DROP_SLOW_PATH_FULL = 28,
	DROP_REASONS,
};

#endif
