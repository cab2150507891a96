//! The one secret that is not in the store: everything kept there that is secret is sealed under it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf;

use crate::random::{self, NoRandomness};
use crate::secret::Secret;

const LEN: usize = 32;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("the master key's file {} can be neither read nor made", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is gone, and what is sealed under it is not.
    #[error("the store exists, but its master key's file {} is missing: no new one is made in its place", path.display())]
    Missing {
        /// Where the file has to be.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("the master key's file {} holds something else than 64 hexadecimal digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Others on this machine can read it.
    #[error("the master key's file {} may be read by others: its mode is {mode:o}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// None could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The master key.
#[derive(Debug, Clone)]
pub struct MasterKey(Secret<Vec<u8>>);

impl MasterKey {
    /// Reads the file, or makes it with mode 0600 if it is absent. Never makes one where `is_used` says that something
    /// is sealed under a key already: a backup would copy it over the right one. Ask that before the file is looked for,
    /// for whoever starts at the same time makes the key first.
    pub fn open_or_create(path: &Path, is_used: bool) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        match read(path) {
            Ok(text) => Self::check_mode(path).and_then(|()| Self::parse(path, &Secret::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_used => {
                Err(MasterKeyError::Missing { path: path.to_owned() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Secret::new(random::hex(&random::bytes::<LEN>()?));
                let draft = path.with_added_extension(format!("{}.new", random::hex(&random::bytes::<8>()?)));
                create(path, &draft, &key).map_err(failed)?;
                // Another process may have been quicker: its key counts for both.
                let text = Secret::new(fs::read(path).map_err(failed)?);
                Self::parse(path, &text)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What [`MasterKey::open_or_create`] would refuse, found out without making anything. A file that only the proxy's own
    /// user may read is left to him.
    pub fn examine(path: &Path, is_used: bool) -> Result<(), MasterKeyError> {
        match read(path) {
            Ok(text) => {
                Self::check_mode(path)?;
                Self::parse(path, &Secret::new(text)).map(drop)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_used => {
                Err(MasterKeyError::Missing { path: path.to_owned() })
            }
            Err(_) => Ok(()),
        }
    }

    /// One for a process that keeps nothing.
    pub fn ephemeral() -> Result<Self, NoRandomness> {
        Ok(MasterKey(Secret::new(random::bytes::<LEN>()?.to_vec())))
    }

    fn check_mode(path: &Path) -> Result<(), MasterKeyError> {
        let metadata = fs::metadata(path);
        let mode =
            metadata.map_err(|source| MasterKeyError::File { path: path.to_owned(), source })?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
        }
        Ok(())
    }

    fn parse(path: &Path, text: &Secret<Vec<u8>>) -> Result<Self, MasterKeyError> {
        let digits = text.expose().trim_ascii();
        let bytes: Option<Vec<u8>> =
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        match bytes {
            Some(bytes) if digits.len() == 2 * LEN => Ok(MasterKey(Secret::new(bytes))),
            _ => Err(MasterKeyError::Malformed { path: path.to_owned() }),
        }
    }

    /// A key of 32 bytes for one purpose (HKDF-SHA-256, RFC 5869): knowing one tells nothing of another.
    pub fn derive(&self, purpose: &str) -> Secret<Vec<u8>> {
        struct Length;
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                LEN
            }
        }
        let mut key = vec![0; LEN];
        let pseudo_random = hkdf::Salt::new(hkdf::HKDF_SHA256, b"menshen").extract(self.0.expose());
        let info = [purpose.as_bytes()];
        // Fails only for lengths beyond 255 hashes.
        if let Ok(material) = pseudo_random.expand(&info, Length) {
            let _ = material.fill(&mut key);
        }
        Secret::new(key)
    }
}

/// To read a pipe might wait for ever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() { fs::read(path) } else { Err(io::Error::other("it is no regular file")) }
}

/// On disk before anything is sealed under it, and whole from the first moment it has its name: whoever is killed
/// half-way must be able to start again. A key that is there already stays.
fn create(path: &Path, draft: &Path, key: &Secret<String>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()?;
    match fs::hard_link(draft, path) {
        // Not every filesystem has hard links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(draft, path)?,
        Ok(()) | Err(_) => fs::remove_file(draft)?,
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_read_back_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/master.key");
        let made = MasterKey::open_or_create(&path, false).unwrap();
        let read = MasterKey::open_or_create(&path, false).unwrap();
        assert!(made.derive("a").matches(read.derive("a").expose()));
        assert!(!made.derive("a").matches(made.derive("b").expose()));
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.as_path()), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn processes_that_start_at_the_same_time_share_one_key_and_leave_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let open = || MasterKey::open_or_create(&path, false).unwrap().derive("a").expose().clone();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::open_or_create(&path, false).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(MasterKey::open_or_create(&path, false).unwrap_err().to_string().contains("its mode is 640"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(matches!(MasterKey::open_or_create(&path, false), Err(MasterKeyError::Malformed { .. })));
    }

    #[test]
    fn a_key_that_is_gone_is_never_replaced_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/master.key");
        let refused = MasterKey::open_or_create(&path, true).unwrap_err().to_string();
        assert!(refused.contains("the store exists") && refused.contains("is missing"), "{refused}");
        assert_eq!(MasterKey::examine(&path, true).unwrap_err().to_string(), refused);
        assert!(MasterKey::examine(&path, false).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
