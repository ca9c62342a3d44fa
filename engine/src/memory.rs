//! How the allocator gives memory back.

/// Blocks of this size get pages of their own, which go when they do: tables of the files that are looked at.
#[cfg(target_env = "gnu")]
const OWN_PAGES_BYTES: i32 = 1 << 20;
/// What a thread may keep of its free memory.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: i32 = 2 << 20;

/// Fixes two limits of glibc's allocator. By itself it raises them with the first large block that is freed, to 32 MB and
/// 64 MB: then the thread that looks at libraries keeps tens of megabytes for ever.
pub fn limit_kept() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

/// Gives free pages back wherever they lie: one small block at the end of a thread's arena keeps all before it, 21 MB of the
/// tables of files after a look at many. Takes milliseconds, for which nobody allocates.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers.
    unsafe {
        libc::malloc_trim(0);
    }
}
