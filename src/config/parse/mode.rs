//! A file's mode.

use crate::config::error::Remark;

/// Write permission for anybody at all: to connect to a socket is to write to it.
const SOMEBODY_CONNECTS: u32 = 0o222;

/// `0660`: three digits from 0 to 7, with or without a zero before them.
pub(in crate::config) fn parse(text: &str) -> Result<u32, Remark> {
    let is_octal = |byte: u8| (b'0'..=b'7').contains(&byte);
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    let digits = digits.filter(|digits| digits.len() == 3 && digits.bytes().all(is_octal));
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).ok_or_else(|| {
        Remark::expected("a mode of three digits from 0 to 7: \"0660\"")
            .so("who may connect depends on it, and is not guessed")
            .fix("\"0660\": the own user and group; \"0600\": the own user alone")
    })?;
    if mode & SOMEBODY_CONNECTS == 0 {
        return Err(Remark::new("lets nobody write")
            .so("to connect is to write, and no proxy in front would get in")
            .fix("\"0660\": the own user and group; \"0600\": the own user alone"));
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_three_octal_digits() {
        assert_eq!((parse("0660").ok(), parse("600").ok(), parse("020").ok()), (Some(0o660), Some(0o600), Some(0o020)));
        for bad in ["", "66", "1777", "0o660", "0668", "+660", "u=rw", "00660", "0000", "0555"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
