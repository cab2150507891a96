//! A question about a request, as a request of that kind on a gateway of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::task::LocalSet;

use crate::admin::{Problem, Question};
use crate::gateway::{Gateway, Shared};
use crate::http::forwarded::Client;

/// What would become of it. Blocks while the store is asked.
pub(super) fn explain(shared: Arc<Shared>, question: &Question) -> Result<Vec<(String, String)>, Problem> {
    let request = request(&shared, question)?;
    let peer = Client::of(SocketAddr::new(question.from, 0));
    let failed = |error: std::io::Error| Problem::Failed(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let told = LocalSet::new().block_on(&runtime, async move {
        let gateway = Gateway::new(shared, 0);
        gateway.explain(request, &peer).await
    });
    Ok(told.into_iter().map(|(word, finding)| (word.to_owned(), finding)).collect())
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
