/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* IPv6 headers as they lie in a packet (RFC 8200), and safe access to them. */
#ifndef ILNP_IPV6_H
#define ILNP_IPV6_H

#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum next_header {
	NEXT_HOP_BY_HOP = 0,
	NEXT_TCP = 6,
	NEXT_UDP = 17,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_ICMPV6 = 58,
	NEXT_NONE = 59,
	NEXT_DESTINATION_OPTIONS = 60,
};

/* Locator and Node Identifier, in network order (RFC 6741 §3.1). */
struct address {
	__u64 locator;
	__u64 nid;
};

/* The first eight octets of an IPv6 header, which travel as one word. */
union lead {
	struct {
		__u32 version_class_flow;
		__be16 payload_length;
		__u8 next_header;
		__u8 hop_limit;
	};
	__u64 word;
};

struct ipv6 {
	union lead lead;
	struct address source;
	struct address destination;
};

struct fragment {
	__u8 next_header;
	__u8 reserved;
	__be16 offset_and_flags;
	__be32 identification;
};

_Static_assert(sizeof(struct address) == 16, "an IPv6 address");
_Static_assert(sizeof(struct ipv6) == 40, "an IPv6 header");
_Static_assert(sizeof(struct fragment) == 8, "a Fragment header");

/* The compiler takes these two members for 32-bit numbers and may extend them, after which the
 * verifier no longer knows them as pointers; so they are loaded by hand. */
#define PACKET_POINTER(name, member)                                                               \
	static __always_inline void *name(const struct __sk_buff *skb)                             \
	{                                                                                          \
		void *pointer;                                                                     \
                                                                                                   \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(pointer)                                                       \
			     : "r"(skb), "i"(offsetof(struct __sk_buff, member)));                 \
		return pointer;                                                                    \
	}
PACKET_POINTER(first_octet, data)
PACKET_POINTER(behind_last_octet, data_end)

/* The packet from its first octet, with at least `length` octets to read and write, or NULL when
 * it is shorter than that. */
static __always_inline void *linear(struct __sk_buff *skb, __u32 length)
{
	void *data = first_octet(skb);

	if (data + length <= behind_last_octet(skb))
		return data;
	if (bpf_skb_pull_data(skb, length))
		return NULL;
	data = first_octet(skb);
	return data + length <= behind_last_octet(skb) ? data : NULL;
}

static __always_inline int is_version_6(union lead lead)
{
	return (lead.version_class_flow & bpf_htonl(0xf0000000)) == bpf_htonl(0x60000000);
}

static __always_inline int is_multicast(__u64 locator)
{
	return (locator & bpf_cpu_to_be64(0xff00000000000000)) ==
	       bpf_cpu_to_be64(0xff00000000000000);
}

#endif
