//! A proxy that speaks TLS by itself, as browsers see it.

use serde_json::json;

use super::browser::{Whereabouts, play_with};
use super::siblings::shop;
use crate::backends::{SITE, Setup, free_address, tls};

#[test]
fn a_proxy_that_speaks_tls_by_itself_serves_browsers_by_http_2_and_sends_them_there() {
    let shop = shop();
    let (listen, listen_tls) = (free_address(), free_address());
    let folder = tempfile::tempdir().unwrap();
    tls::certificate(&[SITE], folder.path());
    let file = |name: &str| folder.path().join(name);
    let certificate =
        format!("[[tls.certificates]]\nchain_file = {:?}\nkey_file = {:?}\n", file("cert.pem"), file("key.pem"));
    let server = format!("listen = [\"{listen}\"]\nlisten_tls = [\"{listen_tls}\"]");
    let setup = Setup::new().https().port(listen_tls.port()).server(&server).section(&certificate);
    let guarded = "[[routes]]\npath = \"/user/*\"\naccess = \"required\"\n";
    let proxy = setup.section(guarded).before(shop.address());
    let whereabouts =
        Whereabouts { site: format!("https://{}", proxy.host), qq: format!("http://{}", proxy.qq.addr()) };
    let plain = format!("http://{SITE}:{}", listen.port());
    play_with("over_its_own_tls", &whereabouts, &proxy.program, &json!({ "plain": plain, "others": [plain] }));
    let seen: Vec<_> = std::iter::from_fn(|| shop.try_next()).collect();
    let socket = seen.iter().find(|request| request.line().starts_with("GET /ws ")).unwrap();
    assert!(socket.header("x-menshen-user").is_some(), "{}", socket.head);
}
