/// The seed of random cases: `TEST_SEED`, or a fixed one.
///
/// # Panics
/// When `TEST_SEED` is not a number.
#[must_use]
pub fn seed() -> u64 {
    let seed = std::env::var("TEST_SEED").map_or(20_240_229, |seed| {
        seed.parse().unwrap_or_else(|_| panic!("TEST_SEED is no number: {seed}"))
    });
    println!("TEST_SEED={seed}");
    seed
}

/// A small generator of random numbers (splitmix64): the same seed always gives the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// A number from 0 to below the end.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// One element of the slice.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// What one of these references leads to.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// True in this many cases of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
