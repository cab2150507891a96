//! A shop's API of Django's, with users of its own who were there before us.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::{Environment, Program};

/// What its tokens are signed with: its `SECRET_KEY`.
pub(crate) const SECRET: &str = "django-insecure-what the tutorial had there, 50 long";

/// The running API.
pub(crate) struct MallApi {
    pub(crate) address: SocketAddr,
    _gunicorn: Program,
    _folder: TempDir,
}

impl MallApi {
    /// With the packages of an environment, and this class to tell who somebody is. `pages`: an origin whose scripts it
    /// answers.
    pub(crate) fn start(environment: &str, authentication: &str, pages: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/backends/mall_api");
        let python = || {
            let mut python = Environment::new(environment).python();
            python.arg("-B").current_dir(&here).env("DJANGO_SETTINGS_MODULE", "settings");
            python.env("API_SECRET", SECRET).env("API_DATABASE", folder.path().join("mall.sqlite3"));
            python.env("API_AUTHENTICATION", authentication).env("API_PAGES", pages);
            python
        };
        let people = python().arg("people.py").output().unwrap();
        assert!(people.status.success(), "{}", String::from_utf8_lossy(&people.stderr));
        let mut gunicorn = python();
        gunicorn.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "4", "--no-control-socket"]);
        gunicorn.arg("django.core.wsgi:get_wsgi_application()");
        let gunicorn = Program::start(&mut gunicorn);
        let address =
            gunicorn.wait_for(|line| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok());
        MallApi { address, _gunicorn: gunicorn, _folder: folder }
    }
}
