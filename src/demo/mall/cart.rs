//! The shopping cart. It lives in the browser's own `carts` cookie, as `1x2.5x1`: two of item 1, one of item 5.

use std::fmt;

use super::catalogue::{Item, Price};

/// Most of one item that a cart takes.
const MOST: u32 = 99;

/// Some of one item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) item: &'static Item,
    pub(super) count: u32,
}

/// What somebody means to buy: each item at most once, and at least one of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cart {
    lines: Vec<Line>,
}

impl Cart {
    /// Whatever in the cookie's value makes no sense is left out.
    pub(super) fn from_cookie(value: &str) -> Self {
        let mut cart = Cart::default();
        for line in value.split('.') {
            let Some((item, count)) = line.split_once('x') else { continue };
            if let (Some(item), Ok(count)) = (Item::find(item), count.parse()) {
                cart.add(item, count);
            }
        }
        cart
    }

    pub(super) fn add(&mut self, item: &'static Item, count: u32) {
        if count == 0 {
            return;
        }
        match self.lines.iter_mut().find(|line| line.item.id == item.id) {
            Some(line) => line.count = line.count.saturating_add(count).min(MOST),
            None => self.lines.push(Line { item, count: count.min(MOST) }),
        }
    }

    pub(super) fn remove(&mut self, item: &Item) {
        self.lines.retain(|line| line.item.id != item.id);
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Pieces, all items together.
    pub(super) fn count(&self) -> u32 {
        self.lines.iter().map(|line| line.count).sum()
    }

    pub(super) fn total(&self) -> Price {
        Price(self.lines.iter().map(|line| line.total().0).sum())
    }
}

impl Line {
    pub(super) fn total(&self) -> Price {
        Price(self.item.price.0 * self.count)
    }
}

/// The cookie's value.
impl fmt::Display for Cart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.lines.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}x{}", line.item.id, line.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_survives_the_way_through_its_cookie() {
        let mut cart = Cart::from_cookie("1x2.5x1");
        assert_eq!((cart.to_string().as_str(), cart.count(), cart.total()), ("1x2.5x1", 3, Price(19_200)));
        cart.remove(Item::find("1").unwrap());
        cart.add(Item::find("5").unwrap(), 1);
        assert_eq!(cart.to_string(), "5x2");
    }

    #[test]
    fn what_makes_no_sense_in_the_cookie_is_left_out() {
        let cases = [
            ("", ""),
            ("x", ""),
            ("1x", ""),
            ("1x-1", ""),
            ("1x0", ""),
            ("99x1", ""),
            ("1x4294967295.1x4294967295", "1x99"),
            ("<script>.2x1.\"", "2x1"),
        ];
        for (cookie, expected) in cases {
            assert_eq!(Cart::from_cookie(cookie).to_string(), expected, "{cookie}");
        }
    }
}
