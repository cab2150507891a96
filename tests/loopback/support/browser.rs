//! A browser, as far as logins need one: it keeps cookies and asks for pages.

use std::cell::RefCell;
use std::collections::BTreeMap;

use url::Url;

use super::{Answer, Proxy};

/// What a browser on plain http sends with a navigation.
pub const PAGE: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What a script of the shop's sends.
pub const SCRIPT: &str = "Accept: */*";

/// A browser with a cookie jar of its own.
pub struct Browser<'p> {
    proxy: &'p Proxy,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'p> Browser<'p> {
    pub fn new(proxy: &'p Proxy) -> Self {
        Browser { proxy, cookies: RefCell::default() }
    }

    /// Navigates to a page.
    pub fn visit(&self, target: &str) -> Answer {
        self.get(target, &[PAGE])
    }

    /// A GET with further fields, each a whole line.
    pub fn get(&self, target: &str, fields: &[&str]) -> Answer {
        self.request("GET", target, fields, "")
    }

    /// A POST of a form from our own pages.
    pub fn post(&self, target: &str, fields: &[&str]) -> Answer {
        self.request("POST", target, fields, "x=1")
    }

    /// Any request, with the jar's cookies; the answer's cookies go into the jar.
    pub fn request(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.proxy.host);
        if let Some(cookies) = self.cookie_header() {
            text += &format!("Cookie: {cookies}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
        }
        for field in fields {
            text += &format!("{field}\r\n");
        }
        let mut connection = self.proxy.connect();
        let answer = connection.send(format!("{text}\r\n{body}")).answer_to(method == "HEAD");
        answer.all("set-cookie").into_iter().for_each(|cookie| self.keep(cookie));
        answer
    }

    /// Takes in a `Set-Cookie`.
    pub fn keep(&self, set_cookie: &str) {
        let (name, value) = set_cookie.split(';').next().unwrap().split_once('=').unwrap();
        let mut cookies = self.cookies.borrow_mut();
        if set_cookie.contains("Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// `Cookie`, as it would be sent.
    pub fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.borrow();
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// The names of the cookies that begin like this.
    pub fn cookie_names(&self, prefix: &str) -> Vec<String> {
        self.cookies.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// Another browser with the same cookies.
    pub fn copy(&self) -> Self {
        Browser { proxy: self.proxy, cookies: self.cookies.clone() }
    }

    /// Begins a login as the shop's script does; where QQ would send the browser back to, once `user` has agreed.
    pub fn begin_login(&self, next: &str, user: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let answer = self.get(&format!("/qq/login/?{query}"), &["Accept: */*"]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let login_url = Url::parse(answer.json()["login_url"].as_str().unwrap()).unwrap();
        let callback = Url::parse(&self.proxy.qq.log_in(&login_url, user).unwrap()).unwrap();
        format!("{}?{}", callback.path(), callback.query().unwrap())
    }

    /// Logs a QQ user in as an API client does; the token it gets.
    pub fn token(&self, user: &str) -> String {
        let callback = self.begin_login("/", user);
        let answer = self.get(&callback, &["Accept: application/json"]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// Logs a QQ user in, and asserts that it went well.
    pub fn log_in(&self, user: &str) -> Answer {
        let callback = self.begin_login("/", user);
        let answer = self.visit(&callback);
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer
    }

    /// Our id of whoever is logged in.
    pub fn user_id(&self) -> Option<String> {
        let answer = self.get("/.menshen/userinfo", &[]);
        (answer.status == 200).then(|| answer.json()["user_id"].as_str().unwrap().to_owned())
    }
}
