//! What people call themselves, as a WSGI application is told it.

use std::collections::BTreeMap;

use menshen::demo::qq::User;
use percent_encoding::percent_decode_str;

use super::backend::{Backend, Dump, claims};
use crate::backends::Setup;

/// A name as QQ gives it and what is shown of it, both percent-encoded, a tab between them.
const NICKNAMES: &str = include_str!("../../data/nicknames.tsv");

/// A name through every kind of template: the token's claims, headers, and the front end's cookies.
const TEMPLATES: &str = r#"
[identity.default]
claims = { name = "{user.display_name}", greeting = "<{user.display_name}>" }
headers = { X-Name = "{user.display_name}", X-Mixed = "n={user.display_name};p={provider}" }
cookies = { username = "{user.display_name}", mixed = "n={user.display_name}&p={provider}" }
"#;

#[test]
fn whatever_people_call_themselves_is_one_value_to_a_wsgi_application() {
    for backend in [Backend::wsgiref(), Backend::gunicorn()] {
        stays_one_value(&backend);
    }
}

fn stays_one_value(backend: &Backend) {
    let proxy = Setup::new().section(TEMPLATES).before(backend.address);
    let plain = Dump::of(&proxy.browser().get("/dump/", &[])).environ;
    for (at, row) in NICKNAMES.lines().enumerate() {
        let (nickname, shown) = row.split_once('\t').unwrap();
        let (nickname, shown) = (decoded(nickname), decoded(shown));
        let number = format!("3000{at}");
        proxy.qq.add_user(User::new(&number, &nickname));
        let browser = proxy.browser();
        browser.log_in(&number);

        let dump = Dump::of(&browser.get("/dump/", &[]));
        let mixed = format!("n={shown};p=qq");
        assert_eq!(decoded(&dump.environ["HTTP_X_NAME"]), shown, "{row}");
        assert_eq!(decoded(&dump.environ["HTTP_X_MIXED"]), mixed, "{row}");
        let claims = claims(&dump.environ["HTTP_AUTHORIZATION"]);
        assert_eq!((&claims["name"], &claims["greeting"]), (&shown.clone().into(), &format!("<{shown}>").into()));
        let mixed = format!("n={shown}&p=qq");
        let cookies: BTreeMap<&str, String> = dump.cookies.iter().map(|(n, v)| (n.as_str(), decoded(v))).collect();
        assert_eq!(
            cookies,
            BTreeMap::from([("username", shown.clone()), ("mixed", mixed)]),
            "{row} {:?}",
            dump.environ.get("HTTP_COOKIE")
        );

        let names = ["HTTP_X_NAME", "HTTP_X_MIXED", "HTTP_AUTHORIZATION", "HTTP_COOKIE"];
        let further = dump.environ.keys().filter(|name| !plain.contains_key(*name) && !names.contains(&name.as_str()));
        assert_eq!(further.count(), 0, "{row}: {:?}", dump.environ);
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}
