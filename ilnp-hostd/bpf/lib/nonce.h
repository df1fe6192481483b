/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The Nonce option in its Destination Options header (RFC 6744 §2). */
#ifndef ILNP_NONCE_H
#define ILNP_NONCE_H

#include "ipv6.h"

#define OPTION_PAD1 0x00
#define OPTION_NONCE 0x8b

#define NONCE_SHORT 4
#define NONCE_LONG 12
/* Lengths of a header that holds nothing but a Nonce. */
#define HEADER_SHORT 8
#define HEADER_LONG 16

/* A Nonce with its length; octets past the length are zero. */
struct nonce {
	__u32 octets[3];
	__u8 length; /* 4 or 12 */
	__u8 pad[3];
};

/* A Destination Options header that begins with a Nonce option. */
struct nonce_header {
	__u8 next_header;
	__u8 length; /* in 8 octets, the first 8 not counted */
	__u8 option;
	__u8 option_length;
	__u32 nonce[3];
} __attribute__((aligned(8)));

_Static_assert(sizeof(struct nonce) == 16, "NonceValue");
_Static_assert(sizeof(struct nonce_header) == HEADER_LONG, "the longest header");

/* How long the header is when it holds a Nonce and nothing else, otherwise 0. */
static __always_inline __u32 lone_nonce(const struct nonce_header *header)
{
	if (header->option != OPTION_NONCE)
		return 0;
	if (header->length == 1 && header->option_length == NONCE_LONG)
		return HEADER_LONG;
	if (header->length == 0 && header->option_length == NONCE_SHORT)
		return HEADER_SHORT;
	return 0;
}

#define MOST_OPTIONS 32

/* Whether there is a Nonce among the first options of the header at `offset`. For packets that are
 * not on the fast path. */
static __always_inline int has_nonce(struct __sk_buff *skb, __u32 offset)
{
	__u8 header[2], option[2];
	__u32 end;

	if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
		return 0;
	end = offset + 8 + 8 * header[1];
	offset += sizeof(header);
	for (int i = 0; i < MOST_OPTIONS && offset < end; i++) {
		if (bpf_skb_load_bytes(skb, offset, option, sizeof(option)))
			return 0;
		if (option[0] == OPTION_NONCE)
			return 1;
		offset += option[0] == OPTION_PAD1 ? 1 : 2 + option[1];
	}
	return 0;
}

#endif
