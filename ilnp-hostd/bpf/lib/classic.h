/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Packets without a Nonce that concern ILNP all the same. */
#ifndef ILNP_CLASSIC_H
#define ILNP_CLASSIC_H

#include "maps.h"
#include "upper.h"

#define ICMPV6_LAST_ERROR 4
#define ICMPV6_LOCATOR_UPDATE 156
#define ICMPV6_HEADER 8

/* Whether the daemon translates this flow between classic IPv6 and a handle. `ours` says which of
 * the packet's addresses is this host's: its destination, or in the quote of an error its source. */
static __always_inline int is_classic_flow(struct __sk_buff *skb, const struct ipv6 *ip,
					   __u32 offset, int ours_is_source)
{
	struct classic_flow flow = { .protocol = ip->lead.next_header };
	__be16 word[4];

	if (bpf_skb_load_bytes(skb, offset, word, sizeof(word)))
		return 0;
	flow.local = ours_is_source ? ip->source : ip->destination;
	flow.remote = ours_is_source ? ip->destination : ip->source;
	switch (flow.protocol) {
	case NEXT_TCP:
	case NEXT_UDP:
		flow.local_port = ours_is_source ? word[0] : word[1];
		flow.remote_port = ours_is_source ? word[1] : word[0];
		break;
	case NEXT_ICMPV6:
		flow.local_port = word[2];
		if ((word[0] & bpf_htons(0xff00)) !=
		    bpf_htons((ours_is_source ? ICMPV6_ECHO_REQUEST : ICMPV6_ECHO_REPLY) << 8))
			return 0;
		break;
	default:
		return 0;
	}
	return bpf_map_lookup_elem(&ilnp_classic, &flow) != NULL;
}

/* Whether an ICMPv6 message at `offset` is a Locator Update, or an error about a packet that ILNP
 * sent. */
static __always_inline int icmpv6_concerns_ilnp(struct __sk_buff *skb, const struct config *config,
						__u32 offset, int to_own_nid)
{
	struct ipv6 quoted;
	__u8 type;

	if (bpf_skb_load_bytes(skb, offset, &type, sizeof(type)))
		return 0;
	if (type == ICMPV6_LOCATOR_UPDATE)
		return to_own_nid;
	if (type == 0 || type > ICMPV6_LAST_ERROR)
		return 0;
	offset += ICMPV6_HEADER;
	if (bpf_skb_load_bytes(skb, offset, &quoted, sizeof(quoted)))
		return 0;
	if (quoted.lead.next_header == NEXT_DESTINATION_OPTIONS)
		return quoted.source.nid == config->nid;
	return config->flags & CONFIG_CLASSIC_FLOWS &&
	       is_classic_flow(skb, &quoted, offset + sizeof(quoted), 1);
}

#endif
