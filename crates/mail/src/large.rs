//! Memory for what is as long as a mailbox may be, and is to go back to the system when it is freed.
//!
//! glibc gives a block back as soon as it is freed if the block is larger than 32 MiB. A smaller one teaches it to keep blocks
//! of that size for the next time, up to twice as much as the largest, for ever. So what grows large gets room of that size
//! at once: octets that nobody touches cost nothing. Other allocators lose nothing by it.

/// The least room of a block that glibc never keeps (`DEFAULT_MMAP_THRESHOLD_MAX`, and some more for its own head).
const GIVEN_BACK_MIN: usize = 33 << 20;

/// A block of fewer octets is not worth it.
const LARGE_MIN: usize = 64 << 10;

/// And if it stays for long, one of fewer octets than this: there may be thousands.
const KEPT_LARGE_MIN: usize = 4 << 20;

/// Adds an item to what may grow as long as a mailbox.
pub fn push<T>(items: &mut Vec<T>, item: T) {
    make_room(items, 1);
    items.push(item);
}

/// Gives back the room of what is kept and has not grown large after all. A large block keeps its room: cut, it would be one of those that
/// are kept when they are freed.
pub fn shrink<T>(items: &mut Vec<T>) {
    if items.len() * size_of::<T>() < KEPT_LARGE_MIN {
        items.shrink_to_fit();
    }
}

/// Makes room for more items.
pub fn make_room<T>(items: &mut Vec<T>, more: usize) {
    make_room_from(LARGE_MIN, items, more);
}

/// The same for what is kept.
pub fn make_lasting_room<T>(items: &mut Vec<T>, more: usize) {
    make_room_from(KEPT_LARGE_MIN, items, more);
}

fn make_room_from<T>(large_min: usize, items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() >= more {
        return;
    }
    let is_large = items.len().saturating_add(more).saturating_mul(size_of::<T>()) >= large_min;
    let room = if is_large { GIVEN_BACK_MIN / size_of::<T>().max(1) } else { 0 };
    items.reserve(more.max(room.saturating_sub(items.len())));
}

pub fn collect<T>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut items = Vec::new();
    all.for_each(|item| push(&mut items, item));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_large_has_room_that_the_allocator_does_not_keep() {
        let small = collect(0..100_u64);
        assert!(small.capacity() < 1000);
        let large = collect(0..100_000_u64);
        assert!(large.capacity() * 8 > 32 << 20 && large.len() == 100_000);
        let (mut kept, mut cut) = (large.clone(), large);
        kept.resize(1 << 20, 0);
        make_room(&mut kept, 1);
        let room = kept.capacity();
        shrink(&mut kept);
        shrink(&mut cut);
        assert_eq!((kept.capacity(), cut.capacity()), (room, 100_000));
        let larger = collect(0..6_000_000_u64);
        assert!(larger.iter().copied().eq(0..6_000_000));
    }
}
