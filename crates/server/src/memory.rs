//! The allocator of the program, and of every benchmark that links it.

/// A call is a hundred small allocations, made and freed in the thread of its shard, and the
/// system's allocator takes a seventh of its instructions (docs/decisions/0075).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps huge pages out of this process and its children. To be called first: the allocator asks
/// for them, gives memory back after a few milliseconds, and takes it again, so that the kernel
/// clears two megabytes for a few kilobytes, all day long (docs/decisions/0075).
pub fn keep_to_small_pages() {
    // A kernel that cannot costs time, and nothing else.
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay");
    }
}
