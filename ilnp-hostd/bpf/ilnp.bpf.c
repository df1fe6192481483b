/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The per-packet part of an ILNPv6 host: a cache of what the daemon decides.
 *
 *   ilnp_out     egress of the ILNP interface: handles become Locators, the Nonce goes in
 *   ilnp_in      ingress of an interface with a Locator: the Nonce goes out, handles come in
 *   ilnp_inject  ingress of the ILNP interface: what the daemon sends to the wire leaves by its slot,
 *                what it tells a TCP connection that stalled is completed
 *   ilnp_guard   egress of an interface with a Locator: no handle leaves this host
 *
 * What a program cannot handle goes to the daemon through the ILNP interface, which is a TUN
 * device: its packets begin with the IPv6 header. Those of the other interfaces begin with an
 * Ethernet header. Locators are the high halves of addresses, identifiers the low halves. */
#include "lib/classic.h"
#include "lib/csum.h"
#include "lib/drop.h"
#include "lib/ipv6.h"
#include "lib/maps.h"
#include "lib/nonce.h"
#include "lib/queue.h"
#include "lib/stalled.h"
#include "lib/upper.h"

#ifndef AF_INET6
#define AF_INET6 10
#endif

#define PAYLOAD_MOST 65535

/* Sends the packet, which has room for an Ethernet header in front, out of a slot. A router is named,
 * which saves the look-up of a route. A destination in the slot's own subnetwork is left to the
 * kernel's routes: they know whether it is a neighbour, and packets that wait for a neighbour to be
 * found need the route's destination entry. */
static __always_inline int leave_by(const struct slot *slot, const struct address *destination)
{
	struct bpf_redir_neigh hop = { .nh_family = AF_INET6 };

	if (!(slot->flags & SLOT_ROUTER) || destination->locator == slot->locator)
		return bpf_redirect_neigh(slot->ifindex, NULL, 0, 0);
	__builtin_memcpy(hop.ipv6_nh, &slot->router, sizeof(slot->router));
	return bpf_redirect_neigh(slot->ifindex, &hop, sizeof(hop), 0);
}

/* Puts an Ethernet header and a Nonce in front of the transport header. One change of the head
 * makes room for both; the old IPv6 header is then overwritten from behind, so transport header and
 * partial checksum stay where the kernel knows them to be. */
static __always_inline int send_translated(struct __sk_buff *skb, union lead lead,
					   const struct config *config, struct peer *peer,
					   const struct slot *slot, struct address destination,
					   const __u32 length)
{
	struct nonce_header *header;
	struct ipv6 *ip;
	void *data;

	if (bpf_skb_change_head(skb, ETH_HLEN + length, 0))
		return drop(DROP_NO_ROOM);
	data = first_octet(skb);
	if (data + ETH_HLEN + sizeof(*ip) + length > behind_last_octet(skb))
		return drop(DROP_NO_ROOM);

	ip = data + ETH_HLEN;
	header = (void *)(ip + 1);
	__builtin_memcpy(header, &peer->header, length);
	header->next_header = lead.next_header;
	lead.next_header = NEXT_DESTINATION_OPTIONS;
	lead.payload_length = bpf_htons(bpf_ntohs(lead.payload_length) + length);
	ip->lead.word = lead.word;
	ip->source.locator = slot->locator;
	ip->source.nid = config->nid;
	destination.locator = peer->locator;
	ip->destination = destination;

	touch(&peer->sent);
	count(COUNT_TRANSLATED_OUT);
	return leave_by(slot, &destination);
}

SEC("classifier")
int ilnp_out(struct __sk_buff *skb)
{
	struct ipv6 *ip = linear(skb, sizeof(*ip));
	struct config *own = config();
	struct address destination;
	struct peer *peer;
	struct slot *slot;
	union lead lead;
	int checksum;

	if (!ip || !own)
		return PASS;
	lead = ip->lead;
	destination = ip->destination;
	if (!is_version_6(lead) || !is_handle(own, destination.locator))
		return PASS;
	if (ip->source.locator != own->handle_prefixes[0] || ip->source.nid != own->nid)
		goto daemon;
	peer = bpf_map_lookup_elem(&ilnp_peers, &destination);
	if (!peer)
		goto daemon;
	slot = slot_at(peer->slot);
	if (!slot)
		goto daemon;
	if (bpf_ntohs(lead.payload_length) + sizeof(*ip) != skb->len ||
	    bpf_ntohs(lead.payload_length) > PAYLOAD_MOST - HEADER_LONG)
		goto daemon;
	checksum = classify_upper(skb, sizeof(*ip), lead.next_header);
	if (checksum == UPPER_SLOW)
		goto daemon;
	if (checksum != UPPER_PLAIN &&
	    adjust_icmpv6(skb, checksum, halves(slot->locator) + halves(peer->locator)))
		return drop(DROP_NO_ROOM);
	if (peer->header_length == HEADER_SHORT)
		return send_translated(skb, lead, own, peer, slot, destination, HEADER_SHORT);
	return send_translated(skb, lead, own, peer, slot, destination, HEADER_LONG);
daemon:
	return enqueue(QUEUE_DATA) ? PASS : TC_ACT_SHOT;
}

static __always_inline int has_locator(const struct origin *origin, __u64 locator)
{
	for (int i = 0; i < PEER_LOCATORS; i++) {
		if (i >= origin->count)
			return 0;
		if (origin->locators[i] == locator)
			return 1;
	}
	return 0;
}

/* Takes the Nonce out, writes handles, and lets the packet come in from the ILNP interface. */
static __always_inline int receive_translated(struct __sk_buff *skb, const struct ipv6 *wire,
					      const struct config *config, struct origin *origin,
					      __u8 next_header, const __u32 length)
{
	union lead lead = wire->lead;
	struct ipv6 *ip;
	void *data;

	if (bpf_skb_adjust_room(skb, -(__s32)length, BPF_ADJ_ROOM_NET,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return drop(DROP_NO_ROOM);
	data = first_octet(skb);
	if (data + ETH_HLEN + sizeof(*ip) > behind_last_octet(skb))
		return drop(DROP_NO_ROOM);

	ip = data + ETH_HLEN;
	lead.next_header = next_header;
	lead.payload_length = bpf_htons(bpf_ntohs(lead.payload_length) - length);
	ip->lead.word = lead.word;
	ip->source.locator = origin->handle_prefix;
	ip->destination.locator = config->handle_prefixes[0];

	touch(&origin->heard);
	count(COUNT_TRANSLATED_IN);
	return bpf_redirect(config->ifindex, BPF_F_INGRESS);
}

/* A packet to our identifier that begins with a Destination Options header. */
static __always_inline int receive_options(struct __sk_buff *skb, const struct config *config,
					   const struct ipv6 *ip)
{
	const __u32 offset = ETH_HLEN + sizeof(*ip);
	struct nonce_key key = { .nid = ip->source.nid };
	struct nonce_header header = {};
	struct origin *origin;
	__u64 locators;
	int checksum;
	__u32 length;
	void *data;

	data = linear(skb, offset + HEADER_SHORT);
	if (!data)
		return to_daemon(config, header.next_header);
	__builtin_memcpy(&header, (struct nonce_header *)(data + offset), HEADER_SHORT);
	length = lone_nonce(&header);
	if (length == HEADER_LONG) {
		data = linear(skb, offset + HEADER_LONG);
		if (!data)
			return to_daemon(config, header.next_header);
		header = *(struct nonce_header *)(data + offset);
	} else if (!length) {
		return to_daemon(config, header.next_header);
	}
	/* What a link put behind the packet, the kernel cuts off. */
	if (bpf_ntohs(ip->lead.payload_length) + offset > skb->len)
		return to_daemon(config, header.next_header);

	key.nonce.octets[0] = header.nonce[0];
	key.nonce.octets[1] = header.nonce[1];
	key.nonce.octets[2] = header.nonce[2];
	key.nonce.length = header.option_length;
	origin = bpf_map_lookup_elem(&ilnp_nonces, &key);
	if (!origin || !has_locator(origin, ip->source.locator) ||
	    !is_own_locator(ip->destination.locator))
		return to_daemon(config, header.next_header);
	checksum = classify_upper(skb, offset + length, header.next_header);
	if (checksum == UPPER_SLOW)
		return to_daemon(config, header.next_header);
	/* What an ICMPv6 checksum takes out, the addresses put in: the sum of the whole stays. */
	locators = halves(~ip->source.locator) + halves(~ip->destination.locator);
	if (checksum != UPPER_PLAIN && adjust_icmpv6(skb, checksum, locators))
		return drop(DROP_NO_ROOM);
	note_arrival(ip->destination.locator);
	if (length == HEADER_SHORT)
		return receive_translated(skb, ip, config, origin, header.next_header,
					  HEADER_SHORT);
	return receive_translated(skb, ip, config, origin, header.next_header, HEADER_LONG);
}

SEC("classifier")
int ilnp_in(struct __sk_buff *skb)
{
	const __u32 offset = ETH_HLEN + sizeof(struct ipv6);
	struct config *own = config();
	struct fragment fragment;
	int to_own_nid;
	struct ipv6 ip;
	void *data;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || skb->vlan_present || !own)
		return PASS;
	data = linear(skb, offset);
	if (!data)
		return PASS;
	ip = *(struct ipv6 *)(data + ETH_HLEN);
	if (!is_version_6(ip.lead))
		return PASS;
	if (is_handle(own, ip.source.locator) || is_handle(own, ip.destination.locator))
		return drop(DROP_HANDLE_ON_WIRE);

	if (is_multicast(ip.destination.locator)) {
		if (ip.lead.next_header == NEXT_DESTINATION_OPTIONS && has_nonce(skb, offset))
			return drop(DROP_NONCE_TO_MULTICAST);
		return PASS;
	}
	if (skb->pkt_type != PACKET_HOST)
		return PASS;
	to_own_nid = ip.destination.nid == own->nid;

	switch (ip.lead.next_header) {
	case NEXT_DESTINATION_OPTIONS:
		return to_own_nid ? receive_options(skb, own, &ip) : PASS;
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
		return to_own_nid ? to_daemon(own, ip.lead.next_header) : PASS;
	case NEXT_FRAGMENT:
		if (to_own_nid && !bpf_skb_load_bytes(skb, offset, &fragment, sizeof(fragment)) &&
		    fragment.next_header == NEXT_DESTINATION_OPTIONS)
			return to_daemon(own, NEXT_FRAGMENT);
		return PASS;
	case NEXT_ICMPV6:
		if (icmpv6_concerns_ilnp(skb, own, offset, to_own_nid))
			return to_daemon(own, NEXT_ICMPV6);
		break;
	}
	if (own->flags & CONFIG_CLASSIC_FLOWS && is_classic_flow(skb, &ip, offset, 0))
		return to_daemon(own, ip.lead.next_header);
	return PASS;
}

SEC("classifier")
int ilnp_inject(struct __sk_buff *skb)
{
	struct ipv6 *ip = linear(skb, sizeof(*ip));
	struct config *own = config();
	struct address destination;
	struct slot *slot;
	__u64 source;
	__u32 *index;

	if (!ip || !own || !is_version_6(ip->lead) || ip->source.nid != own->nid)
		return PASS;
	destination = ip->destination;
	source = ip->source.locator;
	index = bpf_map_lookup_elem(&ilnp_locators, &source);
	slot = index ? slot_at(*index) : NULL;
	if (!slot)
		return source == own->handle_prefixes[0] ? tell_stalled(skb) : PASS;
	if (bpf_skb_change_head(skb, ETH_HLEN, 0))
		return drop(DROP_NO_ROOM);
	count(COUNT_INJECTED);
	return leave_by(slot, &destination);
}

SEC("classifier")
int ilnp_guard(struct __sk_buff *skb)
{
	struct config *own = config();
	struct ipv6 *ip;
	void *data;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !own)
		return PASS;
	data = linear(skb, ETH_HLEN + sizeof(*ip));
	if (!data)
		return PASS;
	ip = data + ETH_HLEN;
	if (is_handle(own, ip->source.locator) || is_handle(own, ip->destination.locator))
		return drop(DROP_HANDLE_ON_WIRE);
	return PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
