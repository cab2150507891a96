//! A file's mode.

use crate::config::error::Remark;

/// `0660`: three digits from 0 to 7, with or without a zero before them.
pub(in crate::config) fn parse(text: &str) -> Result<u32, Remark> {
    let is_octal = |byte: u8| (b'0'..=b'7').contains(&byte);
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    let digits = digits.filter(|digits| digits.len() == 3 && digits.bytes().all(is_octal));
    digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).ok_or_else(|| {
        Remark::expected("a mode of three digits from 0 to 7: \"0660\"")
            .so("who may connect depends on it, and is not guessed")
            .fix("\"0660\": the own user and group; \"0600\": the own user alone")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_three_octal_digits() {
        assert_eq!((parse("0660").ok(), parse("600").ok(), parse("000").ok()), (Some(0o660), Some(0o600), Some(0)));
        for bad in ["", "66", "1777", "0o660", "0668", "+660", "u=rw", "00660"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
