//! The whole journey in a real browser: Chromium reaches the running program under the site's own name and logs in at
//! the simulated QQ, as a visitor of the sample mall. What visitors do is in `cases.mjs`, a function for each test here;
//! what others try to do to them is in files beside it.

pub(crate) mod browser;
mod caches;
mod demo;
mod redirects;
mod scene;
mod secured;
mod siblings;

use menshen::demo::qq::Endpoint;

use scene::Scene;

#[test]
fn a_guarded_page_is_reached_by_way_of_qq_and_greets_by_name() {
    let scene = Scene::play("guarded_page");
    assert_eq!(scene.exchanges(), 1);
}

#[test]
fn the_shops_own_button_logs_in_by_its_script() {
    Scene::play("shops_own_button");
}

#[test]
fn without_scripts_the_button_is_a_link_that_logs_in() {
    Scene::play("without_scripts");
}

#[test]
fn one_qq_user_is_one_user_in_every_browser() {
    Scene::play("same_user_everywhere");
}

#[test]
fn our_logout_page_asks_first_and_then_ends_the_session() {
    Scene::play("our_logout");
}

#[test]
fn the_shops_own_logout_link_ends_our_session() {
    Scene::play("shops_logout");
}

#[test]
fn who_cancels_on_a_phone_comes_back_to_a_page_that_leads_on() {
    Scene::play("cancel_on_a_phone");
}

#[test]
fn who_cancels_on_a_desktop_stays_at_qq_and_can_begin_again() {
    Scene::play("cancel_on_a_desktop");
}

#[test]
fn two_tabs_that_log_in_at_once_both_succeed() {
    let scene = Scene::play("two_tabs");
    assert_eq!(scene.exchanges(), 2);
}

#[test]
fn a_phone_gets_pages_that_fit_and_qqs_page_for_phones() {
    Scene::play("on_a_phone");
}

#[test]
fn a_browser_without_cookies_is_told_why_and_not_sent_in_circles() {
    let scene = Scene::play("cookies_blocked");
    assert_eq!(scene.exchanges(), 0, "a code that no attempt belongs to is not exchanged");
}

#[test]
fn a_form_of_the_shop_works_for_who_is_logged_in() {
    Scene::play("shops_form");
}

#[test]
fn every_page_speaks_the_visitors_language() {
    Scene::play("both_languages");
}

impl Scene {
    /// How many codes were taken to QQ.
    fn exchanges(&self) -> usize {
        self.qq.count(Endpoint::Token)
    }
}
