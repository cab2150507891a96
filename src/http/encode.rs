//! Text that people chose, in places that take ASCII alone.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a header or cookie: the unreserved characters of RFC 3986, and those that read well in a name.
const READABLE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b':').remove(b'/');

/// Percent-encodes everything (as UTF-8) but ASCII letters, digits and `-._~@:/`: nothing is left that could end a
/// header, a cookie or a quoted string.
pub fn percent(text: &str) -> String {
    utf8_percent_encode(text, READABLE).to_string()
}

/// What would end an item of a list, or the list.
const LIST: &AsciiSet = &CONTROLS.add(b' ').add(b',').add(b'"').add(b'%');

/// Percent-encodes whatever could end an item of a list between commas, and no more.
pub fn listed(text: &str) -> String {
    utf8_percent_encode(text, LIST).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_text_holds_nothing_that_could_end_a_header_or_cookie() {
        assert_eq!(percent("小明; a=b\r\n\"x\" %"), "%E5%B0%8F%E6%98%8E%3B%20a%3Db%0D%0A%22x%22%20%25");
        assert_eq!(percent("qq_7k2m-A.b~c@d"), "qq_7k2m-A.b~c@d");
        assert_eq!(listed("spiffe://a/b?c=d, DNS:小%\r\n"), "spiffe://a/b?c=d%2C%20DNS:%E5%B0%8F%25%0D%0A");
    }
}
