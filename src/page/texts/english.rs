//! English.

use super::{Saying, Texts};

pub(super) static TEXTS: Texts = Texts {
    guarded_by: "Guarded by Menshen",
    quote_this: ("Error ", ". If you ask for help, please quote this number:"),

    log_in: "Log in",
    log_in_in_this_browser: "Log in with this browser",
    log_in_with: ("Log in with ", ""),
    log_out: "Log out",
    stay: "Stay logged in",
    home: "Go to the home page",
    back: "Back to where you were",
    retry: "Try again",

    retry_in_a_moment: "Please try again in a moment.",
    retry_in_seconds: ("Please try again in about ", " seconds."),
    retry_in_minutes: ("Please try again in about ", " minutes."),
    retry_later: "Please try again later today.",

    login_heading: "Welcome! Please log in",
    login_invitation: "We will take you straight back to where you were.",
    password_stays_there: "You type your password on their page. This site never sees it.",
    no_way_to_log_in: "This site has no way to log in yet.",

    confirm_logout_heading: "Log out?",
    logged_in_as: ("You are logged in as ", "."),
    logged_out: Saying {
        errmsg: "OK",
        heading: "You are logged out",
        body: "See you soon. If you share this device with others, remember to log out of QQ as well.",
    },

    cancelled: Saying {
        errmsg: "no code: the login was cancelled",
        heading: "Login cancelled",
        body: "That is fine, nothing has changed. Come back whenever you like.",
    },
    no_cookie: Saying {
        errmsg: "no login cookie came back: log in again",
        heading: "Almost there, but not logged in",
        body: "When you began, we asked your browser to keep a small token (a cookie). It did not come back, so we \
               cannot tell that this login is yours.",
    },
    no_cookie_causes_heading: "The usual reasons:",
    no_cookie_causes: [
        "On a phone, the QQ app opened another browser. The button below starts again right here.",
        "Your browser blocks cookies. Allow them for this site, or leave private browsing.",
        "You began under another address, for example one with www and one without. Stay with one of them.",
    ],
    no_cookie_over_http: "The address begins with http://, but this site's cookies travel over https:// only. Open it with \
                          https://.",
    foreign_attempt: Saying {
        errmsg: "the login began in another browser",
        heading: "This login began somewhere else",
        body: "Most likely the QQ app opened another browser. Go back to the one you started in, or log in here. If it \
               was not you who logged in, just close this page.",
    },
    expired_attempt: Saying {
        errmsg: "the login took too long: log in again",
        heading: "That took a little too long",
        body: "To keep you safe, each login is good for a few minutes only. Simply log in once more.",
    },
    used_attempt: Saying {
        errmsg: "this login was used already: log in again",
        heading: "This login has been used",
        body: "Perhaps the page was reloaded, or you pressed Back. If you are logged in already, just carry on; if not, \
               log in once more.",
    },

    request_timeout: Saying {
        errmsg: "the request did not arrive in full",
        heading: "Not all of it arrived",
        body: "The upload stopped halfway, and the rest never came. Please check your connection and try again.",
    },
    bad_request: Saying {
        errmsg: "bad request",
        heading: "We could not make sense of that",
        body: "Something in the request is not safe to act on. Look for stray characters in the address, or start again \
               from the home page.",
    },
    login_needed: Saying {
        errmsg: "not logged in",
        heading: "Please log in first",
        body: "This page is for people who are logged in.",
    },
    forbidden: Saying {
        errmsg: "not allowed",
        heading: "This page is not open to you",
        body: "You do not have permission to see it. If you think you should, please contact the site's support.",
    },
    blocked: Saying {
        errmsg: "account blocked",
        heading: "This account is blocked",
        body: "You cannot log in with it at present. If you have questions, please contact the site's support.",
    },
    unknown_there: Saying {
        errmsg: "the account is not bound to a user of the site yet",
        heading: "There is no user of yours here yet",
        body: "You are logged in, but this account is not bound to a user of the site yet, which this page needs. Please \
               contact the site's support.",
    },
    foreign_origin: Saying {
        errmsg: "the request came from another site",
        heading: "That came from another site",
        body: "To protect your account we did not carry it out. If it really was what you wanted, please do it again on \
               a page of this site.",
    },
    not_found: Saying {
        errmsg: "not found",
        heading: "There is nothing here",
        body: "The address may have lost a letter or two, or the page has moved away.",
    },
    method_not_allowed: Saying {
        errmsg: "method not allowed",
        heading: "This address works differently",
        body: "It exists, but does not take this kind of request. Please start again from the home page.",
    },
    target_too_long: Saying {
        errmsg: "address too long",
        heading: "That address is too long",
        body: "It is longer than we can take. Please try a shorter one.",
    },
    unknown_host: Saying {
        errmsg: "no such site here",
        heading: "No site here goes by that name",
        body: "You asked for: ",
    },
    sites_here: "The sites here",
    for_the_operator: "If you run this site",
    pass_the_host_on: "With nginx in front, have it pass on the Host that visitors typed:",
    misdirected: Saying {
        errmsg: "this connection cannot be used for this site",
        heading: "This connection is not for this site",
        body: "The site asks for a certificate in its own way. Please close the browser and open the address anew; a proxy on the way has to pass TLS through.",
    },
    too_often: Saying {
        errmsg: "too many tries: wait a little",
        heading: "Let us take a breath",
        body: "That was a lot of tries in a short time.",
    },
    login_failed: Saying {
        errmsg: "OAuth 2.0 authentication failed",
        heading: "The login did not work",
        body: "The last step did not succeed, and nothing has changed. This usually passes quickly: please log in once more.",
    },
    internal: Saying {
        errmsg: "internal error",
        heading: "Something broke on our side",
        body: "It was nothing you did. Please try again in a little while.",
    },
    bad_gateway: Saying {
        errmsg: "the site cannot be reached",
        heading: "The site is out of reach",
        body: "The server behind this door does not answer; it may be under maintenance. Please try again in a minute.",
    },
    login_unavailable: Saying {
        errmsg: "logins are not possible now: try again later",
        heading: "Logging in is not possible now",
        body: "The login service is recovering. Anyone already logged in can carry on.",
    },
    overloaded: Saying {
        errmsg: "too busy: try again soon",
        heading: "It is rather busy here",
        body: "Sorry, we cannot serve everyone at once.",
    },
    maintenance: Saying {
        errmsg: "the site is under maintenance: come back later",
        heading: "The site is being worked on",
        body: "We are changing a few things and will be back soon.",
    },
    gateway_timeout: Saying {
        errmsg: "the site took too long",
        heading: "The site is taking too long",
        body: "Please try again in a minute. If you were placing an order or sending a form, check first whether it \
               went through.",
    },
};
