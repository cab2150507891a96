//! A client's TLS by itself: plain bytes in, TLS out. The clients of the other tests speak https through it.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rcgen::{CertifiedKey, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::SITE;

/// Where the bytes go round.
static AROUND: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A certificate for these hosts, and its key; in the folder they are `cert.pem` and `key.pem`.
pub(crate) fn certificate(hosts: &[&str], folder: &Path) -> CertifiedKey<KeyPair> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let certificate = rcgen::generate_simple_self_signed(hosts).unwrap();
    fs::write(folder.join("cert.pem"), certificate.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    certificate
}

/// Takes connections, and carries each on to `server` in TLS, which must show this very certificate for the site. To the
/// server they come from the address `from`. Returns where it takes them.
pub(crate) fn client(server: SocketAddr, from: IpAddr, trusted: &CertifiedKey<KeyPair>) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let listener = AROUND.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    AROUND.spawn(async move {
        while let Ok((plain, _)) = listener.accept().await {
            let tls = tls.clone();
            // What goes wrong here, the client sees as an end.
            tokio::spawn(async move { carry(plain, server, from, &tls).await.ok() });
        }
    });
    address
}

async fn carry(mut plain: TcpStream, server: SocketAddr, from: IpAddr, tls: &TlsConnector) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(server).await?;
    let mut stream = tls.connect(ServerName::try_from(SITE).unwrap(), stream).await?;
    tokio::io::copy_bidirectional(&mut plain, &mut stream).await.map(drop)
}
