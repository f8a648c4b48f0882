//! Repeatable chance: the same seed loses the same bytes. SplitMix64, which is enough to pick places with.

#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Chance that depends on these bytes too.
    pub(super) fn of(seed: u64, bytes: &[u8]) -> Random {
        let mixed = bytes
            .iter()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Random(mixed)
    }

    /// 0 to `most`, both included.
    pub(super) fn up_to(&mut self, most: usize) -> usize {
        (self.next() % (most as u64 + 1)) as usize
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    /// True once in `many` on average; never when `many` is 0.
    pub(super) fn one_in(&mut self, many: u32) -> bool {
        many > 0 && self.next().is_multiple_of(u64::from(many))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
