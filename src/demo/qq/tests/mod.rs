//! The simulator asked with raw requests, and read byte for byte.

mod failures;
mod protocol;
mod remote;

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::*;
use crate::clock::Timestamp;

const CLIENT: &str = "101000001";
const OTHER_CLIENT: &str = "101000002";
const SECRET: &str = "appkey+&#%";
const CALLBACK: &str = "http://www.meiduo.site:8000/oauth_callback";

/// A simulator with two apps of one developer; the first may ask for the unionid.
async fn simulator() -> Simulator {
    let app = |client_id: &str, unionid| App {
        client_id: client_id.into(),
        client_secret: SECRET.into(),
        callbacks: format!("http://other.example/back;{CALLBACK}"),
        unionid,
        ..App::default()
    };
    let settings = Settings { apps: vec![app(CLIENT, true), app(OTHER_CLIENT, false)], ..Settings::default() };
    Simulator::start(settings, Clock::manual(Timestamp::from_secs(1_700_000_000))).await.unwrap()
}

/// The query of an authorize request, with these pairs beside the usual ones.
fn authorize_query(more: &str) -> String {
    format!("response_type=code&client_id={CLIENT}&redirect_uri={}{more}", query::encode(CALLBACK.as_bytes()))
}

/// The query of a token call for a code.
fn token_query(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id={CLIENT}&client_secret={}&code={code}&redirect_uri={}",
        query::encode(SECRET.as_bytes()),
        query::encode(CALLBACK.as_bytes()),
    )
}

/// A fresh code for user 10001.
fn code(simulator: &Simulator) -> String {
    let url = Url::parse(&format!("http://qq.example/oauth2.0/authorize?{}", authorize_query("&state=s"))).unwrap();
    let callback = Url::parse(&simulator.log_in(&url, "10001").unwrap()).unwrap();
    callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

fn is_hex_32(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F'))
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

async fn get(simulator: &Simulator, target: &str) -> Answer {
    ask(simulator.addr(), &format!("GET {target} HTTP/1.1\r\nHost: graph.qq.com\r\nConnection: close\r\n\r\n")).await
}

async fn post(simulator: &Simulator, target: &str, form: &str) -> Answer {
    let length = form.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: graph.qq.com\r\nConnection: close\r\nContent-Length: {length}");
    ask(simulator.addr(), &format!("{head}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{form}")).await
}

/// Sends a request and reads until the connection ends.
async fn ask(addr: SocketAddr, request: &str) -> Answer {
    let bytes = raw(addr, request).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
}

async fn raw(addr: SocketAddr, request: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}
