//! Text that others chose the length of, as far as a log line holds it: whoever reads lines may tear those that are longer
//! than 16 KiB.

use std::borrow::Cow;
use std::fmt;

/// Most bytes of one text that are written.
const MOST: usize = 2048;

/// A text, cut where it is longer than a log line should hold. What was cut off is counted in its place.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'t>(pub &'t str);

impl<'t> Cut<'t> {
    /// The text, or what is left of it.
    pub fn text(self) -> Cow<'t, str> {
        if self.0.len() <= MOST { Cow::Borrowed(self.0) } else { Cow::Owned(self.to_string()) }
    }
}

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, rest) = self.0.split_at_checked(self.0.floor_char_boundary(MOST)).unwrap_or((self.0, ""));
        f.write_str(kept)?;
        if rest.is_empty() { Ok(()) } else { write!(f, "… ({} bytes more)", rest.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_stays_and_of_long_text_it_is_said_how_much_is_missing() {
        for text in ["", "/orders/1", &"x".repeat(MOST)] {
            assert_eq!((Cut(text).text(), Cut(text).to_string()), (text.into(), text.to_owned()));
        }
        let long = "x".repeat(50_000);
        assert_eq!(Cut(&long).text(), format!("{}… (47952 bytes more)", &long[..MOST]));
        let wide = format!("x{}", "门".repeat(1000));
        assert_eq!(Cut(&wide).text(), format!("{}… (954 bytes more)", &wide[..2047]));
    }
}
