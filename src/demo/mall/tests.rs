use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Sends `request` with the lines every request has, and returns the whole answer.
async fn ask(mall: &Mall, request_line: &str, headers: &[&str], body: &str) -> String {
    let mut lines = format!("{request_line} HTTP/1.1\r\nHost: mall.test\r\nConnection: close\r\n");
    for header in headers {
        lines.push_str(header);
        lines.push_str("\r\n");
    }
    let request = format!("{lines}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(mall.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn get(path: &str, headers: &[&str]) -> String {
    let mall = Mall::start().await.unwrap();
    ask(&mall, &format!("GET {path}"), headers, "").await
}

fn bearer(claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("Authorization: Bearer {}.{}.{}", encode(r#"{"alg":"ES256"}"#), encode(claims), encode("a-signature"))
}

#[tokio::test]
async fn every_page_is_there_in_both_languages() {
    let known = "X-Menshen-User: u1";
    for path in ["/", "/goods/1/", "/goods/8/", "/cart/", "/user/center/", "/orders/", "/headers/"] {
        let chinese = get(path, &[known]).await;
        assert!(chinese.starts_with("HTTP/1.1 200") && chinese.contains("美多小铺"), "{path}: {chinese}");
        let english = get(path, &[known, "Accept-Language: en"]).await;
        assert!(english.contains("<html lang=\"en\">") && english.contains("Meiduo Corner"), "{path}");
        let is_chinese = |character| ('\u{4e00}'..='\u{9fff}').contains(&character);
        assert!(!english.contains(is_chinese), "{path}");
        for page in [chinese, english] {
            assert!(page.contains("content-security-policy: default-src 'none'"), "{path}");
            let inline = page.replace("<script src=\"/static/mall.js\" defer>", "");
            assert!(
                !inline.contains("<script") && !inline.contains(" style=") && !inline.contains(" onclick"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_cart_is_filled_and_emptied_by_forms() {
    let mall = Mall::start().await.unwrap();
    let added = ask(&mall, "POST /cart/add/", &["Cookie: a=b; carts=1x1.2x1"], "sku=2").await;
    assert!(added.starts_with("HTTP/1.1 303") && added.contains("location: /cart/\r\n"), "{added}");
    assert!(added.contains("set-cookie: carts=1x1.2x2; Path=/"), "{added}");
    let removed = ask(&mall, "POST /cart/remove/", &["Cookie: carts=1x1.2x2"], "sku=1").await;
    assert!(removed.contains("set-cookie: carts=2x2; Path=/"), "{removed}");
    let shown = ask(&mall, "GET /cart/", &["Cookie: carts=2x2", "Accept-Language: en"], "").await;
    assert!(shown.contains("Bamboo lantern") && shown.contains("¥258.00"), "{shown}");
    let json = ask(&mall, "GET /api/cart/", &["Cookie: carts=2x2", "Accept-Language: en"], "").await;
    assert!(json.contains(r#""count":2"#) && json.contains(r#""total_fen":25800"#), "{json}");
}

#[tokio::test]
async fn senseless_forms_are_refused() {
    let mall = Mall::start().await.unwrap();
    let too_long = format!("sku=1&{}", "x".repeat(1100));
    for form in ["", "sku=", "sku=99", "sku=<script>", "other=1", &too_long] {
        let answer = ask(&mall, "POST /cart/add/", &[], form).await;
        assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains("set-cookie"), "{form}: {answer}");
    }
    let answer = ask(&mall, "GET /cart/add/", &[], "").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: POST\r\n"), "{answer}");
    let answer = ask(&mall, "DELETE /cart/", &[], "").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn visitors_are_known_by_headers_alone() {
    let name = "X-Menshen-Name: %E5%BC%A0%E4%B8%89";
    let center = get("/user/center/", &["X-Menshen-User: u-1", name]).await;
    assert!(center.contains("<bdi>张三</bdi>，欢迎回来") && center.contains("<code>u-1</code>"), "{center}");
    let me = get("/api/me/", &["X-Menshen-User: u-1", name]).await;
    assert!(me.ends_with(r#"{"code":"0","errmsg":"OK","name":"张三","user_id":"u-1"}"#), "{me}");
    let by_token = get("/api/me/", &[&bearer(r#"{"sub":"u-2","name":"李四"}"#)]).await;
    assert!(by_token.contains(r#""user_id":"u-2""#) && by_token.contains("李四"), "{by_token}");
    for path in ["/user/center/", "/orders/"] {
        let stranger = get(path, &["Cookie: username=admin; sessionid=1"]).await;
        assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
        assert!(stranger.contains(&format!("href=\"/qq/login/?next={path}\"")), "{stranger}");
    }
    assert!(get("/api/me/", &[]).await.ends_with(r#"{"code":"4101","errmsg":"用户未登录"}"#));
}

#[tokio::test]
async fn the_headers_page_shows_claims_and_no_secret() {
    let token = bearer(r#"{"sub":"u-1","exp":4102444800,"admin":false,"name":"<b>\u0000"}"#);
    let page = get("/headers/", &[&token, "Cookie: __Host-session=abcdefghijklmnop; theme=1", "X-Test: <i>\"'"]).await;
    for expected in [
        "<bdi>u-1</bdi>",
        "2100-01-01T00:00:00.000Z",
        "<bdi>false</bdi>",
        "<bdi>&#60;b&#62;\u{fffd}</bdi>",
        "<bdi>__Host-session=abcdef…; theme=1</bdi>",
        "<bdi>&#60;i&#62;&#34;&#39;</bdi>",
        "没有验证签名",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    let signature = token.rsplit('.').next().unwrap();
    assert!(!page.contains(signature) && !page.contains("ghijklmnop"), "{page}");
    let anonymous = get("/headers/", &["Authorization: Basic dXNlcjpwYXNzd29yZA=="]).await;
    assert!(anonymous.contains("没有带令牌") && !anonymous.contains("dXNlcjpwYXNz"), "{anonymous}");
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let name = "X-Menshen-Name: %22%27%3E%3Cscript%3Ealert(1)%3C/script%3E%00%E2%80%AE";
    for path in ["/user/center/", "/orders/", "/headers/"] {
        let page = get(path, &["X-Menshen-User: <script>alert(1)</script>", name]).await;
        assert!(!page.contains("<script>") && !page.contains('\0'), "{path}: {page}");
    }
    let page = get("/%22%3E%3Cscript%3E\"><script>/", &["Cookie: carts=\"><script>"]).await;
    assert!(page.starts_with("HTTP/1.1 4") && !page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn the_shops_own_logout_forgets_the_name_and_goes_home() {
    let answer = get("/logout/", &["Cookie: username=x"]).await;
    assert!(answer.starts_with("HTTP/1.1 302") && answer.contains("location: /\r\n"), "{answer}");
    assert!(answer.contains("set-cookie: username=; Path=/; Max-Age=0\r\n"), "{answer}");
}

#[tokio::test]
async fn the_script_and_its_fallback_ask_for_the_same_login() {
    let script = get("/static/mall.js", &[]).await;
    for part in ["login_url", "location.href", "decodeURIComponent", "textContent"] {
        assert!(script.contains(part), "{part}");
    }
    assert!(!script.contains("innerHTML") && script.contains("content-type: text/javascript"), "{script}");
    assert!(get("/goods/3/", &[]).await.contains("class=\"button qq\" href=\"/qq/login/?next=/goods/3/\""));
}

#[tokio::test]
async fn only_a_missing_last_slash_is_put_right() {
    let answer = get("/goods/3?a=1&b", &[]).await;
    assert!(answer.starts_with("HTTP/1.1 301") && answer.contains("location: /goods/3/?a=1&b\r\n"), "{answer}");
    for path in ["//", "//cart/", "/Cart/", "/cart/%2e/", "/goods/0/", "/goods/1/x", "/qq/login/", "/static/", "/.env"]
    {
        assert!(get(path, &[]).await.starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let mall = Mall::start().await.unwrap();
    let answer = ask(&mall, "HEAD /", &[], "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_dropped_mall_ends_its_connections() {
    let mall = Mall::start().await.unwrap();
    let mut open = TcpStream::connect(mall.addr()).await.unwrap();
    drop(mall);
    // The connection ends, with an orderly close or a reset, when its task is dropped with the accept loop.
    let ended = open.read(&mut [0; 1]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
