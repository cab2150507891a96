//! Durations and sizes, as operators write them.

use std::time::Duration;

use super::error::Remark;
use super::tree::quoted;
use crate::units::ByteSize;

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What comes of a value that is none.
const GUESSED: &str = "how much is meant could only be guessed";

/// What a duration looks like.
pub(super) const DURATION: &str = r#"a duration such as "30m" or "12h""#;

/// What a size looks like.
pub(super) const SIZE: &str = r#"a size such as "64KiB" or "1MiB""#;

/// `500ms`, `30s`, `5m`, `12h`, `14d`, or several, each unit smaller than the one before: `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, Remark> {
    let remark = || Remark::expected(DURATION).so(GUESSED).fix("units are ms, s, m, h and d");
    if let Some(bare) = bare_number(text) {
        return Err(remark().fix(format!("give it a unit: {}, or ms, m, h, d", quoted(&format!("{bare}s")))));
    }
    let mut millis: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(remark)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters).ok_or_else(remark)?;
        let known = TIME_UNITS.iter().find(|(name, _)| *name == unit);
        let Some((_, factor)) = known.filter(|(_, factor)| *factor < smallest && !number.is_empty()) else {
            let lower = text.to_ascii_lowercase();
            if lower != text && duration(&lower).is_ok() {
                return Err(remark().fix(format!("units are small letters: {}", quoted(&lower))));
            }
            return Err(remark().fix("units are ms, s, m, h and d, the largest first, without blanks: \"1h30m\""));
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        millis = part.and_then(|part| part.checked_add(millis)).ok_or_else(|| remark().fix("give a shorter one"))?;
        smallest = *factor;
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// `512B`, `64KiB`, `1MiB`, `2GiB`. `KB` and `MB` mean 1000 to some and 1024 to others, and are refused.
pub(super) fn size(text: &str) -> Result<ByteSize, Remark> {
    let remark = || Remark::expected(SIZE).so(GUESSED).fix("units are B, KiB, MiB and GiB");
    if let Some(bare) = bare_number(text) {
        let bytes = ByteSize(bare.parse().map_err(|_| remark())?);
        return Err(remark().fix(format!("give it a unit: \"{bytes}\" if bytes were meant")));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(remark)?;
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        let binary = SIZE_UNITS.iter().find(|(name, _)| {
            let short = name.trim_end_matches("iB");
            let written = unit.trim();
            let long = format!("{short}B");
            [*name, short, &long].iter().any(|other| other.eq_ignore_ascii_case(written))
        });
        return Err(match binary.filter(|_| !number.is_empty()) {
            Some((name, _)) => remark().fix(format!("units count in 1024: {}", quoted(&format!("{number}{name}")))),
            None => remark(),
        });
    };
    let bytes = number.parse::<u64>().map_err(|_| remark())?.checked_mul(*factor);
    bytes.map(ByteSize).ok_or_else(|| remark().fix("give a smaller one"))
}

/// A duration as `config.toml` has it: `1h30m`.
pub fn show_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in TIME_UNITS {
        if millis >= factor {
            text.push_str(&format!("{}{unit}", millis / factor));
            millis %= factor;
        }
    }
    text
}

fn bare_number(text: &str) -> Option<&str> {
    let trimmed = text.trim();
    (!trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit())).then_some(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_units_and_read_back_as_they_are_shown() {
        let cases = [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("14d", 1_209_600_000)];
        for (text, millis) in cases {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration("0s").unwrap(), Duration::ZERO);
        assert_eq!(show_duration(Duration::ZERO), "0s");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1s500ms");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let bad = [
            "",
            " ",
            "30",
            "30x",
            "s",
            "30 s",
            " 30s",
            "1.5h",
            "-1s",
            "1m1h",
            "1s1s",
            "1h30",
            "30秒",
            "５m",
            "1w",
            "+5s",
            "5M",
            "30sec",
            "18446744073709551615d",
            "99999999999999999999s",
        ];
        for text in bad {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_1024_and_refuse_what_is_ambiguous() {
        assert_eq!(size("64KiB").unwrap(), ByteSize::kib(64));
        assert_eq!(size("2GiB").unwrap(), ByteSize::mib(2048));
        assert_eq!(size("512B").unwrap(), ByteSize(512));
        for text in ["", "64", "64K", "64KB", "64kib", "64 KiB", "KiB", "-1B", "1.5MiB", "99999999999999GiB", "六KiB"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("64kb").unwrap_err(), Remark::expected(SIZE).so(GUESSED).fix("units count in 1024: \"64KiB\""));
    }
}
