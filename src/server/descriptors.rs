//! File descriptors: how many the limits can need, and how many the system allows.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A connection has a socket of the client's and one of the application's.
const EACH: u64 = 2;

/// What there is besides: listening sockets, runtimes, the store, standard streams, conversations with QQ, and unused
/// connections to applications.
const BESIDES: u64 = 256;

/// How many file descriptors this many client connections can need.
pub fn needed(connections: usize) -> u64 {
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(EACH).saturating_add(BESIDES)
}

/// Raises the limit as far as the system lets us, and says how far that is; `None`: there is no limit. The usual soft
/// limit, 1024, is for programs that use `select`.
///
/// # Errors
/// The system refuses; the limit stays what it was.
pub fn raise() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_covers_both_sides_of_every_connection() {
        assert!(needed(10_000) > 20_000);
        assert_eq!(needed(usize::MAX), u64::MAX);
    }
}
