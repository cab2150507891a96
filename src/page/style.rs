//! The one style sheet, and the policy that lets it and nothing else through.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in every page's `<style>`, byte for byte: its hash is in the policy.
pub(super) const STYLE: &str = include_str!("../../templates/page.css");

/// The `Content-Security-Policy` that fits every page of [`render`](super::render) (CSP level 3): our style by its hash,
/// the icon in its `data:` address, forms to this site. No script, no frame around us, no foreign address.
///
/// Logins start from links, never from a form: `form-action` holds for the redirects that follow, and would stop the
/// one to the provider.
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        )
    });
    &POLICY
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Browsers hash the text after the HTML parser has had it: it turns CR LF into LF, and the first `<` could end it.
    #[test]
    fn the_style_reads_the_same_before_and_after_the_html_parser() {
        assert!(!STYLE.contains(['\r', '\0', '<', '&']));
    }

    #[test]
    fn the_policy_is_a_legal_header_value() {
        assert!(http::HeaderValue::from_static(content_security_policy()).to_str().is_ok());
    }

    #[test]
    fn every_text_stands_out_from_its_ground_in_light_and_dark() {
        let (light, dark) = STYLE.split_once("@media").unwrap();
        let dark = dark.split_once("}}").unwrap().0;
        for (scheme, rules) in [("light", light.to_owned()), ("dark", format!("{dark};{light}"))] {
            let colour = |name: &str| {
                let at = rules.find(&format!("--{name}:#")).unwrap() + name.len() + 4;
                rules[at..].split([';', '}']).next().unwrap().to_owned()
            };
            for (text, ground) in [
                ("ink", "paper"),
                ("ink", "card"),
                ("ink", "well"),
                ("soft", "paper"),
                ("soft", "card"),
                ("link", "card"),
                ("link", "well"),
                ("label", "red"),
                ("label", "blue"),
            ] {
                let contrast = contrast(&colour(text), &colour(ground));
                assert!(contrast >= 4.5, "{scheme}: {text} on {ground} has {contrast:.2}");
            }
        }
    }

    /// WCAG 2.2, "contrast ratio" and "relative luminance".
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(hex: &str) -> f64 {
        let hex = if hex.len() == 3 { hex.chars().flat_map(|digit| [digit, digit]).collect() } else { hex.to_owned() };
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }
}
