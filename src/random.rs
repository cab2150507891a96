//! Randomness, from the operating system alone.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The operating system gave no random bytes. Nothing that needs them can go on.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// `N` fresh random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0_u8; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// 128 random bits as 32 lower-case hexadecimal digits, which every provider's `state` and every file name can hold.
pub fn token_128() -> Result<String, NoRandomness> {
    let bytes: [u8; 16] = bytes()?;
    Ok(hex(&bytes))
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_alphanumeric_and_never_repeat() {
        let first = token_128().unwrap();
        assert_eq!(first.len(), 32);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(first, token_128().unwrap());
    }
}
