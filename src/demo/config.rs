//! The configuration before the sample mall, for the demo and for tests in a browser: an ordinary one. What it does,
//! anybody's `config.toml` can do.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::qq::App;

/// The app's id at the QQ simulator.
const CLIENT_ID: &str = "101000001";

/// What a configuration is written for.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The proxy's port on 127.0.0.1.
    pub port: u16,
    /// The origin under which visitors know the site.
    pub site: &'a str,
    /// The app's key at the QQ simulator.
    pub client_secret: &'a str,
    /// The origin under which visitors know QQ.
    pub qq_site: &'a str,
    /// Where the proxy finds QQ.
    pub qq: SocketAddr,
    /// Where the proxy finds the mall.
    pub mall: SocketAddr,
}

impl Scene<'_> {
    /// Writes `config.toml` into a folder, and the appkey's file beside it. The store will be there too.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_config(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::write(folder.join("qq.secret"), self.client_secret)?;
        let path = folder.join("config.toml");
        fs::write(&path, self.text())?;
        Ok(path)
    }

    /// The app, as the QQ simulator has to know it.
    pub fn app(&self) -> App {
        App {
            client_id: CLIENT_ID.to_owned(),
            client_secret: self.client_secret.to_owned(),
            callbacks: format!("{}/oauth_callback", self.site),
            ..App::default()
        }
    }

    fn text(&self) -> String {
        let Scene { port, site, client_secret: _, qq_site, qq, mall } = self;
        format!(
            r#"[server]
listen = ["127.0.0.1:{port}"]
drain = "1s"

[[sites]]
origin = "{site}"
logout_paths = ["/logout/"]

[providers.qq]
client_id = "{CLIENT_ID}"
client_secret_file = "qq.secret"
authorize_url = "{qq_site}/oauth2.0/authorize"
token_url = "http://{qq}/oauth2.0/token"
openid_url = "http://{qq}/oauth2.0/me"
user_info_url = "http://{qq}/user/get_user_info"

[upstreams.mall]
endpoints = ["http://{mall}"]

[[routes]]
path = "/*"
upstream = "mall"

[[routes]]
path = "/user/*"
upstream = "mall"
access = "required"

[[routes]]
path = "/orders/*"
upstream = "mall"
access = "required"

[identity.default.headers]
X-Menshen-User = "{{user.id}}"
X-Menshen-Name = "{{user.display_name}}"

[log]
format = "text"
"#
        )
    }
}
