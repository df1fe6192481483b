/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Verdicts, each with its counter. */
#ifndef ILNP_DROP_H
#define ILNP_DROP_H

#include <linux/pkt_cls.h>

#include "drop_reasons.h"
#include "maps.h"

/* Below COUNTERS_FLOW: drops by reason. */
enum counter {
	COUNTERS_FLOW = 64,
	COUNT_TRANSLATED_OUT = COUNTERS_FLOW,
	COUNT_TRANSLATED_IN,
	COUNT_TO_DAEMON,
	COUNT_INJECTED,
	COUNTERS,
};

_Static_assert((int)DROP_REASONS <= (int)COUNTERS_FLOW, "drop reasons need more room");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} ilnp_counters SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&ilnp_counters, &counter);

	if (value)
		*value += 1;
}

static __always_inline int drop(enum drop_reason reason)
{
	count(reason);
	return TC_ACT_SHOT;
}

/* Leaves the packet to whatever comes after this program. */
#define PASS TC_ACT_UNSPEC

#endif
