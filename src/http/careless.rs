//! Percent-encoding as careless decoders take it: more letters in it than there are.

/// As careless decoders take it: `%u002e` (ECMA-262, B.2.1.2) is a `.`, and so is a UTF-8 sequence that is longer than its
/// letter needs.
pub(super) fn decode(text: &str) -> String {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let after = text.get(at + 1..).unwrap_or_default();
        if byte == b'%'
            && let Some(char) = four_digits(after)
        {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            at += "%u002e".len();
        } else if byte == b'%'
            && let Some(byte) = two_digits(after)
        {
            bytes.push(byte);
            at += "%2e".len();
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&without_overlong(&bytes)).into_owned()
}

fn two_digits(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..2)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

fn four_digits(text: &[u8]) -> Option<char> {
    let (u, digits) = text.get(..5)?.split_first()?;
    let digits = std::str::from_utf8(digits).ok().filter(|_| u.eq_ignore_ascii_case(&b'u'))?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32))?
}

/// Letters of ASCII in two to six bytes (RFC 3629, 10), in the one that they need.
fn without_overlong(bytes: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        let length = usize::try_from(lead.leading_ones()).unwrap_or_default();
        let sequence = bytes.get(at + 1..at + length).filter(|_| (2..=6).contains(&length));
        let letter = sequence.and_then(|rest| {
            let first = u32::from(lead) & (0x7f >> length);
            let add = |value: u32, byte: &u8| (byte >> 6 == 0b10).then(|| (value << 6) | u32::from(byte & 0x3f));
            u8::try_from(rest.iter().try_fold(first, add)?).ok().filter(u8::is_ascii)
        });
        folded.push(letter.unwrap_or(lead));
        at += letter.map_or(1, |_| length);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_found_in_every_disguise() {
        for disguise in ["a", "%61", "%u0061", "%U0061", "%c1%a1", "%e0%81%a1", "%F0%80%81%A1", "%f8%80%80%81%a1"] {
            assert_eq!(decode(&format!("/{disguise}dmin")), "/admin", "{disguise}");
        }
        assert_eq!(decode("%fc%80%80%80%80%ae"), ".");
    }

    #[test]
    fn what_is_no_disguise_stays_as_it_is() {
        for (text, decoded) in [
            ("/%E9%97%A8%E7%A5%9E/é", "/门神/é"),
            ("%", "%"),
            ("%u", "%u"),
            ("%u006", "%u006"),
            ("%u00zz", "%u00zz"),
            ("%+1%ud800", "%+1%ud800"),
            ("%u95e8", "门"),
            ("%c1", "\u{fffd}"),
            ("%c1a", "\u{fffd}a"),
            ("%ff%80", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }
}
