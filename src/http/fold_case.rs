//! Text without regard to case.

/// As those fold that go furthest: `ſ`, `K` (the Kelvin sign), `ı` and `İ` are letters of ASCII to some.
pub fn fold_case(text: &str) -> String {
    let plain = text.chars().map(|char| if char == 'İ' { 'i' } else { char });
    // Down first, or a capital `ẞ` would not become what `ß` becomes.
    plain.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_folded_stays_as_it_is_and_all_cases_of_a_letter_fold_into_one() {
        for char in (0..=0x10_ffff).filter_map(char::from_u32) {
            let once = fold_case(&char.to_string());
            assert_eq!(fold_case(&once), once, "{char:?}");
            for other in [char.to_lowercase().to_string(), char.to_uppercase().to_string()] {
                assert!(fold_case(&other) == once || char == 'İ', "{char:?} {other:?}");
            }
        }
        assert_eq!(fold_case("ſKıİẞß"), "skiissss");
    }
}
