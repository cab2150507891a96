//! The lines of a table that are not blank, one after another.

use std::io::{BufRead, BufReader, Read};

/// What a line may not be.
const NOT_UTF_8: &str = "is not UTF-8: save the table in UTF-8 (Excel: CSV UTF-8)";

/// A line without its end.
pub(super) struct Line {
    pub(super) number: u64,
    /// As far as it can be read: quotes and commas are the same in every encoding.
    pub(super) text: String,
    /// What is wrong with all of it.
    pub(super) fault: Option<String>,
}

impl Line {
    /// The text, if that is what stands there.
    pub(super) fn whole(self) -> Result<String, String> {
        self.fault.map_or(Ok(self.text), Err)
    }
}

/// Lines, up to the end or to where the input breaks off; that is told in the place of a line.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    number: u64,
    is_over: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn of(input: R) -> Self {
        Lines { input: BufReader::new(input), number: 0, is_over: false }
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while !self.is_over {
            let mut bytes = Vec::new();
            let read = self.input.read_until(b'\n', &mut bytes);
            self.number += 1;
            let number = self.number;
            match read {
                Ok(0) => self.is_over = true,
                Ok(_) => {
                    // A table may come from Windows.
                    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                    bytes.truncate(line.strip_suffix(b"\r").unwrap_or(line).len());
                    if !bytes.trim_ascii().is_empty() {
                        let fault = str::from_utf8(&bytes).is_err().then(|| NOT_UTF_8.to_owned());
                        return Some(Line { number, text: String::from_utf8_lossy(&bytes).into_owned(), fault });
                    }
                }
                Err(error) => {
                    self.is_over = true;
                    let fault = Some(format!("cannot be read, nor what follows: {error}"));
                    return Some(Line { number, text: String::new(), fault });
                }
            }
        }
        None
    }
}
