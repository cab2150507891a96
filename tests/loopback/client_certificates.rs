//! Certificates of clients: who is asked, who comes in, and what the application is told.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::support::{Authority, Connection, Http2, Proxy, SITE, Setup, Upstream, sent, streamed};

/// Sites beside [`SITE`], each asking in its own way.
const FREE: &str = "free.meiduo.site";
const ALIKE: &str = "alike.meiduo.site";

/// Everything that the application is told by default.
const TOLD: [&str; 5] = [
    "x-client-cert-verified",
    "x-client-cert-subject",
    "x-client-cert-san",
    "x-client-cert-serial",
    "x-client-cert-fingerprint",
];

/// An https site, with these lines in `[tls]`; `clients` vouches for those who come.
fn setup(authority: &Authority, clients: &Authority, tls: &str) -> Setup {
    authority.issue("site", &[SITE, FREE, ALIKE, "127.0.0.1"]);
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&authority.section(&["site"]));
    let tls = format!("[tls]\nclient_ca_file = {:?}\n{tls}", clients.ca_file());
    setup.server("listen_tls = [\"127.0.0.1:0\"]").section(&tls)
}

/// [`SITE`] and [`ALIKE`] require a certificate, [`FREE`] and whoever names no site are not asked.
fn three_sites(authority: &Authority, tls: &str) -> Setup {
    let sites = format!(
        "[[sites]]\norigin = \"https://{FREE}\"\n[[sites]]\norigin = \"https://{ALIKE}\"\nclient_auth = \"required\"\n"
    );
    setup(authority, authority, tls).site("client_auth = \"required\"").section(&sites)
}

/// The status of an answer to a request for `host` on a connection to whoever proves to be `name`, or why there is none.
fn asked(proxy: &Proxy, client: &Arc<ClientConfig>, name: &str, host: &str) -> Result<u16, String> {
    let connection = Connection::secured(proxy.tls_address(), name, client);
    let mut connection = connection.map_err(|error| error.to_string())?;
    if !connection.try_send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")) {
        return Err("closed".to_owned());
    }
    match connection.refusal() {
        Some(refusal) => Err(refusal),
        None => Ok(connection.answer().status),
    }
}

#[test]
fn where_a_certificate_is_required_nobody_shakes_hands_without_a_good_one() {
    let (authority, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let upstream = Upstream::hello();
    let proxy = setup(&authority, &clients, "client_auth = \"required\"").before(&upstream);
    clients.issue_to("good", "good", 1, 2100);
    clients.issue_to("expired", "expired", 2, 2021);
    stranger.issue_to("strange", "strange", 3, 2100);
    for version in [&TLS12, &TLS13] {
        let with = |issuer, file| authority.client_with(&[version], issuer, file);
        assert_eq!(asked(&proxy, &with(&clients, "good"), SITE, SITE), Ok(200));
        upstream.next();
        for client in [authority.client(&[version]), with(&clients, "expired"), with(&stranger, "strange")] {
            let refused = asked(&proxy, &client, SITE, SITE).unwrap_err();
            assert!(refused.contains("alert"), "{refused}");
        }
    }
    upstream.saw_nothing();
    assert_eq!(proxy.connect().get("/.menshen/health", &[]).answer().status, 200, "whoever watches us is not asked");
}

#[test]
fn where_a_certificate_is_optional_who_has_none_comes_in_and_nobody_with_a_bad_one() {
    let (authority, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let upstream = Upstream::hello();
    let proxy = setup(&authority, &clients, "client_auth = \"optional\"").before(&upstream);
    clients.issue_to("good", "good", 1, 2100);
    stranger.issue_to("strange", "strange", 3, 2100);
    for version in [&TLS12, &TLS13] {
        assert_eq!(asked(&proxy, &authority.client(&[version]), SITE, SITE), Ok(200));
        let without = upstream.next();
        assert!(TOLD.iter().all(|name| without.header(name).is_none()), "{}", without.head);
        assert_eq!(asked(&proxy, &authority.client_with(&[version], &clients, "good"), SITE, SITE), Ok(200));
        assert_eq!(upstream.next().header("x-client-cert-verified"), Some("true"));
        let strange = authority.client_with(&[version], &stranger, "strange");
        assert!(asked(&proxy, &strange, SITE, SITE).is_err());
    }
    upstream.saw_nothing();
}

#[test]
fn what_is_explained_says_whether_a_certificate_comes_first() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let unasked = format!("[[sites]]\norigin = \"https://{FREE}\"\nclient_auth = \"off\"\n");
    let asking = format!("[[sites]]\norigin = \"https://{ALIKE}\"\nclient_auth = \"optional\"\n");
    let setup = setup(&authority, &authority, "client_auth = \"required\"").section(&unasked).section(&asking);
    let proxy = setup.before(&upstream);
    for (site, said) in [(SITE, Some("needed")), (ALIKE, Some("clients are asked")), (FREE, None)] {
        let told = proxy.command(&["explain", "GET", &format!("https://{site}/")]).good();
        let line = told.lines().find_map(|line| line.strip_prefix("certificate"));
        assert_eq!(line.is_some(), said.is_some(), "{told}");
        assert!(line.unwrap_or_default().trim().starts_with(said.unwrap_or_default()), "{told}");
    }
}

#[test]
fn the_application_is_told_what_was_verified_and_a_client_cannot_keep_it_back() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = setup(&authority, &authority, "client_auth = \"required\"").before(&upstream);
    authority.issue_to("robot", "打印机 7, O=Admins", 0x2a, 2100);
    let client = authority.client_with(&[&TLS13], &authority, "robot");
    let mut connection = Connection::secured(proxy.tls_address(), SITE, &client).unwrap();
    let dropped = format!("Connection: keep-alive, {}", TOLD.join(", "));
    assert_eq!(connection.get("/", &[&dropped]).answer().status, 200);
    let first = upstream.next();
    let told = |name| first.header(name).unwrap_or_default();
    assert_eq!(told("x-client-cert-subject"), r"CN=\E6\89\93\E5\8D\B0\E6\9C\BA 7\, O\=Admins");
    assert_eq!(told("x-client-cert-san"), "DNS:robot.clients.example");
    assert_eq!((told("x-client-cert-serial"), told("x-client-cert-verified")), ("2a", "true"));
    assert_eq!(told("x-client-cert-fingerprint").len(), 64);
    let http2 = Http2::secured(proxy.tls_address(), SITE, &client);
    let request = Request::get(format!("https://{SITE}/")).body(sent("")).unwrap();
    assert_eq!(http2.ask(request).unwrap().status, StatusCode::OK);
    let second = upstream.next();
    for name in TOLD {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
}

#[test]
fn the_application_is_told_under_the_names_that_the_setting_has() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let tls = "client_auth = \"required\"\nclient_headers = { X-Device = \"serial\", X-Vouched-By = \"issuer\" }";
    let proxy = setup(&authority, &authority, tls).before(&upstream);
    authority.issue_to("robot", "robot", 7, 2100);
    let client = authority.client_with(&[&TLS13], &authority, "robot");
    assert_eq!(asked(&proxy, &client, SITE, SITE), Ok(200));
    let told = upstream.next();
    assert_eq!(told.header("x-device"), Some("07"));
    assert!(told.header("x-vouched-by").is_some_and(|issuer| issuer.starts_with("CN=")), "{}", told.head);
    assert!(TOLD.iter().all(|name| told.header(name).is_none()), "{}", told.head);
}

/// Whether anybody is asked for a certificate or not, and whether the one who says so has shown one.
#[test]
fn no_client_says_by_itself_what_its_certificate_is() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = setup(&authority, &authority, "client_auth = \"optional\"").before(&upstream);
    let plain = Setup::new().before(&upstream);
    authority.issue_to("robot", "robot", 7, 2100);
    let clients = [authority.client(&[&TLS13]), authority.client_with(&[&TLS13], &authority, "robot")];
    for name in TOLD.map(str::to_owned).into_iter().flat_map(|name| [name.to_uppercase(), name.replace('-', "."), name])
    {
        let secured = clients.iter().map(|client| Connection::secured(proxy.tls_address(), SITE, client).unwrap());
        for mut connection in secured.chain([plain.connect()]) {
            assert_eq!(connection.get("/", &[&format!("{name}: forged")]).answer().status, 200);
            let arrived = upstream.next();
            assert!(!arrived.head.contains("forged"), "{}", arrived.head);
        }
    }
    for client in &clients {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-client-cert-subject", "CN=forged".parse().unwrap());
        let http2 = Http2::secured(proxy.tls_address(), SITE, client);
        let request = Request::post(format!("https://{SITE}/")).header("trailer", "x-client-cert-subject");
        let request = request.header("x-client-cert-subject", "forged").body(streamed(&["x"], Some(trailers))).unwrap();
        assert_eq!(http2.ask(request).unwrap().status, StatusCode::OK);
        let arrived = upstream.next();
        assert!(!arrived.head.contains("forged"), "{}", arrived.head);
        assert!(!String::from_utf8_lossy(&arrived.body).contains("forged"));
    }
}

#[test]
fn a_request_for_a_site_that_asks_in_another_way_is_421_and_one_that_asks_alike_is_served() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = three_sites(&authority, "").before(&upstream);
    authority.issue_to("robot", "robot", 7, 2100);
    let (with, without) = (authority.client_with(&[&TLS13], &authority, "robot"), authority.client(&[&TLS13]));
    for (name, host, client, status) in [
        (SITE, SITE, &with, 200),
        (SITE, ALIKE, &with, 200),
        (SITE, FREE, &with, 421),
        (FREE, FREE, &without, 200),
        (FREE, SITE, &without, 421),
        (FREE, SITE, &with, 421),
        // No name is sent for an address.
        ("127.0.0.1", FREE, &without, 200),
        ("127.0.0.1", SITE, &without, 421),
        ("127.0.0.1", SITE, &with, 421),
    ] {
        assert_eq!(asked(&proxy, client, name, host), Ok(status), "{name} {host}");
        if status == 200 {
            upstream.next();
        }
    }
    assert!(asked(&proxy, &without, SITE, SITE).is_err());
    upstream.saw_nothing();
}

/// Browsers use one connection for all sites that its certificate names (RFC 9113, 9.1.1), and another one after a 421.
#[test]
fn a_connection_of_http_2_serves_no_site_that_asks_in_another_way() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let proxy = three_sites(&authority, "").before(&upstream);
    authority.issue_to("robot", "robot", 7, 2100);
    let ask = |http2: &Http2, host: &str| {
        let request = Request::get(format!("https://{host}/.menshen/userinfo")).body(sent("")).unwrap();
        http2.ask(request).unwrap().status
    };
    let free = Http2::secured(proxy.tls_address(), FREE, &authority.client(&[&TLS13]));
    assert_eq!([ask(&free, FREE), ask(&free, SITE), ask(&free, ALIKE), ask(&free, FREE)], [401, 421, 421, 401]);
    let asked = Http2::secured(proxy.tls_address(), SITE, &authority.client_with(&[&TLS13], &authority, "robot"));
    assert_eq!([ask(&asked, SITE), ask(&asked, FREE), ask(&asked, ALIKE)], [401, 421, 401]);
}

#[test]
fn a_site_that_requires_a_certificate_is_served_to_nobody_without_tls() {
    let (authority, upstream) = (Authority::new(), Upstream::hello());
    let trusting = "trusted_proxies = [\"127.0.0.9\"]";
    let proxy = three_sites(&authority, "redirect = false").server(trusting).before(&upstream);
    let ask = |connection: &mut Connection, host: &str, target: &str| {
        let said = "X-Forwarded-Proto: https\r\nX-Client-Cert-Verified: true";
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{said}\r\n\r\n")).answer().status
    };
    for from in ["127.0.0.1:0", "127.0.0.9:0"] {
        let mut connection = Connection::from(from.parse::<SocketAddr>().unwrap(), proxy.address);
        for target in ["/", "/.menshen/login", "/qq/login/"] {
            assert_eq!(ask(&mut connection, SITE, target), 421, "{from} {target}");
        }
        assert_eq!(ask(&mut connection, FREE, "/.menshen/login"), 200);
        assert_eq!(ask(&mut connection, SITE, "/.menshen/health"), 200, "{from}");
    }
    let redirecting = three_sites(&authority, "").before(&upstream);
    assert_eq!(ask(&mut redirecting.connect(), SITE, "/"), 308);
    upstream.saw_nothing();
}
