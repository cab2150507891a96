//! nginx, which stands before us in most places.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Program;

/// What a distribution's nginx.conf says around the site's own, as far as it matters here.
const AROUND_THE_SITE: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
";

/// Runs nginx with a site's configuration; all its files are in the folder.
pub(crate) fn serve(folder: &Path, site: &str) -> Program {
    fs::write(folder.join("site.conf"), site).unwrap();
    fs::write(folder.join("nginx.conf"), AROUND_THE_SITE).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    // A part that is missing says so: apt-get install nginx.
    let nginx = Program::start(&mut nginx);
    nginx.wait_for_words("event method");
    nginx
}

/// The site's configuration as we hand it out, but for addresses and files.
pub(crate) fn handed_out(folder: &Path, proxy: SocketAddr, https: SocketAddr, http: SocketAddr) -> String {
    written("nginx-https.conf", folder, &[("server 127.0.0.1:8000;", proxy), ("listen 80;", http)], https)
}

/// The same, where nginx carries the requests and asks us.
pub(crate) fn asking(folder: &Path, proxy: SocketAddr, https: SocketAddr, upstream: SocketAddr) -> String {
    let places = [("server 127.0.0.1:8000;", proxy), ("server 127.0.0.1:8001;", upstream)];
    written("nginx-forward-auth.conf", folder, &places, https)
}

fn written(name: &str, folder: &Path, places: &[(&str, SocketAddr)], https: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = fs::read_to_string(path).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    for (ours, here) in places {
        let word = ours.split(' ').next().unwrap();
        assert_eq!(text.matches(ours).count(), 1, "{ours}");
        text = text.replace(ours, &format!("{word} {here};"));
    }
    for (ours, here) in [
        ("listen 443 ssl http2;", format!("listen {https} ssl http2;")),
        ("/etc/ssl/www.meiduo.site/fullchain.pem", file("cert.pem")),
        ("/etc/ssl/www.meiduo.site/privkey.pem", file("key.pem")),
    ] {
        assert_eq!(text.matches(ours).count(), 1, "{ours}");
        text = text.replace(ours, &here);
    }
    text
}
