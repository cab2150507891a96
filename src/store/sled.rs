//! sled, embedded: the store for one machine.

use std::path::PathBuf;

use crate::units::ByteSize;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A folder of its own; made if absent, mode 0700.
    pub path: PathBuf,
    /// Upper bound of sled's page cache; at least [`Settings::MIN_CACHE`].
    pub cache: ByteSize,
}

impl Settings {
    /// A cache smaller than the data makes sled take more memory, not less (970 MiB instead of 379 MiB with a million
    /// records and 64 MiB of cache), so that a smaller one is refused.
    pub const MIN_CACHE: ByteSize = ByteSize::mib(256);
}
