/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Checksums (RFC 1071, RFC 1624).
 *
 * TCP and UDP need none of this: a handle prefix adds up to zero, so the checksum over handles is
 * the ILNP checksum (RFC 6744 §3). ICMPv6 covers the addresses on the wire (RFC 6741 §4.3). */
#ifndef ILNP_CSUM_H
#define ILNP_CSUM_H

#include "ipv6.h"

/* One's complement sum of the two 32-bit halves. */
static __always_inline __u64 halves(__u64 word)
{
	return (word & 0xffffffff) + (word >> 32);
}

static __always_inline __u32 fold32(__u64 sum)
{
	sum = halves(sum);
	return (__u32)halves(sum);
}

static __always_inline __u16 fold16(__u64 sum)
{
	sum = fold32(sum);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* Adds a one's complement sum to the ICMPv6 checksum at `offset`. */
static __always_inline int adjust_icmpv6(struct __sk_buff *skb, __u32 offset, __u64 sum)
{
	__u16 checksum;

	if (bpf_skb_load_bytes(skb, offset, &checksum, sizeof(checksum)))
		return -1;
	checksum = ~fold16((__u16)~checksum + sum);
	return bpf_skb_store_bytes(skb, offset, &checksum, sizeof(checksum), 0);
}

#endif
