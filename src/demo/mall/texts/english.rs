//! English.

use super::{Claims, Texts};

pub(super) static TEXTS: Texts = Texts {
    shop_name: "Meiduo Corner",
    navigation: "Main",
    footer: "A little shop that exists for show: goods and orders are made up and nothing can be paid for, so look around.",
    colon: ": ",

    greeting: "Hello, ",
    log_in_with_qq: "QQ login",
    log_out: "Log out",

    front_title: "Home",
    hero_heading: "Small things for good days",
    hero_body: "Teacups, lanterns, paper umbrellas and prints. Take your time.",
    add_to_cart: "Add to cart",
    keep_looking: "Keep looking",

    cart: "Cart",
    cart_is_empty: "Nothing in here yet. Go and find something you like.",
    remove: "Remove",
    total: "Total",
    check_out: "Check out",

    center: "Account",
    welcome: ("Welcome back, ", ""),
    your_name: "Name",
    your_id: "User id",
    told_by: "How the shop knows",
    how_do_we_know: "See the headers",

    orders: "Orders",
    orders_of: ("What ", " has ordered."),
    order_number: "Order",

    headers: "Headers",
    headers_heading: "What the shop is told",
    headers_body: "The shop checks no login itself. All it can know about a request is on this page.",
    identity_heading: "The identity token (JWT)",
    not_verified: "Decoded for you to read, with the signature not verified. A real backend must first check the \
                   signature, with the public keys at /.well-known/jwks.json or a shared secret, before it believes this.",
    no_token: "This request carries no token: nobody is logged in, or the path is public and the proxy adds no identity.",
    claim: "Claim",
    header: "Name",
    value: "Value",
    meaning: "Meaning",
    all_headers: "All request headers",
    secrets_are_cut: "Only the beginnings of cookies and of the signature are shown, so a screenshot gives no login away.",
    claims: Claims {
        issuer: "Who issued it",
        subject: "Its subject: the user",
        audience: "Whom it is meant for",
        expires: "Good until",
        not_before: "Good from",
        issued_at: "Issued at",
        token_id: "The token's own id",
        user_id: "The user's id",
        username: "The username",
        name: "A name the user chose, for display only",
        provider: "Where the user logged in",
        session: "The session's id",
    },

    log_in_first_heading: "Please log in first",
    log_in_first_body: "This page is for guests we know. If you have just logged in and still end up here, the proxy in \
                        front has not told the shop who you are.",
    not_found_heading: "We could not find that page",
    not_found_body: "It may be sold out, or never have been on the shelf.",
};
