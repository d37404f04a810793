//! "Any moment", the same again for the same seed.

/// A small generator: the seed is printed, so that a failure can be run again.
pub struct Moments(u64);

impl Moments {
    /// The moments of a seed, which must not be zero.
    pub fn of(seed: u64) -> Self {
        eprintln!("seed {seed:#x}");
        Self(seed)
    }

    /// The next number, below `below`.
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}
