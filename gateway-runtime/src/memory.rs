//! Memory that is free goes back to the system, whether or not anything else happens.
//!
//! The allocator (mimalloc 3) keeps what was freed for a second, in case it is wanted again, and looks whether that second
//! is over when it frees the next page of its own. A gateway that comes to rest frees no more pages: it would keep for good
//! what its last load needed. A core looks once a second while it has clients and for some seconds after, and else with the
//! clock's slow beat.
//!
//! Of each size of block an emptied page is kept for longer, since the next block of that size is often asked for at once.
//! How long is counted in requests for memory that took the allocator's long way, and a gateway at rest makes none. After a
//! load of bodies of all sizes that was 15 MiB.

use std::hint::black_box;
use std::time::Duration;

/// How often a core should [`settle`]: the allocator waits a second.
pub(crate) const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

/// How often a core that has come to rest should [`settle`], until there is nothing left to give back: all that is counted
/// below has been counted then, and a second has passed.
pub(crate) const SETTLED_AFTER: u32 = 6;

/// A block of so many bytes has pages of its own, which are freed with it. Nobody touches them.
const OWN_PAGES: usize = 1 << 20;

/// After a thousand blocks the allocator looks at the emptied pages that it keeps, and frees one of large blocks when it has
/// looked four times, and one of small blocks when it has looked sixteen times.
const COUNTED_BLOCKS: usize = 4_000;

/// The smallest blocks do not take the long way; others of this size are seldom needed.
const COUNTED_BLOCK: usize = 2 << 10;

/// A core that has waited no more often than so since it last settled is at rest: the clock's beats alone are ten a second.
const WAITS_AT_REST: u64 = 30;

/// Whether a core has come to rest, by how often it has waited for something to happen.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    waits: u64,
}

impl Rest {
    /// `waits` is how often it has waited in all.
    pub(crate) fn is_it(&mut self, waits: u64) -> bool {
        waits.saturating_sub(std::mem::replace(&mut self.waits, waits)) <= WAITS_AT_REST
    }
}

/// Makes the allocator look for memory that has been free for long enough. At rest it takes a tenth of a millisecond, and
/// else nearly nothing: who is at work asks for enough memory.
pub(crate) fn settle(at_rest: bool) {
    if at_rest {
        for _ in 0..COUNTED_BLOCKS {
            drop(black_box(Vec::<u8>::with_capacity(COUNTED_BLOCK)));
        }
    }
    drop(black_box(Vec::<u8>::with_capacity(OWN_PAGES)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_at_rest_when_it_has_hardly_waited_since_it_was_last_looked_at() {
        let mut rest = Rest::default();
        let looks = [(10, true), (1_000, false), (1_010, true), (1_040, true), (1_071, false)];
        for (waits, expected) in looks {
            assert_eq!(rest.is_it(waits), expected, "{waits}");
        }
    }
}
