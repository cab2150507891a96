//! What could be read in two ways, as the tables have it, and how it is sent.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde::Deserialize;

use super::backend::here;
use crate::backends::{Answer, Connection, Environment, SITE};

/// By HTTP/1.1.
const SHAPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/smuggling.tsv");

/// By HTTP/2. Another program reads it as well.
const SHAPES_H2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/smuggling_h2.tsv");

/// One of them.
pub(super) struct Shape {
    /// Of its line.
    pub(super) number: usize,
    pub(super) name: String,
    /// What is to become of it, then what else where a backend of a name judges otherwise.
    outcomes: String,
    sent: String,
}

/// What became of one.
#[derive(Debug, Deserialize)]
pub(super) struct Played {
    number: usize,
    pub(super) outcome: String,
    /// The targets that the backend says it has read for this client.
    read: Vec<String>,
}

/// All that are sent by HTTP/1.1.
pub(super) fn by_http_1() -> Vec<Shape> {
    shapes(SHAPES)
}

/// All that are sent by HTTP/2.
pub(super) fn by_http_2() -> Vec<Shape> {
    shapes(SHAPES_H2)
}

/// The numbers of those of which a backend takes less than others do.
pub(super) fn refused_by(backend: &str) -> Vec<String> {
    let shapes = by_http_1().into_iter().chain(by_http_2());
    shapes.filter(|shape| shape.outcomes.contains(&format!("; {backend}: "))).map(|shape| shape.written()).collect()
}

fn shapes(table: &str) -> Vec<Shape> {
    let table = fs::read_to_string(table).unwrap();
    let lines = table.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let shape = |(at, line): (usize, &str)| {
        let mut columns = line.splitn(3, '\t');
        let mut column = || columns.next().unwrap_or_else(|| panic!("three columns: {line}")).to_owned();
        Shape { number: at + 1, name: column(), outcomes: column(), sent: column() }
    };
    lines.map(shape).collect()
}

impl Shape {
    /// Its number, as everything that it sends has it.
    fn written(&self) -> String {
        format!("{:04}", self.number)
    }

    /// What is to become of it before this backend.
    pub(super) fn outcome(&self, backend: &str) -> &str {
        let mut outcomes = self.outcomes.split("; ");
        let usual = outcomes.next().unwrap();
        outcomes.find_map(|outcome| outcome.strip_prefix(backend)?.strip_prefix(": ")).unwrap_or(usual)
    }

    /// Sends it, and at once an ordinary request behind it.
    pub(super) fn play(&self, proxy: SocketAddr) -> Played {
        let probe = format!("GET /probe/{} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n", self.written());
        let mut connection = Connection::to(proxy);
        connection.try_send([self.bytes(), probe.into_bytes()].concat());
        let is_unfinished = self.outcomes.ends_with("unfinished");
        if is_unfinished {
            connection.finish();
        }
        let mut answers: Vec<Answer> = Vec::new();
        while !connection.is_closed() {
            let is_head = answers.is_empty() && self.sent.starts_with("HEAD ");
            // 100 is no answer.
            answers.extend(Some(connection.answer_to(is_head)).filter(|answer| answer.status >= 200));
        }
        let read: Vec<String> =
            answers.iter().filter_map(|answer| answer.header("x-read").map(str::to_owned)).collect();
        let is_open = read.last() == Some(&format!("/probe/{}", self.written()));
        let told = answers.iter().take(answers.len() - usize::from(is_open));
        let word = |answer: &Answer| match answer.header("x-read") {
            Some(_) => answer.status.to_string(),
            None => format!("{}*", answer.status),
        };
        let end = if is_open { "open" } else { ["closed", "unfinished"][usize::from(is_unfinished)] };
        let outcome = told.map(word).chain([end.to_owned()]).collect::<Vec<_>>().join(" ");
        Played { number: self.number, outcome, read }
    }

    /// What is sent.
    fn bytes(&self) -> Vec<u8> {
        let mut text = self.sent.clone();
        for (word, meaning) in [
            ("{get}", "GET /shape/#### HTTP/1.1⏎{host}"),
            ("{post}", "POST /shape/#### HTTP/1.1⏎{host}"),
            ("{te}", "Transfer-Encoding: chunked⏎"),
            ("{smuggled}", "GET /smuggled/#### HTTP/1.1⏎{host}⏎"),
            ("{second}", "GET /second/#### HTTP/1.1⏎{host}⏎"),
            ("{host}", &format!("Host: {SITE}⏎")),
            ("####", &self.written()),
        ] {
            text = text.replace(word, meaning);
        }
        let body = text.split_once("⏎⏎").map_or("", |(_, body)| body);
        let length = octets(body).len().to_string();
        octets(&text.replace("{length}", &length))
    }
}

/// Pictures of control characters are those.
fn octets(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for letter in text.chars() {
        match letter {
            '\u{2400}'..='\u{2420}' => bytes.extend(u8::try_from(u32::from(letter) - 0x2400)),
            '␡' => bytes.push(0x7f),
            '■' => bytes.push(0xff),
            '⏎' => bytes.extend(b"\r\n"),
            _ => bytes.extend(letter.to_string().into_bytes()),
        }
    }
    bytes
}

impl Played {
    /// Whether every answer that is a backend's is to what this client asked for.
    pub(super) fn is_its_own(&self) -> bool {
        let number = format!("{:04}", self.number);
        let is_of = |target: &String| !target.starts_with("/smuggled") && (target.contains(&number) || target == "*");
        self.read.iter().all(is_of)
    }
}

/// Has everything of HTTP/2 sent, each with an ordinary request behind it.
pub(super) fn play_by_http_2(proxy: SocketAddr) -> Vec<Played> {
    let mut python: Command = Environment::new("web_sockets").python();
    python.arg("-B").arg(here("by_http_2.py")).args([&proxy.to_string(), SITE, SHAPES_H2]);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
