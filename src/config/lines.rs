//! Byte offsets as the lines and columns that editors count.

use super::error::Place;

/// A text and where its lines begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    fixed: Option<Place>,
}

impl<'t> Lines<'t> {
    /// The lines of a file.
    pub(super) fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts, fixed: None }
    }

    /// A text that stands elsewhere, all of it at one place.
    pub(super) fn at(place: Place) -> Self {
        Lines { text: "", starts: Vec::new(), fixed: Some(place) }
    }

    /// The place of a byte.
    pub(super) fn place(&self, offset: usize) -> Place {
        if let Some(place) = &self.fixed {
            return place.clone();
        }
        let before = self.text.get(self.start(offset)..offset).unwrap_or_default();
        Place::Line { line: self.number(offset), column: before.chars().count() + 1 }
    }

    /// The number of the line that holds a byte, from 1.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The line that holds a byte, without its end.
    pub(super) fn line(&self, offset: usize) -> &'t str {
        self.text.get(self.start(offset)..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    fn start(&self, offset: usize) -> usize {
        self.starts.get(self.number(offset).wrapping_sub(1)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let lines = Lines::of("a = 1\n# 门神\nb = \"神\" x\n");
        assert_eq!(lines.place(0), Place::Line { line: 1, column: 1 });
        assert_eq!(lines.place("a = 1\n# 门神\nb = \"神\" ".len()), Place::Line { line: 3, column: 9 });
        assert_eq!(lines.line(7), "# 门神");
        assert_eq!(lines.place(10_000), Place::Line { line: 4, column: 1 });
    }
}
