/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What stands behind the Nonce, and whether it needs the daemon. */
#ifndef ILNP_UPPER_H
#define ILNP_UPPER_H

#include "ipv6.h"

#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* Not for the fast path. */
#define UPPER_SLOW -1
/* For the fast path, and no checksum follows the addresses. */
#define UPPER_PLAIN 0

static __always_inline int echo_checksum(struct __sk_buff *skb, __u32 offset)
{
	__u8 icmpv6[8];

	if (bpf_skb_load_bytes(skb, offset, icmpv6, sizeof(icmpv6)))
		return UPPER_SLOW;
	if (icmpv6[0] != ICMPV6_ECHO_REQUEST && icmpv6[0] != ICMPV6_ECHO_REPLY)
		return UPPER_SLOW;
	return (int)offset + 2;
}

/* Whether the header `protocol` at `offset` can go by the fast path: UPPER_SLOW, UPPER_PLAIN, or
 * the offset of the ICMPv6 checksum to correct. An extension header in a fragment may hide a Nonce,
 * and ICMPv6 may be a Locator Update, of which the daemon needs every fragment: both are slow. */
static __always_inline int classify_upper(struct __sk_buff *skb, __u32 offset, __u8 protocol)
{
	struct fragment fragment;

	switch (protocol) {
	case NEXT_TCP:
	case NEXT_UDP:
		return UPPER_PLAIN;
	case NEXT_ICMPV6:
		return echo_checksum(skb, offset);
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_DESTINATION_OPTIONS:
	case NEXT_NONE:
		return UPPER_SLOW;
	case NEXT_FRAGMENT:
		break;
	default:
		return UPPER_PLAIN;
	}
	if (bpf_skb_load_bytes(skb, offset, &fragment, sizeof(fragment)))
		return UPPER_SLOW;
	switch (fragment.next_header) {
	case NEXT_ICMPV6:
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_DESTINATION_OPTIONS:
	case NEXT_FRAGMENT:
	case NEXT_NONE:
		return UPPER_SLOW;
	default:
		return UPPER_PLAIN;
	}
}

#endif
