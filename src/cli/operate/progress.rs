//! How far an import has come, on a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bar's width.
const WIDTH: u64 = 30;

/// A line on standard error that is written over and over; nothing where that is no terminal.
pub(super) struct Progress {
    is_shown: bool,
    size: Option<u64>,
    read: Arc<AtomicU64>,
}

impl Progress {
    /// `size`: how many bytes there are to read, if that is known.
    pub(super) fn over(size: Option<u64>) -> Self {
        Progress { is_shown: io::stderr().is_terminal(), size, read: Arc::default() }
    }

    /// The input, with what is read of it counted.
    pub(super) fn watch<R: Read>(&self, input: R) -> impl Read + use<R> {
        Watched { input, read: Arc::clone(&self.read) }
    }

    pub(super) fn show(&self, rows: u64) {
        if !self.is_shown {
            return;
        }
        let read = self.read.load(Ordering::Relaxed);
        let line = match self.size.filter(|size| *size > 0) {
            Some(size) => bar(read.min(size), size, rows),
            None => format!("{rows} rows"),
        };
        let _ = write!(io::stderr(), "\r\u{1b}[2K{line}");
    }

    /// Makes room for other lines.
    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}

fn bar(read: u64, size: u64, rows: u64) -> String {
    let part = |of: u64| u64::try_from(u128::from(read) * u128::from(of) / u128::from(size)).unwrap_or(of);
    let filled = part(WIDTH);
    let bar: String = (0..WIDTH).map(|at| if at < filled { '█' } else { '·' }).collect();
    format!("{bar} {:>3} %  {rows} rows", part(100))
}

struct Watched<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(into)?;
        self.read.fetch_add(u64::try_from(length).unwrap_or_default(), Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_from_the_left() {
        assert_eq!(bar(0, 10, 0), format!("{}   0 %  0 rows", "·".repeat(30)));
        assert_eq!(bar(5, 10, 7), format!("{}{}  50 %  7 rows", "█".repeat(15), "·".repeat(15)));
        assert_eq!(bar(u64::MAX, u64::MAX, 9), format!("{} 100 %  9 rows", "█".repeat(30)));
    }
}
