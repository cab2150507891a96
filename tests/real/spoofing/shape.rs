//! The ways to write fields into a request.

use super::SITE;

/// One way.
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// The whole request, of a target, a line for the cookie or none, and the fields' names; each says `forged`.
    pub(super) write: fn(&str, &str, &[&str]) -> String,
    /// No message of HTTP: it may be refused instead.
    pub(super) may_be_refused: bool,
}

pub(super) const SHAPES: [Shape; 12] = [
    Shape { name: "once", may_be_refused: false, write: |target, cookie, names| get(target, cookie, &once(names)) },
    Shape {
        name: "twice",
        may_be_refused: false,
        write: |target, cookie, names| get(target, cookie, &(once(names) + &once(names))),
    },
    Shape {
        name: "listed in Connection",
        may_be_refused: false,
        write: |target, cookie, names| {
            get(target, cookie, &format!("Connection: close, {}\r\n{}", names.join(", "), once(names)))
        },
    },
    // Ours must not be taken out either.
    Shape {
        name: "listed in Connection and not there",
        may_be_refused: false,
        write: |target, cookie, names| {
            let ours = "authorization, x-menshen-user, x-menshen-token, x-forwarded-for";
            get(target, cookie, &format!("Connection: {ours}\r\nConnection: {}\r\n", names.join(",")))
        },
    },
    Shape {
        name: "in trailers",
        may_be_refused: false,
        write: |target, cookie, names| {
            let fields = format!("Trailer: {}\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n", names.join(", "));
            head("POST", target, "1.1", cookie, &fields) + "1\r\nx\r\n0\r\n" + &once(names) + "\r\n"
        },
    },
    Shape {
        name: "in trailers that are not announced",
        may_be_refused: false,
        write: |target, cookie, names| {
            let fields = "TE: trailers\r\nTransfer-Encoding: chunked\r\n";
            head("POST", target, "1.1", cookie, fields) + "1;x=y\r\nx\r\n0\r\n" + &once(names) + "\r\n"
        },
    },
    Shape {
        name: "on an upgrade",
        may_be_refused: false,
        write: |target, cookie, names| {
            let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n";
            let fields = format!("Connection: Upgrade, {}\r\n{upgrade}{}", names.join(", "), once(names));
            get(target, cookie, &fields)
        },
    },
    Shape {
        name: "by HTTP/1.0",
        may_be_refused: false,
        write: |target, cookie, names| head("GET", target, "1.0", cookie, &once(names)),
    },
    Shape {
        name: "with odd blanks",
        may_be_refused: true,
        write: |target, cookie, names| get(target, cookie, &each(names, |name| format!("{name}:\t forged\t \r\n"))),
    },
    Shape {
        name: "with a blank before the colon",
        may_be_refused: true,
        write: |target, cookie, names| get(target, cookie, &each(names, |name| format!("{name} : forged\r\n"))),
    },
    Shape {
        name: "after a bare line feed",
        may_be_refused: true,
        write: |target, cookie, names| {
            get(target, cookie, &format!("X-A: a\n{}\r\n", once(names).replace('\r', "").trim_end()))
        },
    },
    Shape {
        name: "as a folded line",
        may_be_refused: true,
        write: |target, cookie, names| {
            get(target, cookie, &("X-A: a\r\n".to_owned() + &each(names, |name| format!(" {name}: forged\r\n"))))
        },
    },
];

fn get(target: &str, cookie: &str, fields: &str) -> String {
    head("GET", target, "1.1", cookie, fields)
}

fn head(method: &str, target: &str, version: &str, cookie: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/{version}\r\nHost: {SITE}\r\n{cookie}{fields}\r\n")
}

fn once(names: &[&str]) -> String {
    each(names, |name| format!("{name}: forged\r\n"))
}

fn each(names: &[&str], write: impl Fn(&str) -> String) -> String {
    names.iter().map(|name| write(name)).collect()
}
