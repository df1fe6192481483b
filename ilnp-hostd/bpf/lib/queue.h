/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The queue to the daemon, which is the ILNP interface's own.
 *
 * Packets of a session that is not proved yet can come far faster than the daemon reads them. If
 * they filled the queue, what proves the session, the answer to a challenge, would find no room in
 * it, and the session would stay in the daemon's hands for as long as the flood lasts. So data get
 * the smaller part of the queue, and ICMPv6 messages all of it. src/datapath/queue.rs is the other
 * half. */
#ifndef ILNP_QUEUE_H
#define ILNP_QUEUE_H

#include "drop.h"

/* Linux gives a TUN device a queue of 500. */
#define QUEUE_DATA 256
#define QUEUE_MOST 480

/* How many packets were ever left to the daemon, and how many of them it has read. */
enum queue_end {
	QUEUE_LEFT,
	QUEUE_READ,
	QUEUE_ENDS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, QUEUE_ENDS);
	__type(key, __u32);
	__type(value, __u64);
} ilnp_queue SEC(".maps");

/* Lets a packet into the queue unless `most` wait there. */
static __always_inline int enqueue(__s64 most)
{
	__u32 index = QUEUE_LEFT;
	__u64 *left = bpf_map_lookup_elem(&ilnp_queue, &index);
	__u64 *read;

	index = QUEUE_READ;
	read = bpf_map_lookup_elem(&ilnp_queue, &index);
	if (!left || !read || (__s64)(*left - *read) >= most) {
		count(DROP_SLOW_PATH_FULL);
		return 0;
	}
	__sync_fetch_and_add(left, 1);
	count(COUNT_TO_DAEMON);
	return 1;
}

/* Sends a packet from the wire to the daemon, through the ILNP interface. */
static __always_inline int to_daemon(const struct config *config, __u8 protocol)
{
	if (!enqueue(protocol == NEXT_ICMPV6 ? QUEUE_MOST : QUEUE_DATA))
		return TC_ACT_SHOT;
	return bpf_redirect(config->ifindex, 0);
}

#endif
