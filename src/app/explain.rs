//! A question about a request, as a request of that kind on a gateway of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::task::LocalSet;

use crate::admin::{Problem, Question};
use crate::gateway::{Gateway, Shared};
use crate::http::forwarded::Client;
use crate::server::Limits;

/// What would become of it. Blocks while the store is asked.
pub(super) fn explain(
    shared: &Arc<Shared>,
    limits: &Limits,
    question: &Question,
) -> Result<Vec<(String, String)>, Problem> {
    if let Some(refusal) = beyond(limits, question) {
        return Ok(vec![("answer".to_owned(), refusal)]);
    }
    let request = request(shared, question)?;
    let peer = Client::of(SocketAddr::new(question.from, 0));
    let failed = |error: std::io::Error| Problem::Failed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let shared = Arc::clone(shared);
    let told = LocalSet::new().block_on(&runtime, async move {
        let gateway = Gateway::of_questions(shared);
        gateway.explain(request, &peer).await
    });
    Ok(told.into_iter().map(|(word, finding)| (word.to_owned(), finding)).collect())
}

/// What is answered to a head that is larger than the parser takes, before anybody looks at it.
fn beyond(limits: &Limits, question: &Question) -> Option<String> {
    let names = question.headers.iter().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    // A Host is always there.
    let count = 1 + names.filter(|name| !name.eq_ignore_ascii_case(HOST.as_str())).count();
    if count > limits.headers {
        return Some(format!("431: {count} header fields, and limits.headers allows {}", limits.headers));
    }
    let bytes = question.url.len() + question.headers.iter().map(|line| line.len() + "\r\n".len()).sum::<usize>();
    let limit = limits.header_bytes;
    (bytes > limit.as_usize()).then(|| format!("431: a head of {bytes} bytes, and limits.header_bytes allows {limit}"))
}

fn request(shared: &Shared, question: &Question) -> Result<Request<()>, Problem> {
    let method = Method::from_bytes(question.method.as_bytes());
    let method = method.map_err(|_| Problem::Unacceptable(format!("{:?} is no method", question.method)))?;
    let uri: Uri = question.url.parse().map_err(|error| Problem::Unacceptable(format!("the address: {error}")))?;
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::builder().method(method).uri(target).body(());
    if let Ok(request) = &mut request {
        let host = match uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => shared.sites.first().map(|site| site.host.clone()),
        };
        request.headers_mut().extend(host.map(|host| (HOST, host)));
        for line in &question.headers {
            let (name, value) = field(line)?;
            // One Host is what a browser sends.
            if name == HOST {
                request.headers_mut().remove(HOST);
            }
            request.headers_mut().append(name, value);
        }
    }
    request.map_err(|error| Problem::Unacceptable(format!("the address: {error}")))
}

fn field(line: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    // The value may be a cookie: it is not repeated.
    let unacceptable = || Problem::Unacceptable("a header field is written \"Name: value\"".to_owned());
    let (name, value) = line.split_once(':').ok_or_else(unacceptable)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| unacceptable())?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| unacceptable())?;
    Ok((name, value))
}
