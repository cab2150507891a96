//! The container image, without a container: the root that the Dockerfile ships is laid out in a folder by the very
//! script the Dockerfile runs, and Menshen works in it, as the user the Dockerfile names, with nothing else in reach.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const CONFIG: &str = r#"[server]
listen = ["127.0.0.1:0"]

[[sites]]
origin = "http://www.meiduo.site"

[providers.qq]
client_id = "101000001"
client_secret = "0123456789abcdef0123456789abcdef"

[upstreams.mall]
endpoints = ["http://127.0.0.1:8001"]
"#;

/// The last stage of the Dockerfile: instruction and what follows it.
struct Stage(Vec<(String, String)>);

impl Stage {
    fn last() -> Self {
        let text = fs::read_to_string(repository("Dockerfile")).unwrap().replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut stage = Vec::new();
        for line in lines {
            let (instruction, rest) = line.split_once(' ').unwrap();
            if instruction == "FROM" {
                stage.clear();
            }
            stage.push((instruction.to_owned(), rest.trim().to_owned()));
        }
        Stage(stage)
    }

    fn all(&self, instruction: &str) -> Vec<&str> {
        self.0.iter().filter(|(found, _)| found == instruction).map(|(_, rest)| rest.as_str()).collect()
    }

    fn one(&self, instruction: &str) -> &str {
        let all = self.all(instruction);
        assert_eq!(all.len(), 1, "{instruction}");
        all[0]
    }

    fn list(&self, instruction: &str) -> Vec<String> {
        serde_json::from_str(self.one(instruction)).unwrap()
    }

    /// The user's number, which is the group's too.
    fn user(&self) -> u32 {
        let (user, group) = self.one("USER").split_once(':').unwrap();
        assert_eq!(user, group);
        user.parse().unwrap()
    }
}

/// Regression: cargo refused a manifest whose benches were not sent along.
#[test]
fn what_docker_is_sent_is_enough_to_build_from() {
    let context = tempfile::tempdir().unwrap();
    let ignored = fs::read_to_string(repository(".dockerignore")).unwrap();
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*") && sent.len() > 3, "{ignored}");
    for name in sent {
        let place = context.path().join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(repository(name)).arg(&place).status().unwrap();
        assert!(copied.success(), "{name}");
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = ["metadata", "--offline", "--locked", "--no-deps", "--format-version=1"];
    let read = Command::new(cargo).args(metadata).current_dir(context.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(context.path().join("templates").is_dir() && context.path().join("scripts/image-root").is_file());
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The image's root in a folder, and what the Dockerfile says of it.
struct Image {
    root: TempDir,
    stage: Stage,
    volume: String,
}

impl Image {
    fn laid_out() -> Self {
        let stage = Stage::last();
        let (user, volume) = (stage.user(), stage.list("VOLUME").remove(0));
        assert_eq!(stage.one("FROM"), "scratch");
        assert_eq!(
            stage.all("COPY"),
            ["--from=build /image/ /".to_owned(), format!("--from=build --chown={user}:{user} /data/ {volume}/")],
            "what is copied is what the script lays out, and the empty store"
        );
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let script = Command::new(repository("scripts/image-root"))
            .arg(env!("CARGO_BIN_EXE_menshen"))
            .arg(root.path())
            .arg(user.to_string())
            .status();
        assert!(script.unwrap().success());
        let store = root.path().join(volume.trim_start_matches('/'));
        fs::create_dir_all(&store).unwrap();
        chown(&store, Some(user), Some(user)).unwrap();
        // What the operator mounts.
        let config = root.path().join(stage.list("CMD").pop().unwrap().trim_start_matches('/'));
        fs::write(&config, CONFIG).unwrap();
        Image { root, stage, volume }
    }

    /// What `docker run` would start, with `arguments` in place of `CMD`.
    fn command(&self, arguments: &[String]) -> Command {
        let user = self.stage.user();
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}:{user}")).arg("--groups=").arg(self.root.path());
        command.args(self.stage.list("ENTRYPOINT")).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(self.stage.all("ENV").into_iter().map(|pair| pair.split_once('=').unwrap()));
        command
    }

    fn check(&self) -> (bool, String) {
        let mut arguments = self.stage.list("CMD");
        arguments[0] = "check".to_owned();
        let output = self.command(&arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    }

    /// Starts the proxy. Returns it with its address, or with all that it said if it ends.
    fn serve(&self) -> (Running, Result<String, String>) {
        let mut command = self.command(&self.stage.list("CMD"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "listening" {
                return (Running(child), Ok(event["address"].as_str().unwrap().to_owned()));
            }
            said += &(line + "\n");
        }
        (Running(child), Err(said))
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    /// Asks it to go. Returns whether it went in peace.
    fn stop(&mut self) -> bool {
        let ask = format!("kill -TERM {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &ask]).status().unwrap().success());
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn menshen_checks_serves_and_stops_in_a_root_with_only_what_the_dockerfile_copies() {
    let image = Image::laid_out();
    let (good, said) = image.check();
    assert!(good, "{said}");
    assert!(said.contains(&format!("store        {} ", image.volume)), "{said}");

    let (mut proxy, address) = image.serve();
    let address = address.unwrap_or_else(|said| panic!("{said}"));
    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(b"GET /.menshen/health HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");

    assert!(proxy.stop());
    let store = image.root.path().join(image.volume.trim_start_matches('/'));
    for made in ["master.key", "sled/db"] {
        assert_eq!(fs::metadata(store.join(made)).unwrap().uid(), image.stage.user(), "{made}");
    }
}

#[test]
fn the_user_of_the_image_can_write_to_the_store_alone() {
    let image = Image::laid_out();
    assert_ne!(image.stage.user(), 0);
    let mut folders = vec![image.root.path().to_owned()];
    let store = image.root.path().join(image.volume.trim_start_matches('/'));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path == store {
                continue;
            }
            let metadata = fs::metadata(&path).unwrap();
            assert!(metadata.uid() == 0 && metadata.mode() & 0o022 == 0, "{}", path.display());
            folders.extend(metadata.is_dir().then_some(path));
        }
    }
}

/// The root is the whole world to what runs in it: nothing of this machine's fills a gap.
#[test]
fn a_root_that_lacks_what_is_copied_does_not_work() {
    let image = Image::laid_out();
    fs::remove_file(image.root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let (mut proxy, address) = image.serve();
    assert!(address.unwrap_err().contains("No CA certificates"));
    assert!(!proxy.0.wait().unwrap().success());

    for libraries in ["lib", "lib64", "usr/lib", "usr/lib64"] {
        let _ = fs::remove_dir_all(image.root.path().join(libraries));
    }
    let (good, said) = image.check();
    assert!(!good && !said.contains("no warnings"), "{said}");
}
