/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the daemon tells a TCP connection whose retransmissions were lost while there was no way
 * (RFC 6069): no route, about the first octet that is not acknowledged. Only the kernel knows its
 * number, so the daemon leaves it out, and it is written here. */
#ifndef ILNP_STALLED_H
#define ILNP_STALLED_H

#include "csum.h"
#include "drop.h"

/* From this host to itself; the quoted segment is as this host sent it. */
struct stalled {
	struct ipv6 ip;
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 unused;
	struct ipv6 quoted;
	__be16 local_port;
	__be16 remote_port;
	__be32 sequence; /* 0, and so in the checksum */
};

_Static_assert(sizeof(struct stalled) == 96, "driver/stalled.rs");

/* Writes the number of the connection's first octet that is not acknowledged. Returns whether the
 * connection has lost retransmissions: one that is not established yet would end by the message, and
 * all others have nothing to gain. */
static __always_inline int complete(struct __sk_buff *skb, const struct stalled *message,
				    __be32 *sequence)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_tcp_sock *tcp;
	struct bpf_sock *sock;
	int stalled = 0;

	__builtin_memcpy(tuple.ipv6.saddr, &message->quoted.destination, sizeof(struct address));
	__builtin_memcpy(tuple.ipv6.daddr, &message->quoted.source, sizeof(struct address));
	tuple.ipv6.sport = message->remote_port;
	tuple.ipv6.dport = message->local_port;
	sock = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	if (!sock)
		return 0;
	switch (sock->state) {
	case BPF_TCP_ESTABLISHED:
	case BPF_TCP_FIN_WAIT1:
	case BPF_TCP_CLOSE_WAIT:
	case BPF_TCP_CLOSING:
	case BPF_TCP_LAST_ACK:
		tcp = bpf_tcp_sock(sock);
		if (tcp && tcp->icsk_retransmits) {
			*sequence = bpf_htonl(tcp->snd_una);
			stalled = 1;
		}
	}
	bpf_sk_release(sock);
	return stalled;
}

/* What has no use is dropped uncounted: nobody sent it. */
static __always_inline int tell_stalled(struct __sk_buff *skb)
{
	struct stalled *message = linear(skb, sizeof(*message));
	__be32 sequence = 0;

	if (!message || !complete(skb, message, &sequence))
		return TC_ACT_SHOT;
	message->sequence = sequence;
	if (adjust_icmpv6(skb, offsetof(struct stalled, checksum), sequence))
		return TC_ACT_SHOT;
	return PASS;
}

#endif
