//! The simulated QQ, the sample mall and the proxy before it, under names that are no localhost.

use menshen::clock::Clock;
use menshen::demo::config;
use menshen::demo::mall::Mall;
use menshen::demo::qq::{Settings, Simulator};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::browser::{self, Whereabouts};
use crate::backends::{Program, free_address, menshen};

const CLIENT_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A port that was free a moment ago may be taken by now.
const TRIES: usize = 3;

/// Everything a case is played before. Ends when dropped.
pub(super) struct Scene {
    pub(super) qq: Simulator,
    _mall: Mall,
    proxy: Program,
    whereabouts: Whereabouts,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Scene {
    /// Plays a case to its good end.
    pub(super) fn play(case: &str) -> Self {
        let scene = Scene::set();
        browser::play(case, &scene.whereabouts, &scene.proxy);
        let log = scene.proxy.said();
        assert!(!log.contains(CLIENT_SECRET), "the appkey is in the log:\n{log}");
        assert!(!log.contains("code=") && !log.contains("state="), "a login's parameters are in the log:\n{log}");
        // Before it listens it warns of what the configuration exposes: this one does so on purpose.
        let since = log.split_once(" listening ").map_or("", |(_, since)| since);
        assert!(
            !since.contains(" WARN ") && !since.contains(" ERROR "),
            "an honest visitor gave cause for alarm:\n{log}"
        );
        scene
    }

    fn set() -> Self {
        let runtime = Runtime::new().unwrap();
        let qq = runtime.block_on(Simulator::start(Settings::default(), Clock::System)).unwrap();
        let mall = runtime.block_on(Mall::start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut last_words = String::new();
        for _ in 0..TRIES {
            let port = free_address().port();
            let whereabouts = Whereabouts {
                site: format!("http://www.meiduo.site:{port}"),
                qq: format!("http://graph.qq.test:{}", qq.addr().port()),
            };
            let parts = config::Scene {
                port,
                site: &whereabouts.site,
                client_secret: CLIENT_SECRET,
                qq_site: &whereabouts.qq,
                qq: qq.addr(),
                mall: mall.addr(),
            };
            let path = parts.write_config(folder.path()).unwrap();
            let proxy = Program::start(&mut menshen("serve", &path));
            match proxy.says(" listening ") {
                Ok(()) => {
                    qq.add_app(parts.app());
                    return Scene { qq, _mall: mall, proxy, whereabouts, _folder: folder, _runtime: runtime };
                }
                Err(words) => last_words = words,
            }
        }
        panic!("menshen serve does not start:\n{last_words}");
    }
}
