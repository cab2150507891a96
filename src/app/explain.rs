//! A question about a request, as a request of that kind on a gateway of its own.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::task::LocalSet;

use crate::admin::{Problem, Question};
use crate::gateway::{Gateway, Shared};
use crate::http::client_certificate::Handshake;
use crate::http::forwarded::Client;
use crate::http::peer::{Peer, Remote};
use crate::server::Limits;

/// What would become of it. Blocks while the store is asked.
pub(super) fn explain(
    shared: &Arc<Shared>,
    limits: &Limits,
    question: &Question,
) -> Result<Vec<(String, String)>, Problem> {
    let asked = Asked::of(shared, question)?;
    if let Some(refusal) = asked.unread(limits) {
        return Ok(vec![("answer".to_owned(), refusal)]);
    }
    let mut told: Vec<_> = asked.other_scheme(shared).into_iter().collect();
    let request = asked.request()?;
    // Where no scheme is named, it is the site's.
    let is_tls = asked.address.scheme() != Some(&Scheme::HTTP);
    let remote = Remote::Network(SocketAddr::new(question.from, 0));
    let peer = Peer { remote, client: Client::of(remote), tls: is_tls.then(|| asked.handshake(shared)) };
    let failed = |error: std::io::Error| Problem::Failed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let shared = Arc::clone(shared);
    let explained = LocalSet::new().block_on(&runtime, async move {
        let gateway = Gateway::of_questions(shared);
        gateway.explain(request, &peer).await
    });
    told.extend(explained.into_iter().map(|(word, finding)| (word.to_owned(), finding)));
    Ok(told)
}

/// A question, as the head of a request.
struct Asked<'q> {
    method: Method,
    /// The address as it was given.
    address: Uri,
    /// What stands in the request's first line.
    target: Uri,
    /// The address's, else the first site's; none where the question brings its own.
    host: Option<HeaderValue>,
    fields: &'q [String],
}

impl<'q> Asked<'q> {
    fn of(shared: &Shared, question: &'q Question) -> Result<Self, Problem> {
        let method = Method::from_bytes(question.method.as_bytes());
        let method = method.map_err(|_| Problem::Unacceptable(format!("{:?} is no method", question.method)))?;
        let unacceptable = |error: &dyn Display| Problem::Unacceptable(format!("the address: {error}"));
        let address: Uri = question.url.parse().map_err(|error| unacceptable(&error))?;
        if let Some(scheme) = address.scheme().filter(|scheme| **scheme != Scheme::HTTP && **scheme != Scheme::HTTPS) {
            return Err(unacceptable(&format!("nobody asks a site for {scheme}, only for http and https")));
        }
        let (host, target) = match (address.scheme(), address.authority()) {
            (Some(_), Some(authority)) => {
                let target = address.path_and_query().map_or("/", PathAndQuery::as_str);
                let target = target.parse().map_err(|error| unacceptable(&error))?;
                (HeaderValue::from_str(authority.as_str()).ok(), target)
            }
            _ => (shared.sites.first().map(|site| site.host.clone()), address.clone()),
        };
        let brings_host = question.headers.iter().any(|line| is_called(line, &HOST));
        let host = host.filter(|_| !brings_host);
        Ok(Asked { method, address, target, host, fields: &question.headers })
    }

    /// What is answered to a head that the parser does not take, before anybody looks at it.
    fn unread(&self, limits: &Limits) -> Option<String> {
        let count = self.fields.len() + usize::from(self.host.is_some());
        if count > limits.headers {
            return Some(format!("431: {count} header fields, and limits.headers allows {}", limits.headers));
        }
        let first = format!("{} {} HTTP/1.1\r\n", self.method, self.target).len();
        let host = self.host.as_ref().map_or(0, |host| "Host: \r\n".len() + host.len());
        let fields: usize = self.fields.iter().map(|line| line.len() + "\r\n".len()).sum();
        let (bytes, limit) = (first + host + fields + "\r\n".len(), limits.header_bytes);
        if bytes > limit.as_usize() {
            return Some(format!("431: a head of {bytes} bytes, and limits.header_bytes allows {limit}"));
        }
        self.has_bad_length().then(|| "400: its Content-Length is no number, or there are several".to_owned())
    }

    /// Whether it says no length, or several (RFC 9112, 6.3). Behind a transfer encoding none is read.
    fn has_bad_length(&self) -> bool {
        let read = self.fields.iter().take_while(|line| !is_called(line, &TRANSFER_ENCODING));
        let lengths = read.filter(|line| is_called(line, &CONTENT_LENGTH)).filter_map(|line| line.split_once(':'));
        let lengths: Vec<&str> = lengths.map(|(_, length)| length.trim()).collect();
        let is_length = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok();
        !lengths.iter().all(|length| is_length(length)) || lengths.windows(2).any(|pair| pair.first() != pair.last())
    }

    /// As of a client that was asked for a certificate as its site asks, and showed none that is told of.
    fn handshake(&self, shared: &Shared) -> Handshake {
        let written = self.fields.iter().find(|line| is_called(line, &HOST)).and_then(|line| line.split_once(':'));
        let host = self.host.as_ref().and_then(|host| host.to_str().ok()).or(written.map(|(_, host)| host.trim()));
        let site = host.and_then(|host| shared.sites.find(host)).or(shared.sites.first());
        Handshake { asked: site.map(|site| site.site.client_auth).unwrap_or_default(), certificate: None }
    }

    /// That the site is reached by another scheme than the address names: here both arrive alike.
    fn other_scheme(&self, shared: &Shared) -> Option<(String, String)> {
        let asked = self.address.scheme_str()?;
        let site = shared.sites.find(self.address.authority()?.as_str())?;
        let origin = &site.site.origin;
        let is_other = asked != origin.scheme() && !site.is_tls_alone;
        is_other
            .then(|| ("scheme".to_owned(), format!("{asked}, but the site is {origin}: explained as asked for there")))
    }

    fn request(&self) -> Result<Request<()>, Problem> {
        let request = Request::builder().method(&self.method).uri(&self.target).body(());
        let mut request = request.map_err(|error| Problem::Unacceptable(format!("the address: {error}")))?;
        request.headers_mut().extend(self.host.clone().map(|host| (HOST, host)));
        for line in self.fields {
            let (name, value) = field(line)?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

fn is_called(line: &str, name: &HeaderName) -> bool {
    line.split_once(':').is_some_and(|(called, _)| called.trim().eq_ignore_ascii_case(name.as_str()))
}

fn field(line: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    // The value may be a cookie: it is not repeated.
    let unacceptable = || Problem::Unacceptable("a header field is written \"Name: value\"".to_owned());
    let (name, value) = line.split_once(':').ok_or_else(unacceptable)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| unacceptable())?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| unacceptable())?;
    Ok((name, value))
}
