//! "Did you mean …?"

use super::keys::{KEYS, SYNONYMS};

/// The candidate that was most likely meant, if any is near enough.
pub(super) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let written = folded(written);
    let ranked = candidates.into_iter().map(|candidate| (distance(&written, &folded(candidate)), candidate));
    let (distance, candidate) = ranked.min_by_key(|(distance, _)| *distance)?;
    // One slip in three letters: `idel` is `idle`, but `host` is not `path`.
    (distance <= candidate.chars().count().div_ceil(3).min(3)).then_some(candidate)
}

/// The full path of a key of this name somewhere else: under another section, or by the name others give it.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    let name = folded(name);
    let named_so = |path: &str| path.rsplit('.').next().is_some_and(|last| last == name);
    let synonym = SYNONYMS.iter().find(|(other, _)| *other == name).map(|(_, path)| *path);
    KEYS.iter().map(|key| key.path).find(|path| named_so(path)).or(synonym)
}

fn distance(a: &str, b: &str) -> usize {
    // `endpoint` for `endpoints`, `listen_address` for `listen`: a beginning is nearer than its letters tell.
    if b.len() >= 4 && a.len() >= 4 && (a.starts_with(b) || b.starts_with(a)) {
        return strsim::damerau_levenshtein(a, b).min(2);
    }
    strsim::damerau_levenshtein(a, b)
}

fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_strangers_are_not() {
        let names = ["idle", "lifetime", "cookie", "cache"];
        assert_eq!(nearest("idel", names), Some("idle"));
        assert_eq!(nearest("Life-Time", names), Some("lifetime"));
        assert_eq!(nearest("cookies", names), Some("cookie"));
        assert_eq!(nearest("zebra", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(elsewhere("appkey"), Some("providers.qq.client_secret"));
        assert_eq!(elsewhere("attempt-lifetime"), Some("login.attempt_lifetime"));
        assert_eq!(elsewhere("zebra"), None);
    }
}
