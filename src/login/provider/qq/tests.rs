//! QQ's calls over real sockets: what is sent, and what becomes of each answer.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::login::provider::suite::server::{Reply, ScriptedServer};
use crate::login::provider::suite::{Call, Subject, exchange, provider_suite};

const SECRET: &str = "s3cret+&#%=";
const TOKEN: &str = "T0KEN+&#%=";
const TOKEN_ANSWER: &str = r#"{"access_token":"T0KEN+&#%=","expires_in":"5184000","refresh_token":"R3FRESH"}"#;
const ME_ANSWER: &str = "callback( {\"client_id\":\"101000001\",\"openid\":\"1A376CE57476A73F2FCA3BE9D5397DFC\"} );\n";
const INFO_ANSWER: &str =
    r#"{"ret":0,"msg":"","nickname":" 小明 ","figureurl_qq_1":"http:\/\/thirdqq.qlogo.cn\/g?s=40"}"#;

static QQ: Subject = Subject {
    build: |base, patience| Box::new(Qq::new(Settings { exchange_timeout: patience, ..settings(base) }).unwrap()),
    calls: &[
        Call { path: "/oauth2.0/token", body: TOKEN_ANSWER, required: true },
        Call { path: "/oauth2.0/me", body: ME_ANSWER, required: true },
        Call { path: "/user/get_user_info", body: INFO_ANSWER, required: false },
    ],
    secrets: &[SECRET, "s3cret", TOKEN, "T0KEN", "R3FRESH"],
};

provider_suite!(QQ);

pub(super) fn settings(base: &Url) -> Settings {
    Settings {
        id: ProviderId::new("qq"),
        client_id: "101000001".into(),
        client_secret: Secret::from(SECRET),
        authorize_url: base.join("/oauth2.0/authorize").unwrap(),
        token_url: base.join("/oauth2.0/token").unwrap(),
        openid_url: base.join("/oauth2.0/me").unwrap(),
        user_info_url: base.join("/user/get_user_info").unwrap(),
        unionid: false,
        scope: Vec::new(),
        exchange_timeout: Duration::from_secs(30),
        way: Way { connect_timeout: Duration::from_secs(10), proxy: None, extra_ca: None },
    }
}

fn with_way(base: &Url, change: impl FnOnce(&mut Way)) -> Settings {
    let mut settings = settings(base);
    change(&mut settings.way);
    settings
}

fn redirect_uri() -> Url {
    Url::parse("http://www.meiduo.site:8000/oauth_callback?a=1&b=%E4%B8%AD").unwrap()
}

async fn log_in(settings: Settings) -> Result<Identity, Error> {
    Qq::new(settings).unwrap().identify(exchange(&redirect_uri())).await
}

/// A server where everything goes well but what `other` answers.
async fn server(other: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::start(move |path| {
        other(path).unwrap_or_else(|| {
            let call = QQ.calls.iter().find(|call| call.path == path).unwrap();
            Reply::Body(call.body.to_owned())
        })
    })
    .await
}

#[test]
fn the_authorize_address_holds_the_documented_parameters_in_order() {
    let base = Url::parse("http://qq.invalid").unwrap();
    let authorize_url = Url::parse("https://graph.qq.com/oauth2.0/authorize").unwrap();
    let settings = || Settings { authorize_url: authorize_url.clone(), ..settings(&base) };
    let redirect_uri = redirect_uri();
    let challenge = |display| Challenge { state: "a1B2", redirect_uri: &redirect_uri, display, pkce: None };
    let plain = Qq::new(settings()).unwrap().authorize_url(&challenge(Display::Desktop)).unwrap();
    assert_eq!(
        plain.as_str(),
        "https://graph.qq.com/oauth2.0/authorize?response_type=code&client_id=101000001\
         &redirect_uri=http%3A%2F%2Fwww.meiduo.site%3A8000%2Foauth_callback%3Fa%3D1%26b%3D%25E4%25B8%25AD&state=a1B2"
    );
    let scope = vec!["get_user_info".to_owned(), "list_album".to_owned()];
    let full = Qq::new(Settings { scope, ..settings() }).unwrap().authorize_url(&challenge(Display::Mobile)).unwrap();
    assert_eq!(full.as_str(), format!("{plain}&scope=get_user_info%2Clist_album&display=mobile"));
}

#[tokio::test]
async fn a_login_sends_what_qq_documents_and_nothing_else() {
    let server = server(|_| None).await;
    let identity = log_in(settings(&server.url("/"))).await.unwrap();
    assert_eq!(
        identity,
        Identity {
            subject: "1A376CE57476A73F2FCA3BE9D5397DFC".into(),
            client_id: "101000001".into(),
            unionid: None,
            display_name: Some("小明".into()),
            avatar: Some("https://thirdqq.qlogo.cn/g?s=40".into()),
        }
    );
    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /oauth2.0/token?grant_type=authorization_code&client_id=101000001&client_secret=s3cret%2B%26%23%25%3D\
             &code=C0DE%2B%26%23%25%3D%2F%3F9A5F&redirect_uri=http%3A%2F%2Fwww.meiduo.site%3A8000%2Foauth_callback\
             %3Fa%3D1%26b%3D%25E4%25B8%25AD&fmt=json HTTP/1.1",
            "GET /oauth2.0/me?access_token=T0KEN%2B%26%23%25%3D&fmt=json HTTP/1.1",
            "GET /user/get_user_info?access_token=T0KEN%2B%26%23%25%3D&oauth_consumer_key=101000001\
             &openid=1A376CE57476A73F2FCA3BE9D5397DFC HTTP/1.1",
        ]
    );
    for head in &requests {
        let mut names: Vec<_> =
            head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "user-agent"], "{head}");
    }
}

#[tokio::test]
async fn the_unionid_is_asked_for_and_kept_only_where_configured() {
    let answer = r#"{"client_id":"101000001","openid":"1A376CE57476A73F2FCA3BE9D5397DFC","unionid":"UID_3C62A1B2C3D4E5F60718293A4B5CF497"}"#;
    let server = server(move |path| (path == "/oauth2.0/me").then(|| Reply::Body(answer.to_owned()))).await;
    let plain = log_in(settings(&server.url("/"))).await.unwrap();
    assert_eq!(plain.unionid, None);
    let asked = log_in(Settings { unionid: true, ..settings(&server.url("/")) }).await.unwrap();
    assert_eq!(asked.unionid.as_deref(), Some("UID_3C62A1B2C3D4E5F60718293A4B5CF497"));
    let asking: Vec<_> = server.requests().iter().map(|head| head.contains("unionid=1")).collect();
    assert_eq!(asking, [false, false, false, false, true, false]);
}

#[tokio::test]
async fn a_token_of_another_app_logs_nobody_in() {
    let answer = ME_ANSWER.replace("101000001", "101999999");
    let server = server(move |path| (path == "/oauth2.0/me").then(|| Reply::Body(answer.clone()))).await;
    let error = log_in(settings(&server.url("/"))).await.unwrap_err();
    assert!(matches!(error, Error::ForeignClient { .. }), "{error}");
    assert_eq!(server.count("/user/get_user_info"), 0);
}

#[tokio::test]
async fn a_client_error_may_say_why_but_cannot_succeed() {
    let refused = r#"callback( {"error":100009,"error_description":"client secret is illegal"} );"#;
    for (body, expected) in [
        (refused, "qq refused at token: error 100009: the appkey is wrong: check client_secret"),
        (r#"{"error":-6}"#, "qq is throttling us: token: error -6: called too often"),
        (TOKEN_ANSWER, "qq is unavailable: token: status 400"),
    ] {
        let answer = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let server = server(move |_| Some(Reply::Bytes(answer.clone()))).await;
        assert_eq!(log_in(settings(&server.url("/"))).await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_missing_name_is_logged_by_number_and_without_secrets() {
    let refusal = r#"{"ret":-1,"msg":"client request's parameters are invalid, invalid openid"}"#;
    let server = server(move |path| (path == "/user/get_user_info").then(|| Reply::Body(refusal.to_owned()))).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let listening = tracing::subscriber::set_default(subscriber);
    let identity = log_in(settings(&server.url("/"))).await.unwrap();
    drop(listening);
    assert_eq!((identity.display_name, identity.avatar), (None, None));
    let text = log.text();
    assert!(text.contains("get_user_info: error -1: "), "{text}");
    for secret in QQ.secrets.iter().chain([&"C0DE"]) {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

#[tokio::test]
async fn a_proxy_carries_every_call_and_its_password_is_never_printed() {
    let proxy = server(|_| None).await;
    let address = proxy.url("/").to_string().replace("http://", "http://user:pa55word@");
    let unreachable = Url::parse("http://qq.invalid").unwrap();
    let through = |address: &str| with_way(&unreachable, |way| way.proxy = Some(Secret::from(address)));
    log_in(through(&address)).await.unwrap();
    let heads = proxy.requests();
    assert_eq!(heads.len(), 3);
    for head in heads {
        assert!(head.starts_with("GET http://qq.invalid/"), "{head}");
        assert!(head.contains("proxy-authorization: Basic dXNlcjpwYTU1d29yZA=="), "{head}");
    }
    drop(proxy);
    let error = log_in(through("http://user:pa55word@127.0.0.1:1")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("pa55word"), "{error:?}");
    let Err(error) = Qq::new(through("user:pa55word@nonsense:port:")) else { panic!("taken") };
    assert!(!format!("{error} {error:?}").contains("pa55word"), "{error:?}");
}

#[tokio::test]
async fn https_is_spoken_only_with_hosts_that_a_known_authority_vouches_for() {
    let server = server(|_| None).await;
    let (address, pem) = tls_in_front_of(&server).await;
    let base = Url::parse(&format!("https://localhost:{}", address.port())).unwrap();
    let (_, another_pem) = tls_in_front_of(&server).await;
    let error = log_in(with_way(&base, |way| way.extra_ca = Some(another_pem.into_bytes()))).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate: "), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert_eq!(server.requests(), Vec::<String>::new());

    let trusting = with_way(&base, |way| way.extra_ca = Some(pem.into_bytes()));
    log_in(trusting.clone()).await.unwrap();
    let elsewhere = Url::parse(&format!("https://127.0.0.1:{}/oauth2.0/token", address.port())).unwrap();
    let error = log_in(Settings { token_url: elsewhere, ..trusting }).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert_eq!(server.requests().len(), 3);
}

/// A TLS listener whose connections end at the server, and the certificate it shows, which is for `localhost` alone.
async fn tls_in_front_of(server: &ScriptedServer) -> (SocketAddr, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key.into()).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let behind = server.url("/").socket_addrs(|| None).unwrap()[0];
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    (address, certified.cert.pem())
}

#[test]
fn an_authority_that_cannot_be_read_is_a_mistake_of_the_configuration() {
    let base = Url::parse("https://graph.qq.com").unwrap();
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = Qq::new(with_way(&base, |way| way.extra_ca = Some(pem.as_bytes().to_vec())));
        assert!(matches!(built, Err(BuildError::ExtraCa(_) | BuildError::Client { .. })), "{pem}");
    }
}

/// The part that runs in a process of its own, below.
#[tokio::test]
async fn a_login_over_plain_http_needs_no_authorities() {
    let server = server(|_| None).await;
    log_in(settings(&server.url("/"))).await.unwrap();
    let built = Qq::new(settings(&Url::parse("https://graph.qq.com").unwrap()));
    if std::env::var_os("SSL_CERT_FILE").is_some_and(|file| file == "/nonexistent") {
        let Err(error) = built else { panic!("built without authorities") };
        assert!(error.to_string().contains("ca-certificates"), "{error}");
    }
}

#[test]
fn a_machine_without_authorities_can_call_a_simulator_and_no_proxy_of_the_environment_is_used() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "login::provider::qq::tests::a_login_over_plain_http_needs_no_authorities"])
        .envs([("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")])
        .envs([("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
