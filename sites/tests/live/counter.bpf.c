// SPDX-License-Identifier: GPL-2.0
// Counts the bytes that sites tell. Test only: it shows that what is said of a site is what happens
// there.
#include <linux/bpf.h>

// What libbpf's headers would bring: a test has no way to find them.
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

static void *(*const bpf_map_lookup_elem)(void *map,
					  const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
					 __u64 flags) = (void *)BPF_FUNC_map_update_elem;
static long (*const bpf_map_delete_elem)(void *map,
					 const void *key) = (void *)BPF_FUNC_map_delete_elem;
static long (*const bpf_probe_read_user)(void *to, __u32 bytes,
					 const void *from) = (void *)BPF_FUNC_probe_read_user;
static long (*const bpf_probe_read_kernel)(void *to, __u32 bytes,
					   const void *from) = (void *)BPF_FUNC_probe_read_kernel;
static __u64 (*const bpf_get_attach_cookie)(void *context) = (void *)BPF_FUNC_get_attach_cookie;
static __u64 (*const bpf_get_current_pid_tgid)(void) = (void *)BPF_FUNC_get_current_pid_tgid;

#define MAX_SITES 256
#define STACK_POINTER 19
#define REGISTERS 21
#define R14 1

enum outcome {
	COUNT_IN_RESULT,
	OK_AND_COUNT_BEHIND_ARGUMENT,
	OK_AND_COUNT_ON_STACK,
	OK_ONLY,
	FAILED,
	FAILED_IF_NOT_POSITIVE,
	FAILED_IF_NEGATIVE,
	FAILED_IF_ZERO
};

enum goroutine { NONE, BY_REGISTER, BY_STACK };

// Written by the test, index = cookie.
struct site {
	__u32 is_leave;
	__u32 direction;
	__s32 frame_offset;
	// Index of the register of the result, or -1: on the stack at frame + result_offset.
	__s32 result_register;
	__s32 result_offset;
	__u32 result_bytes;
	__u32 outcome;
	__s32 count_offset;
	// Index of the register of the pointer to the count at enter, or -1.
	__s32 count_register;
	__u32 is_last;
	// Added to the result: index of a register, or -1 and offset from the frame; 0 and 0 for
	// nothing.
	__s32 plus_register;
	__s32 plus_offset;
	// The caller is a goroutine, not a thread: it may come back on another, and with its stack
	// elsewhere. Where no register says which one it is, its stack must stay where it is.
	__u32 goroutine;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SITES);
	__type(key, __u32);
	__type(value, struct site);
} sites SEC(".maps");

struct call {
	__u64 thread;
	__u64 frame;
	__u64 direction;
};

// Calls that have begun; inserted at enter, deleted at leave.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct call);
	__type(value, __u64);
} calls SEC(".maps");

struct registers {
	__u64 at[REGISTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct registers);
} scratch SEC(".maps");

struct total {
	__u64 enters;
	__u64 leaves;
	__u64 ends;
	__u64 unmatched;
	__u64 with_bytes;
	__u64 bytes;
};

// By direction.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

static __u64 value(const struct registers *registers, __s32 index)
{
	if (index < 0 || index >= REGISTERS)
		return 0;
	return registers->at[index];
}

static __s64 sign(__u64 value, __u32 bytes)
{
	return bytes == 4 ? (__s64)(__s32)value : (__s64)value;
}

static void enter(const struct site *site, const struct registers *registers,
		  const struct call *key, struct total *total)
{
	__u64 count = value(registers, site->count_register);

	__sync_fetch_and_add(&total->enters, 1);
	bpf_map_update_elem(&calls, key, &count, BPF_ANY);
}

static __u64 value_at(const struct registers *registers, __s32 index, __s32 offset, __u64 frame)
{
	__u64 found = 0;

	if (index >= 0)
		return value(registers, index);
	bpf_probe_read_user(&found, sizeof(found), (void *)(frame + offset));
	return found;
}

static void leave(const struct site *site, const struct registers *registers,
		  const struct call *key, __u64 frame, struct total *total)
{
	__u64 *begun = bpf_map_lookup_elem(&calls, key);
	__u64 count = 0, result;
	__s64 told;

	__sync_fetch_and_add(&total->leaves, 1);
	if (!begun) {
		__sync_fetch_and_add(&total->unmatched, 1);
		return;
	}
	result = value_at(registers, site->result_register, site->result_offset, frame);
	if (site->plus_register || site->plus_offset)
		result += value_at(registers, site->plus_register, site->plus_offset, frame);
	told = sign(result, site->result_bytes);
	if ((site->outcome == FAILED_IF_NOT_POSITIVE && told > 0) ||
	    (site->outcome == FAILED_IF_NEGATIVE && told >= 0) ||
	    (site->outcome == FAILED_IF_ZERO && told))
		return;
	if (site->outcome >= FAILED)
		told = 0;
	if (told > 0) {
		switch (site->outcome) {
		case COUNT_IN_RESULT:
			count = told;
			break;
		case OK_AND_COUNT_BEHIND_ARGUMENT:
			bpf_probe_read_user(&count, sizeof(count), (void *)*begun);
			break;
		case OK_AND_COUNT_ON_STACK:
			bpf_probe_read_user(&count, sizeof(count),
					    (void *)(frame + site->count_offset));
			break;
		}
		__sync_fetch_and_add(&total->with_bytes, 1);
		__sync_fetch_and_add(&total->bytes, count);
	}
	if (told > 0 || site->is_last) {
		__sync_fetch_and_add(&total->ends, 1);
		bpf_map_delete_elem(&calls, key);
	}
}

SEC("uprobe")
int count(void *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx), zero = 0;
	struct site *site = bpf_map_lookup_elem(&sites, &index);
	struct registers *registers = bpf_map_lookup_elem(&scratch, &zero);
	struct call key = {};
	__u64 frame, upper = 0;
	struct total *total;
	__u32 direction;

	if (!site || !registers)
		return 0;
	direction = site->direction;
	total = bpf_map_lookup_elem(&totals, &direction);
	if (!total)
		return 0;
	bpf_probe_read_kernel(registers, sizeof(*registers), ctx);
	key.thread = bpf_get_current_pid_tgid();
	frame = registers->at[STACK_POINTER] + (__s64)site->frame_offset;
	key.frame = frame;
	if (site->goroutine == BY_STACK) {
		key.thread = key.thread >> 32;
	} else if (site->goroutine == BY_REGISTER) {
		// runtime.g begins with the bounds of the stack: a frame's distance from the upper
		// one stays.
		key.thread = registers->at[R14];
		bpf_probe_read_user(&upper, sizeof(upper), (void *)(key.thread + 8));
		key.frame = upper - frame;
	}
	key.direction = direction;
	if (site->is_leave)
		leave(site, registers, &key, frame, total);
	else
		enter(site, registers, &key, total);
	return 0;
}

// What a probe costs without any work.
SEC("uprobe")
int nothing(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
