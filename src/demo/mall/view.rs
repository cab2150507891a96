//! The shop's pages, as their templates need them. All that is inserted is escaped by askama; the goods' drawings,
//! constants, are not.

use askama::Template;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cart::Cart;
use super::catalogue::{Bilingual, ITEMS, Item, both};
use super::texts::Texts;
use super::token::Token;
use super::visitor::Visitor;
use crate::http::language::Language;

/// What may stand in a query's value as it is.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest start of a secret that is shown, in characters.
const SECRET_SHOWN: usize = 6;

/// What every page has around its content.
#[derive(Debug)]
pub(super) struct Shell<'a> {
    pub(super) language: Language,
    pub(super) texts: &'static Texts,
    /// The path asked for: a login comes back to it.
    pub(super) path: &'a str,
    pub(super) cart: Cart,
}

struct Link {
    href: &'static str,
    label: &'static str,
    count: u32,
}

impl Shell<'_> {
    fn links(&self) -> [Link; 4] {
        let link = |href, label| Link { href, label, count: 0 };
        [
            Link { count: self.cart.count(), ..link("/cart/", self.texts.cart) },
            link("/orders/", self.texts.orders),
            link("/user/center/", self.texts.center),
            link("/headers/", self.texts.headers),
        ]
    }

    fn say(&self, text: &Bilingual) -> &'static str {
        text.in_language(self.language)
    }

    /// The path asked for, as the value in a query.
    fn next(&self) -> String {
        utf8_percent_encode(self.path, QUERY_VALUE).to_string()
    }
}

#[derive(Template)]
#[template(path = "mall/front.html")]
pub(super) struct Front<'a> {
    shell: &'a Shell<'a>,
    goods: &'static [Item],
}

#[derive(Template)]
#[template(path = "mall/product.html")]
pub(super) struct Product<'a> {
    pub(super) shell: &'a Shell<'a>,
    pub(super) item: &'static Item,
}

#[derive(Template)]
#[template(path = "mall/cart.html")]
pub(super) struct CartPage<'a> {
    shell: &'a Shell<'a>,
    cart: &'a Cart,
}

#[derive(Template)]
#[template(path = "mall/center.html")]
pub(super) struct Center<'a> {
    pub(super) shell: &'a Shell<'a>,
    pub(super) visitor: &'a Visitor,
}

#[derive(Template)]
#[template(path = "mall/orders.html")]
pub(super) struct Orders<'a> {
    shell: &'a Shell<'a>,
    visitor: &'a Visitor,
    orders: Vec<Order>,
}

struct Order {
    number: &'static str,
    state: Bilingual,
    item: &'static Item,
}

#[derive(Template)]
#[template(path = "mall/notice.html")]
pub(super) struct Notice<'a> {
    shell: &'a Shell<'a>,
    heading: &'static str,
    body: &'static str,
    offers_login: bool,
}

#[derive(Template)]
#[template(path = "mall/headers.html")]
pub(super) struct Headers<'a> {
    shell: &'a Shell<'a>,
    token: Option<Token<'a>>,
    headers: Vec<Header<'a>>,
}

struct Header<'a> {
    name: &'a str,
    value: String,
}

impl<'a> Front<'a> {
    pub(super) fn new(shell: &'a Shell<'a>) -> Self {
        Front { shell, goods: &ITEMS }
    }
}

impl<'a> CartPage<'a> {
    pub(super) fn new(shell: &'a Shell<'a>) -> Self {
        CartPage { shell, cart: &shell.cart }
    }
}

impl<'a> Orders<'a> {
    pub(super) fn new(shell: &'a Shell<'a>, visitor: &'a Visitor) -> Self {
        let [.., print, _, _, umbrella] = &ITEMS;
        let on_its_way = both("正在路上，明天到", "On its way, here tomorrow");
        let delivered = both("已签收", "Delivered");
        let orders = vec![
            Order { number: "MD-0718-08", state: on_its_way, item: umbrella },
            Order { number: "MD-0203-05", state: delivered, item: print },
        ];
        Orders { shell, visitor, orders }
    }
}

impl<'a> Notice<'a> {
    pub(super) fn log_in_first(shell: &'a Shell<'a>) -> Self {
        let texts = shell.texts;
        let (heading, body) = (texts.log_in_first_heading, texts.log_in_first_body);
        Notice { shell, heading, body, offers_login: true }
    }

    pub(super) fn not_found(shell: &'a Shell<'a>) -> Self {
        let texts = shell.texts;
        let (heading, body) = (texts.not_found_heading, texts.not_found_body);
        Notice { shell, heading, body, offers_login: false }
    }
}

impl<'a> Headers<'a> {
    pub(super) fn new(shell: &'a Shell<'a>, headers: &'a HeaderMap) -> Self {
        let shown = headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = match name {
                name if name == COOKIE => without_secrets(&value, ';', '='),
                name if name == AUTHORIZATION => without_secrets(&value, ',', ' '),
                _ => value.into_owned(),
            };
            Header { name: name.as_str(), value }
        });
        Headers { shell, token: Token::of(headers), headers: shown.collect() }
    }
}

/// Cuts what follows `sign` in every part: what a cookie or a credential is called may be shown, what it holds may not.
fn without_secrets(value: &str, separator: char, sign: char) -> String {
    let parts = value.split(separator).map(|part| match part.trim().split_once(sign) {
        Some((name, secret)) if secret.chars().count() > SECRET_SHOWN => {
            let start: String = secret.chars().take(SECRET_SHOWN).collect();
            format!("{name}{sign}{start}…")
        }
        Some(_) | None => part.trim().to_owned(),
    });
    parts.collect::<Vec<_>>().join(&format!("{separator} "))
}
