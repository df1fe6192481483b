/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tables that the daemon keeps and the programs read. src/datapath/maps.rs has the same
 * layouts; LAYOUT there must change with them. Identifiers, Locators and Nonces are in network
 * order, times and indices in the host's. */
#ifndef ILNP_MAPS_H
#define ILNP_MAPS_H

#include "ipv6.h"
#include "nonce.h"

#define HANDLE_PREFIXES 4
#define PEER_LOCATORS 8
#define SLOTS 16

/* When packets were last seen: `ns` on CLOCK_BOOTTIME, written again only when `tick` (jiffies) is
 * old, so that a busy flow neither reads a clock nor dirties a cache line for every packet. */
struct activity {
	__u64 ns;
	__u64 tick;
};

/* How to reach a correspondent. */
struct peer {
	__u64 locator;
	struct nonce_header header; /* as it goes on the wire, but for its next header */
	__u8 header_length;	    /* 8 or 16 */
	__u8 slot;
	__u8 pad[6];
	struct activity sent;
	struct nonce nonce_in; /* the daemon's own: leads to the entry in ilnp_nonces */
};

struct nonce_key {
	__u64 nid;
	struct nonce nonce;
};

/* Whom a Nonce proves a packet to be from. */
struct origin {
	__u64 handle_prefix;
	__u8 count;
	__u8 pad[7];
	struct activity heard;
	__u64 locators[PEER_LOCATORS];
	__u16 preference[PEER_LOCATORS]; /* the daemon's own, as is `expires` */
	__u64 expires[PEER_LOCATORS];
};

#define SLOT_PRESENT 1
#define SLOT_ROUTER 2
#define SLOT_PLANNED 4 /* the host is on its way there */

/* A source Locator with its way out. */
struct slot {
	__u64 locator;
	struct address router;
	__u32 ifindex;
	__u32 flags;
};

/* A flow that fell back to classic IPv6 (RFC 6744 §6). */
struct classic_flow {
	struct address remote;
	struct address local;
	__be16 remote_port;
	__be16 local_port;
	__u8 protocol;
	__u8 pad[3];
};

#define CONFIG_CLASSIC_FLOWS 1 /* ilnp_classic has entries */

struct config {
	__u64 nid;
	__u64 handle_prefixes[HANDLE_PREFIXES]; /* alias 0 first */
	__u32 ifindex;			     /* of the ILNP interface */
	__u32 flags;
	__u64 namespace; /* the daemon's own */
};

_Static_assert(sizeof(struct peer) == 64, "PeerValue");
_Static_assert(sizeof(struct nonce_key) == 24, "NonceKey");
_Static_assert(sizeof(struct origin) == 176, "OriginValue");
_Static_assert(sizeof(struct slot) == 32, "SlotValue");
_Static_assert(sizeof(struct classic_flow) == 40, "FlowKey");
_Static_assert(sizeof(struct config) == 56, "ConfigValue");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct address);
	__type(value, struct peer);
} ilnp_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct nonce_key);
	__type(value, struct origin);
} ilnp_nonces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} ilnp_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u32);
} ilnp_locators SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct classic_flow);
	__type(value, __u8);
} ilnp_classic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} ilnp_config SEC(".maps");

static __always_inline struct config *config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ilnp_config, &zero);
}

/* The slot at `index`, or NULL when it holds nothing. */
static __always_inline struct slot *slot_at(__u32 index)
{
	struct slot *slot = bpf_map_lookup_elem(&ilnp_slots, &index);

	return slot && slot->flags & SLOT_PRESENT ? slot : NULL;
}

static __always_inline int is_handle(const struct config *config, __u64 locator)
{
	/* Aliases differ in their last four octets only. */
	if ((__u32)locator != (__u32)config->handle_prefixes[0])
		return 0;
	return locator == config->handle_prefixes[0] || locator == config->handle_prefixes[1] ||
	       locator == config->handle_prefixes[2] || locator == config->handle_prefixes[3];
}

/* Whether a Locator is this host's own. Nearly always it is the preferred one, in slot 0. */
static __always_inline int is_own_locator(__u64 locator)
{
	struct slot *preferred = slot_at(0);

	return (preferred && preferred->locator == locator) ||
	       bpf_map_lookup_elem(&ilnp_locators, &locator);
}

/* An authenticated packet came to this Locator. When the host was on its way there, it has arrived,
 * and sends from there at once: the daemon of a machine that was moved wakes up among all that has
 * piled up meanwhile. It tells the correspondents and looks after the rest. */
static __always_inline void note_arrival(__u64 locator)
{
	struct slot *preferred = slot_at(0);
	struct slot *planned;
	__u32 *index;

	if (!preferred || preferred->locator == locator)
		return;
	index = bpf_map_lookup_elem(&ilnp_locators, &locator);
	planned = index ? slot_at(*index) : NULL;
	if (!planned || !(planned->flags & SLOT_PLANNED) || planned->locator != locator)
		return;
	planned->flags &= ~SLOT_PLANNED;
	*preferred = *planned;
}

#define STALE_TICKS 25 /* 25 ms to 250 ms, as the kernel was built */

static __always_inline void touch(struct activity *activity)
{
	__u64 tick = bpf_jiffies64();

	if (tick - activity->tick < STALE_TICKS)
		return;
	activity->tick = tick;
	activity->ns = bpf_ktime_get_boot_ns();
}

#endif
