//! Memory that is free goes back to the system, whether or not anything else happens.
//!
//! The allocator (mimalloc 3) keeps what was freed for a second, in case it is wanted again, and looks whether that second
//! is over when it frees the next page of its own. A gateway that comes to rest frees no more pages: it would keep for good
//! what its last load needed. A core looks once a second while it has clients, and else with the clock's slow beat.

use std::hint::black_box;
use std::time::Duration;

/// How often a core should [`settle`]: the allocator waits a second.
pub(crate) const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

/// A block of so many bytes has pages of its own, which are freed with it. Nobody touches them.
const OWN_PAGES: usize = 1 << 20;

/// Makes the allocator look for memory that has been free for long enough.
pub(crate) fn settle() {
    drop(black_box(Vec::<u8>::with_capacity(OWN_PAGES)));
}
