//! What the shop says, in both languages.

mod chinese;
mod english;

use crate::http::language::Language;

/// Every text, in one language; the goods bring their own.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) shop_name: &'static str,
    pub(super) navigation: &'static str,
    pub(super) footer: &'static str,
    /// Between a label and what it is about.
    pub(super) colon: &'static str,

    pub(super) greeting: &'static str,
    pub(super) log_in_with_qq: &'static str,
    pub(super) log_out: &'static str,

    pub(super) front_title: &'static str,
    pub(super) hero_heading: &'static str,
    pub(super) hero_body: &'static str,
    pub(super) add_to_cart: &'static str,
    pub(super) keep_looking: &'static str,

    pub(super) cart: &'static str,
    pub(super) cart_is_empty: &'static str,
    pub(super) remove: &'static str,
    pub(super) total: &'static str,
    pub(super) check_out: &'static str,

    pub(super) center: &'static str,
    /// Before and after the visitor's name.
    pub(super) welcome: (&'static str, &'static str),
    pub(super) your_name: &'static str,
    pub(super) your_id: &'static str,
    pub(super) told_by: &'static str,
    pub(super) how_do_we_know: &'static str,

    pub(super) orders: &'static str,
    /// Before and after the visitor's name.
    pub(super) orders_of: (&'static str, &'static str),
    pub(super) order_number: &'static str,

    pub(super) headers: &'static str,
    pub(super) headers_heading: &'static str,
    pub(super) headers_body: &'static str,
    pub(super) identity_heading: &'static str,
    pub(super) not_verified: &'static str,
    pub(super) no_token: &'static str,
    pub(super) claim: &'static str,
    pub(super) header: &'static str,
    pub(super) value: &'static str,
    pub(super) meaning: &'static str,
    pub(super) all_headers: &'static str,
    pub(super) secrets_are_cut: &'static str,
    pub(super) claims: Claims,

    pub(super) log_in_first_heading: &'static str,
    pub(super) log_in_first_body: &'static str,
    pub(super) not_found_heading: &'static str,
    pub(super) not_found_body: &'static str,
}

/// What the usual claims mean (RFC 7519, 4.1).
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: &'static str,
    pub(super) subject: &'static str,
    pub(super) audience: &'static str,
    pub(super) expires: &'static str,
    pub(super) not_before: &'static str,
    pub(super) issued_at: &'static str,
    pub(super) token_id: &'static str,
    pub(super) user_id: &'static str,
    pub(super) username: &'static str,
    pub(super) name: &'static str,
    pub(super) provider: &'static str,
    pub(super) session: &'static str,
}

impl Texts {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Chinese => &chinese::TEXTS,
            Language::English => &english::TEXTS,
        }
    }

    /// What a claim means; nothing for one that the operator added.
    pub(super) fn meaning_of(&self, claim: &str) -> &'static str {
        match claim {
            "iss" => self.claims.issuer,
            "sub" => self.claims.subject,
            "aud" => self.claims.audience,
            "exp" => self.claims.expires,
            "nbf" => self.claims.not_before,
            "iat" => self.claims.issued_at,
            "jti" => self.claims.token_id,
            "user_id" => self.claims.user_id,
            "username" | "preferred_username" => self.claims.username,
            "name" | "nickname" => self.claims.name,
            "provider" | "idp" => self.claims.provider,
            "sid" => self.claims.session,
            _ => "",
        }
    }
}
