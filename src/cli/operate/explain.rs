//! `menshen explain`.

use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{Which, run, shown, unexpected};
use crate::admin::{Operation, Question, Reply};

/// The longest `Cookie` that is read: no proxy takes a longer one.
const LONGEST_COOKIE: u64 = 1024 * 1024;

/// The request that is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Asked {
    /// Its method.
    method: String,
    /// Where it goes: an address at one of the sites, or a path at the first one. Taken as it is, byte for byte.
    url: String,
    /// A header field, as in `-H "Accept: text/html"`.
    #[arg(short = 'H', long = "header")]
    headers: Vec<String>,
    /// `Cookie`, as a browser's developer tools show it; `-` reads it from standard input, so that no list of processes
    /// shows it.
    #[arg(long)]
    cookie: Option<String>,
    /// The address it comes from.
    #[arg(long, default_value = "192.0.2.1")]
    from: IpAddr,
}

pub(in crate::cli) fn execute(which: &Which, asked: Asked) -> ExitCode {
    run(which, |operator| {
        let cookie = match asked.cookie {
            Some(cookie) if cookie == "-" => Some(read_cookie(io::stdin().lock())?),
            given => given,
        };
        let cookie = cookie.map(|cookie| format!("Cookie: {cookie}"));
        let headers = asked.headers.into_iter().chain(cookie).collect();
        let question = Question { method: asked.method, url: asked.url, headers, from: asked.from };
        let Reply::Explained(told) = operator.ask(Operation::Explain(question))? else { return Err(unexpected()) };
        let mut out = io::stdout().lock();
        for (word, finding) in told {
            writeln!(out, "{word:<13} {}", shown::plain(&finding))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The first line, as it is pasted: with the field's name or without.
fn read_cookie(input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input.take(LONGEST_COOKIE).read_line(&mut line).context("standard input holds no cookie")?;
    let line = line.trim();
    let named = line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("cookie"));
    Ok(named.map_or(line, |(_, cookies)| cookies.trim()).to_owned())
}
