//! A login, a logout and every page of ours, told to lead elsewhere: Chromium says where they end.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::browser::{Whereabouts, play_with};
use crate::backends::{Next, Proxy, SITE, Setup, Upstream, free_address, open_redirects};

/// Fewest classes of tricks.
const CLASSES: usize = 12;

#[test]
fn no_next_leads_a_browser_off_the_site() {
    let scene = Scene::set();
    scene.play("no_next_leads_off_the_site", scene.values());
}

#[test]
fn no_class_of_next_leads_who_clicks_through_a_login_and_a_logout_off_the_site() {
    let scene = Scene::set();
    let mut classes = BTreeSet::new();
    let of_each: Vec<Value> =
        scene.values().into_iter().filter(|value| classes.insert(value["kind"].to_string())).collect();
    assert!(of_each.len() >= CLASSES);
    scene.play("no_next_leads_off_the_site_by_hand", of_each);
}

#[test]
fn no_page_of_ours_links_off_the_site() {
    let scene = Scene::set();
    scene.play("no_page_of_ours_links_off_the_site", scene.values());
}

struct Scene {
    proxy: Proxy,
    _upstream: Upstream,
}

impl Scene {
    fn set() -> Self {
        let page = "<!doctype html><link rel=\"icon\" href=\"data:,\"><main>";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
        let upstream = Upstream::scripted(move |_| format!("{head}{page}").into_bytes());
        let listen = free_address();
        let proxy = Setup::new()
            .port(listen.port())
            .server(&format!("listen = [\"{listen}\"]"))
            .site("allowed_hosts = [\"https://m.meiduo.site\"]")
            .section("[log]\naccess = false\n[limits]\nlogins_per_address = 10000\n")
            .before(upstream.address());
        Scene { proxy, _upstream: upstream }
    }

    /// The table's, as they mean this site.
    fn values(&self) -> Vec<Value> {
        let here = |text: &str| text.replace(&format!("{SITE}:8000"), &self.proxy.host);
        let told = |Next { class, next, place }| json!({ "kind": class, "next": here(&next), "place": place });
        open_redirects().into_iter().map(told).collect()
    }

    fn play(&self, case: &str, values: Vec<Value>) {
        let whereabouts =
            Whereabouts { site: format!("http://{}", self.proxy.host), qq: format!("http://{}", self.proxy.qq.addr()) };
        play_with(case, &whereabouts, &self.proxy.program, &Value::Array(values));
    }
}
