//! A flat JSON object (RFC 8259), written straight into a buffer: a line for each request must cost next to nothing.

use std::time::Duration;

/// An object in the making. Names are ours and plain.
pub(super) struct JsonObject<'b> {
    out: &'b mut Vec<u8>,
    separator: u8,
}

impl<'b> JsonObject<'b> {
    /// An empty one.
    pub(super) fn begin(out: &'b mut Vec<u8>) -> Self {
        JsonObject { out, separator: b'{' }
    }

    /// Text, escaped where it needs it.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        if is_plain(value.as_bytes()) {
            self.out.push(b'"');
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        } else {
            // Writing to memory does not fail.
            let _ = serde_json::to_writer(&mut *self.out, value);
        }
    }

    /// Text, if there is one.
    pub(super) fn some(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Milliseconds, to the microsecond.
    pub(super) fn millis(&mut self, name: &'static str, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.number(name, micros / 1000);
        let rest = micros % 1000;
        self.out.push(b'.');
        self.out.extend([rest / 100, rest / 10 % 10, rest % 10].into_iter().filter_map(digit));
    }

    /// 64 bits as 16 hexadecimal digits.
    pub(super) fn hex(&mut self, name: &'static str, value: u64) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend((0..16).rev().filter_map(|place| digit(value >> (place * 4) & 15)));
        self.out.push(b'"');
    }

    /// No more members follow.
    pub(super) fn end(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn name(&mut self, name: &'static str) {
        self.out.push(std::mem::replace(&mut self.separator, b','));
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Whether text stands in JSON as it is. All bytes are looked at, with no way out early: so the compiler can take many
/// at once.
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & (*byte != b'"') & (*byte != b'\\'))
}

fn digit(value: u64) -> Option<u8> {
    b"0123456789abcdef".get(usize::try_from(value).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut JsonObject<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = JsonObject::begin(&mut out);
        write(&mut object);
        object.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in ["", "/orders/1", "a\"b\\c", "line\nbreak\u{1b}[2J", "门神", "\u{7f}\u{0}\u{2028}", "😀"] {
            let line = written(|object| object.text("path", text));
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(read["path"], text, "{line}");
            assert!(line.bytes().all(|byte| byte >= b' '), "{line}");
        }
    }

    #[test]
    fn members_stand_in_order_and_numbers_are_exact() {
        let line = written(|object| {
            object.hex("id", 0x00ab_cdef_0123_4567);
            object.text("host", "a\"");
            object.some("route", None);
            object.number("bytes", u64::MAX);
            object.millis("ms", Duration::from_micros(12_034));
            object.millis("none", Duration::ZERO);
        });
        let expected =
            r#"{"id":"00abcdef01234567","host":"a\"","bytes":18446744073709551615,"ms":12.034,"none":0.000}"#;
        assert_eq!(line, expected);
        assert_eq!(written(|_| {}), "{}");
    }
}
