//! Requests as they stand on the wire, read so that nothing passes but the one form that every parser reads alike: what RFC
//! 9112 has a sender write, and no more than that.

use super::backend::Message;

/// A request on the wire.
#[derive(Debug)]
pub(super) struct Request {
    /// If it is whole, what it says.
    pub(super) message: Option<Message>,
    pub(super) method: String,
    pub(super) target: String,
}

/// Everything that was sent on one connection. The last request may have broken off.
///
/// # Errors
/// What is not of that form.
pub(super) fn requests(mut bytes: &[u8]) -> Result<Vec<Request>, String> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Err(format!("no head: {:?}", text(bytes))) };
        let head = Head::of(&bytes[..end])?;
        let (body, rest) = head.body(&bytes[end + 4..])?;
        bytes = rest;
        requests.push(head.with(body));
    }
    Ok(requests)
}

struct Head {
    method: String,
    target: String,
    host: String,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunks,
}

/// A body, if all of it is there, and what is behind it.
type Parted<'a> = (Option<Vec<u8>>, &'a [u8]);

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let whole = text(bytes);
        let odd = |why: &str| format!("{why}: {whole:?}");
        // Obsolete text (RFC 9110, 5.5) is text to all.
        if whole.chars().any(|letter| letter.is_control() && !"\r\n\t".contains(letter)) {
            return Err(odd("a control character"));
        }
        let mut lines = whole.split("\r\n");
        let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = line[..] else { return Err(odd("no request line")) };
        let is_path = target.starts_with('/') || (method == "OPTIONS" && target == "*");
        if !is_token(method) || !is_path || target.contains(['#', '\t', '\r', '\n']) {
            return Err(odd("an odd request line"));
        }
        let mut framings = Vec::new();
        let mut hosts = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| odd("a field without a colon"))?;
            if !is_token(name) || value.contains(['\r', '\n']) {
                return Err(odd("an odd field"));
            }
            let value = value.trim_matches([' ', '\t']);
            match name.to_ascii_lowercase().as_str() {
                "host" => hosts.push(value),
                "content-length" => framings.push(length(value).ok_or_else(|| odd("a length that is none"))?),
                "transfer-encoding" if value == "chunked" => framings.push(Framing::Chunks),
                "transfer-encoding" => return Err(odd("an encoding that is none")),
                // Some take the one for the other.
                name if name.contains('_') => return Err(odd("a name with an underscore")),
                _ => {}
            }
        }
        let [host] = hosts[..] else { return Err(odd("not one host")) };
        if framings.len() > 1 {
            return Err(odd("more than one framing"));
        }
        let framing = framings.pop().unwrap_or(Framing::Length(0));
        Ok(Head { method: method.to_owned(), target: target.to_owned(), host: host.to_owned(), framing })
    }

    fn body<'a>(&self, bytes: &'a [u8]) -> Result<Parted<'a>, String> {
        match self.framing {
            Framing::Length(length) if length <= bytes.len() => {
                let (body, rest) = bytes.split_at(length);
                Ok((Some(body.to_vec()), rest))
            }
            Framing::Length(_) => Ok((None, &[])),
            Framing::Chunks => chunks(bytes),
        }
    }

    fn with(self, body: Option<Vec<u8>>) -> Request {
        let Head { method, target, host, .. } = self;
        let whole = |body: Vec<u8>| Message {
            method: method.clone(),
            target: target.clone(),
            host,
            body: body.into_iter().map(char::from).collect(),
        };
        Request { message: body.map(whole), method: method.clone(), target: target.clone() }
    }
}

/// A number without a sign, a blank or a zero before it.
fn length(value: &str) -> Option<Framing> {
    let length: usize = value.parse().ok()?;
    (length.to_string() == value).then_some(Framing::Length(length))
}

fn chunks(mut bytes: &[u8]) -> Result<Parted<'_>, String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else { return Ok((None, &[])) };
        let written = text(&bytes[..end]);
        let size = usize::from_str_radix(&written, 16).ok().filter(|size| format!("{size:X}") == written);
        let size = size.ok_or_else(|| format!("an odd size of a chunk: {written:?}"))?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return trailers(bytes).map(|rest| (rest.map(|_| body), rest.unwrap_or_default()));
        }
        if bytes.len() < size + 2 {
            return Ok((None, &[]));
        }
        body.extend_from_slice(&bytes[..size]);
        if &bytes[size..size + 2] != b"\r\n" {
            return Err("a chunk without its line end".to_owned());
        }
        bytes = &bytes[size + 2..];
    }
}

/// What is behind them, if they have ended.
fn trailers(mut bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    while let Some(end) = find(bytes, b"\r\n") {
        let line = text(&bytes[..end]);
        bytes = &bytes[end + 2..];
        if line.is_empty() {
            return Ok(Some(bytes));
        }
        let name = line.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
        let is_own = name.is_some_and(|name| is_token(&name) && name.starts_with('x'));
        if !is_own || line.chars().any(char::is_control) {
            return Err(format!("an odd trailer: {line:?}"));
        }
    }
    Ok(None)
}

fn is_token(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_one)
}

fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    bytes.windows(end.len()).position(|window| window == end)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_strict_reading_takes_no_form_but_one() {
    let post = "POST /a HTTP/1.1\r\nhost: b\r\n";
    let read = |rest: &str| requests(format!("{post}{rest}").as_bytes());
    let bodies = |rest: &str| -> Vec<Option<String>> {
        read(rest).unwrap().into_iter().map(|request| request.message.map(|message| message.body)).collect()
    };
    assert_eq!(bodies("\r\n"), [Some(String::new())]);
    assert_eq!(bodies(&format!("content-length: 2\r\n\r\nhi{post}\r\n")), [Some("hi".into()), Some(String::new())]);
    assert_eq!(bodies("transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n"), [Some("hi".into())]);
    assert_eq!(bodies("transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"), [None]);
    assert_eq!(bodies("content-length: 3\r\n\r\nhi"), [None]);
    for odd in [
        "host: b\r\n\r\n",
        "content-length: 02\r\n\r\nhi",
        "content-length: +2\r\n\r\nhi",
        "content-length: 2\r\ncontent-length: 2\r\n\r\nhi",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: identity\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n02\r\nhi\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 2\r\n\r\n",
        "x : y\r\n\r\n",
        "x: a\nb\r\n\r\n",
        "x: a\rb\r\n\r\n",
        "x: a\0b\r\n\r\n",
        "x_y: a\r\n\r\n",
        " x: a\r\n\r\n",
    ] {
        assert!(read(odd).is_err(), "{odd:?}");
    }
    for line in ["GET /a b HTTP/1.1", "GET a HTTP/1.1", "GET /a HTTP/1.0", "GET  HTTP/1.1", "GET /a#b HTTP/1.1"] {
        assert!(requests(format!("{line}\r\nhost: b\r\n\r\n").as_bytes()).is_err(), "{line}");
    }
}
