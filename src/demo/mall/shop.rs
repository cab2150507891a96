//! What the shop answers: one request, one response. It knows paths, its own cookies and what the headers say about the
//! visitor; it has no notion of logins.

use askama::Template;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::cart::Cart;
use super::catalogue::Item;
use super::texts::Texts;
use super::view::{CartPage, Center, Front, Headers, Notice, Orders, Product, Shell};
use super::visitor::Visitor;
use crate::http::language::Language;

/// Largest form, in bytes: `sku=` and a number need far less.
const LARGEST_FORM: usize = 1 << 10;

/// How long the cart cookie lives, in seconds: a fortnight.
const CART_LIFETIME: u32 = 14 * 24 * 3600;

/// The page's own files and nothing else; forms and calls to this site.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

type Answer = Response<Full<Bytes>>;

/// Answers any request.
pub(super) async fn answer(request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let Some(route) = Route::of(parts.uri.path()) else {
        return no_route(&parts);
    };
    let allowed: &[Method] = if route.takes_a_form() { &[Method::POST] } else { &[Method::GET, Method::HEAD] };
    if !allowed.contains(&parts.method) {
        let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
        let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
        set(&mut answer, ALLOW, &names.join(", "));
        return answer;
    }
    let language = Language::of(&parts.headers);
    let cart = Cart::from_cookie(cookie(&parts.headers, "carts").unwrap_or_default());
    let shell = Shell { language, texts: Texts::of(language), path: parts.uri.path(), cart };
    let visitor = Visitor::of(&parts.headers);
    match route {
        Route::Front => html(StatusCode::OK, language, &Front::new(&shell)),
        Route::Product(item) => html(StatusCode::OK, language, &Product { shell: &shell, item }),
        Route::Cart => html(StatusCode::OK, language, &CartPage::new(&shell)),
        Route::AddToCart => change_cart(shell.cart, body, |cart, item| cart.add(item, 1)).await,
        Route::RemoveFromCart => change_cart(shell.cart, body, |cart, item| cart.remove(item)).await,
        Route::Center => match &visitor {
            Some(visitor) => html(StatusCode::OK, language, &Center { shell: &shell, visitor }),
            None => html(StatusCode::UNAUTHORIZED, language, &Notice::log_in_first(&shell)),
        },
        Route::Orders => match &visitor {
            Some(visitor) => html(StatusCode::OK, language, &Orders::new(&shell, visitor)),
            None => html(StatusCode::UNAUTHORIZED, language, &Notice::log_in_first(&shell)),
        },
        Route::Headers => html(StatusCode::OK, language, &Headers::new(&shell, &parts.headers)),
        Route::Logout => {
            let mut answer = redirect(StatusCode::FOUND, "/");
            set(&mut answer, SET_COOKIE, "username=; Path=/; Max-Age=0");
            answer
        }
        Route::ApiCart => json(&cart_as_json(&shell.cart, language)),
        Route::ApiMe => json(&visitor_as_json(visitor.as_ref())),
        Route::Static(file) => file.answer(),
    }
}

/// Every address of the shop.
#[derive(Debug, Clone, Copy)]
enum Route {
    Front,
    Product(&'static Item),
    Cart,
    AddToCart,
    RemoveFromCart,
    Center,
    Orders,
    Headers,
    Logout,
    ApiCart,
    ApiMe,
    Static(StaticFile),
}

#[derive(Debug, Clone, Copy)]
struct StaticFile {
    kind: &'static str,
    text: &'static str,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let file = |kind, text| Some(Route::Static(StaticFile { kind, text }));
        match path {
            "/" => Some(Route::Front),
            "/cart/" => Some(Route::Cart),
            "/cart/add/" => Some(Route::AddToCart),
            "/cart/remove/" => Some(Route::RemoveFromCart),
            "/user/center/" => Some(Route::Center),
            "/orders/" => Some(Route::Orders),
            "/headers/" => Some(Route::Headers),
            "/logout/" => Some(Route::Logout),
            "/api/cart/" => Some(Route::ApiCart),
            "/api/me/" => Some(Route::ApiMe),
            "/static/mall.css" => file("text/css; charset=utf-8", include_str!("../../../templates/mall/mall.css")),
            "/static/mall.js" => {
                file("text/javascript; charset=utf-8", include_str!("../../../templates/mall/mall.js"))
            }
            "/static/mall.svg" => file("image/svg+xml", include_str!("../../../templates/mall/mall.svg")),
            path => {
                let id = path.strip_prefix("/goods/")?.strip_suffix('/')?;
                Item::find(id).map(Route::Product)
            }
        }
    }
    fn takes_a_form(self) -> bool {
        matches!(self, Route::AddToCart | Route::RemoveFromCart)
    }
}

impl StaticFile {
    fn answer(self) -> Answer {
        let mut answer = Response::new(Full::new(Bytes::from_static(self.text.as_bytes())));
        set(&mut answer, CONTENT_TYPE, self.kind);
        set(&mut answer, CACHE_CONTROL, "public, max-age=300");
        answer
    }
}

/// A path that only lacks its last slash is put right, as these shops' framework does; any other is not found.
fn no_route(parts: &Parts) -> Answer {
    let with_slash = format!("{}/", parts.uri.path());
    if Route::of(&with_slash).is_some() && parts.method == Method::GET {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return redirect(StatusCode::MOVED_PERMANENTLY, &format!("{with_slash}{query}"));
    }
    let language = Language::of(&parts.headers);
    let cart = Cart::from_cookie(cookie(&parts.headers, "carts").unwrap_or_default());
    let shell = Shell { language, texts: Texts::of(language), path: "/", cart };
    html(StatusCode::NOT_FOUND, language, &Notice::not_found(&shell))
}

async fn change_cart(mut cart: Cart, body: Incoming, change: impl FnOnce(&mut Cart, &'static Item)) -> Answer {
    let Ok(form) = Limited::new(body, LARGEST_FORM).collect().await else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let form = form.to_bytes();
    let sku = form_urlencoded::parse(&form).find(|(name, _)| name == "sku").map(|(_, value)| value);
    let Some(item) = sku.as_deref().and_then(Item::find) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    change(&mut cart, item);
    let mut answer = redirect(StatusCode::SEE_OTHER, "/cart/");
    set(&mut answer, SET_COOKIE, &format!("carts={cart}; Path=/; Max-Age={CART_LIFETIME}; SameSite=Lax"));
    answer
}

fn cart_as_json(cart: &Cart, language: Language) -> Value {
    let lines: Vec<_> = cart
        .lines()
        .iter()
        .map(|line| {
            let (item, count) = (line.item, line.count);
            json!({"id": item.id, "name": item.name.in_language(language), "price_fen": item.price.0, "count": count})
        })
        .collect();
    json!({"code": "0", "errmsg": "OK", "cart_skus": lines, "total_fen": cart.total().0})
}

/// Such shops answer 200 to a script whether or not the visitor is known; the code tells.
fn visitor_as_json(visitor: Option<&Visitor>) -> Value {
    match visitor {
        Some(visitor) => json!({"code": "0", "errmsg": "OK", "user_id": visitor.id, "name": visitor.name}),
        None => json!({"code": "4101", "errmsg": "用户未登录"}),
    }
}

fn html(status: StatusCode, language: Language, page: &impl Template) -> Answer {
    // Writing into a `String` fails only where a `Display` of ours does, and none of them can.
    let mut answer = Response::new(Full::new(Bytes::from(page.render().unwrap_or_default())));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut answer, CONTENT_LANGUAGE, language.tag());
    set(&mut answer, CONTENT_SECURITY_POLICY, POLICY);
    set(&mut answer, CACHE_CONTROL, "no-store");
    set(&mut answer, VARY, "Accept-Language, Cookie");
    answer
}

fn json(value: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    set(&mut answer, CONTENT_TYPE, "application/json");
    set(&mut answer, CACHE_CONTROL, "no-store");
    answer
}

fn redirect(status: StatusCode, location: &str) -> Answer {
    let mut answer = empty(status);
    set(&mut answer, LOCATION, location);
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// Every value is ours, or a path and query that came in as a legal `Uri`: none can be refused.
fn set(answer: &mut Answer, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok()).find_map(|pairs| {
        pairs.split(';').find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v))
    })
}
