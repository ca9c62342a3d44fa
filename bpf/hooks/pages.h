/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that are known by their struct page only: fragments of a received packet, what sendfile and
 * splice send. The kernel maps all memory at page * (PAGE_SIZE / sizeof(struct page)) + constant;
 * both bases behind that constant are randomised and not exported, but any page whose address is
 * known gives it. A slab with a free object is one: it is a struct page, and its free list an
 * address within.
 */
#ifndef ROVER_HOOK_PAGES_H
#define ROVER_HOOK_PAGES_H

#define PAGE_BYTES 4096
#define RV_CACHES_MAX 128
#define RV_FRAGMENTS_MAX 17 /* MAX_SKB_FRAGS by default */

/* The constant; 0 until it is known, 1 if it could not be found. */
SEC(".data.pages") volatile u64 rv_page_constant = 0;

struct rv_page_search {
	u64 first; /* list head of the first cache */
	u64 link;
	u64 found[2];
};

static long rv_try_cache(u32 index, void *context)
{
	struct rv_page_search *search = context;
	struct kmem_cache *cache =
		(struct kmem_cache *)(search->link -
				      bpf_core_field_offset(struct kmem_cache, list));
	struct kmem_cache_node *node;
	struct slab *slab;
	u64 page, partial, free;

	/* One page each: then the free list lies in the very page. OO_SHIFT is 16. */
	if (!bpf_core_field_exists(cache->node))
		return 1;
	node = BPF_CORE_READ(cache, node[0]);
	if (node && BPF_CORE_READ(cache, oo.x) >> 16 == 0) {
		partial = (u64)BPF_CORE_READ(node, partial.next);
		if (partial &&
		    partial != (u64)node + bpf_core_field_offset(struct kmem_cache_node, partial)) {
			page = partial - bpf_core_field_offset(struct slab, slab_list);
			slab = (struct slab *)page;
			free = (u64)BPF_CORE_READ(slab, freelist) & ~(u64)(PAGE_BYTES - 1);
			if (free) {
				free -= page * (PAGE_BYTES / bpf_core_type_size(struct page));
				/* Two caches must agree: a slab may change while it is looked at.
				 */
				if (free == search->found[0])
					search->found[1] = free;
				search->found[0] = free;
			}
		}
	}
	search->link = (u64)BPF_CORE_READ(cache, list.next);
	return search->found[1] || !search->link || search->link == search->first;
}

/* Address of a page; 0 if that cannot be told. */
static __always_inline u64 rv_page_address(u64 page)
{
	return page * (PAGE_BYTES / bpf_core_type_size(struct page)) + rv_page_constant;
}

static __always_inline bool rv_knows_pages(struct sock *sk)
{
	struct rv_page_search search = {};
	u64 cache;

	if (rv_page_constant)
		return rv_page_constant != 1;
	cache = (u64)BPF_CORE_READ(sk, __sk_common.skc_prot, slab);
	if (cache && bpf_core_field_exists(((struct slab *)0)->freelist) &&
	    bpf_core_field_exists(((struct kmem_cache *)0)->node)) {
		search.first = search.link = cache + bpf_core_field_offset(struct kmem_cache, list);
		bpf_loop(RV_CACHES_MAX, rv_try_cache, &search, 0);
	}
	rv_page_constant = search.found[1] ? search.found[1] : 1;
	return search.found[1] != 0;
}

#endif
