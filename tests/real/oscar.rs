//! A whole shop, django-oscar, with nothing in its settings but Django's own RemoteUserMiddleware.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::backends::{Browser, Environment, Program, Proxy, SITE, Setup};

struct Shop {
    folder: TempDir,
    /// Where the product is.
    product: String,
}

impl Shop {
    fn make() -> Self {
        let mut shop = Shop { folder: tempfile::tempdir().unwrap(), product: String::new() };
        let made = shop.told("make");
        shop.product = made.lines().last().unwrap().to_owned();
        shop
    }

    fn python(&self) -> Command {
        let mut python = Environment::new("oscar").python();
        python.arg("-B").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/backends/oscar"));
        python.env("DJANGO_SETTINGS_MODULE", "settings");
        python.env("SHOP_DATABASE", self.folder.path().join("shop.sqlite3"));
        python
    }

    fn told(&self, what: &str) -> String {
        let output = self.python().args(["shop.py", what]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Its users by their names, each with what is in the basket.
    fn users(&self) -> Value {
        serde_json::from_str(self.told("users").lines().last().unwrap()).unwrap()
    }

    fn serve(&self) -> Program {
        let mut gunicorn = self.python();
        gunicorn.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "4", "--no-control-socket"]);
        Program::start(gunicorn.arg("django.core.wsgi:get_wsgi_application()"))
    }
}

fn before(gunicorn: &Program) -> Proxy {
    let address = gunicorn.wait_for(|line| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok());
    Setup::new().section("[identity.default]\npreset = \"remote-user\"\n").before(address)
}

/// Presses the product's button.
fn buy(browser: &Browser<'_>, product: &str) {
    let page = browser.visit(&format!("/catalogue/iphone_{product}/")).text();
    let token = page.split_once("name=\"csrfmiddlewaretoken\" value=\"").unwrap().1.split('"').next().unwrap();
    let form = format!("csrfmiddlewaretoken={token}&quantity=2");
    let origin = format!("Origin: http://{SITE}");
    let answer = browser.request("POST", &format!("/basket/add/{product}/"), &[&origin], &form);
    assert_eq!(answer.status, 302, "{}", answer.text());
}

#[test]
fn a_stranger_becomes_a_user_of_the_shops_who_keeps_the_basket_and_is_nobody_who_was_there() {
    let shop = Shop::make();
    let gunicorn = shop.serve();
    let proxy = before(&gunicorn);
    let browser = proxy.browser();
    let orders = browser.visit("/accounts/orders/");
    assert_eq!((orders.status, orders.header("location")), (302, Some("/accounts/login/?next=/accounts/orders/")));
    buy(&browser, &shop.product);
    assert_eq!(shop.users(), json!({ "admin": 0, "小明": 0 }));

    // Who is called 小明 at QQ, as somebody else is at the shop.
    browser.log_in("10001");
    let orders = browser.visit("/accounts/orders/");
    assert_eq!(orders.status, 200, "{}", orders.text());
    assert!(browser.visit("/basket/").text().contains("iPhone"));
    let users = shop.users();
    let users = users.as_object().unwrap();
    let new: Vec<_> = users.iter().filter(|(name, _)| !["admin", "小明"].contains(&name.as_str())).collect();
    let [(name, in_basket)] = new.as_slice() else { panic!("{users:?}") };
    assert!(name.starts_with("qq_") && name.len() == 15, "{name}");
    assert_eq!((*in_basket, &users["小明"], &users["admin"]), (&json!(2), &json!(0), &json!(0)));

    // Whoever says so by the header is nobody.
    for claim in ["Remote-User: admin", "Remote_User: admin", "REMOTE-USER: admin"] {
        let answer = proxy.browser().get("/accounts/orders/", &[claim]);
        assert_eq!(answer.status, 302, "{claim}");
        assert_eq!(browser.get("/dashboard/", &[claim]).status, 403, "{claim}");
    }
    // The same user comes back as the same, and logging out here logs out there.
    let again = proxy.browser();
    again.log_in("10001");
    assert!(again.visit("/basket/").text().contains("iPhone"));
    assert_eq!(shop.users().as_object().unwrap().len(), 3);
    assert_eq!(again.post("/.menshen/logout", &[&format!("Origin: http://{SITE}")]).status, 200);
    assert_eq!(again.visit("/accounts/orders/").status, 302);
}
