//! The store's folder: what lies where in it, and whether a store may live there at all.
//!
//! ```text
//! <path>/lock      held by the process that has the store open; holds its id
//! <path>/sled/     the database, mode 0700
//! <path>/sled.new/ a database being made; renamed when it is whole
//! <path>/aside/    snapshots that could not be read
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::filesystem;
use super::open::OpenError;

/// The database's name within the folder.
pub(super) const DATABASE: &str = "sled";

/// The lock's.
pub(super) const LOCK: &str = "lock";

/// Why a folder cannot be made, or taken for the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// What is there in its place, or on the way to it.
    #[error("{} is no folder", .0.display())]
    NoFolder(PathBuf),
    /// The nearest folder that there is.
    #[error("the user of this check may not write into {}", .0.display())]
    Closed(PathBuf),
}

/// Bindings tell who uses a site: nobody but the proxy reads them.
const PRIVATE: u32 = 0o700;

/// A folder that exists, on a filesystem that can be trusted with locks.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder if it is absent, and refuses network filesystems.
    pub(super) fn prepare(path: &Path) -> Result<Self, OpenError> {
        Self::prepare_among(path, &filesystem::mounts())
    }

    fn prepare_among(path: &Path, mounts: &str) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        make_with_parents(&path).map_err(failed)?;
        match filesystem::network_kind(&path.canonicalize().map_err(failed)?, mounts) {
            Some(kind) => Err(OpenError::NetworkFilesystem { path, kind }),
            None => Ok(Folder(path)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    pub(super) fn unfinished(&self) -> PathBuf {
        self.0.join("sled.new")
    }

    pub(super) fn aside(&self) -> PathBuf {
        self.0.join("aside")
    }
}

/// What keeps this user from making a folder, or from writing into it where it is there. Nothing is written: the nearest
/// parent that there is tells.
pub fn obstacle(path: &Path) -> Option<Obstacle> {
    let or_here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let nearest = path.ancestors().map(or_here).find(|path| path.exists())?;
    match nearest.is_dir() {
        false => Some(Obstacle::NoFolder(nearest)),
        true if !is_writable(&nearest) => Some(Obstacle::Closed(nearest)),
        true => None,
    }
}

/// A folder without a single right to write, such as those of `/proc`, takes nothing from root either.
fn is_writable(folder: &Path) -> bool {
    const ANYBODY_WRITES: u32 = 0o222;
    let somebody = folder.metadata().is_ok_and(|folder| folder.permissions().mode() & ANYBODY_WRITES != 0);
    somebody && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Makes one private folder; that it exists already is fine, and then it becomes private.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE))
        }
        made => made,
    }
}

/// Writes a folder's entries to disk, so that what was made or renamed in it is there after a power cut.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes the folder and whatever is missing above it, and syncs each folder that got a new entry. A folder that is
/// there keeps its mode: where it is a mounted volume, it is not ours to change.
fn make_with_parents(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.iter().rev() {
        DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
        folder.parent().map_or(Ok(()), sync)?;
    }
    if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn missing_folders_are_made_private() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        Folder::prepare(&path).unwrap();
        assert_eq!((mode(&path), mode(&root.path().join("a"))), (0o700, 0o700));
    }

    #[test]
    fn a_folder_that_is_there_keeps_its_mode() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Folder::prepare(root.path()).unwrap();
        assert_eq!(mode(root.path()), 0o755);
    }

    #[test]
    fn a_folder_on_a_network_filesystem_is_refused_wherever_a_link_hides_it() {
        let root = tempfile::tempdir().unwrap();
        let there = root.path().canonicalize().unwrap().join("there");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&there, &link).unwrap();
        fs::create_dir(&there).unwrap();
        let mounts =
            format!("27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:40 / {} rw - nfs4 f:/ rw\n", there.display());
        for path in [there.join("data"), link.join("data")] {
            let error = Folder::prepare_among(&path, &mounts).unwrap_err().to_string();
            assert!(
                error.contains("is on a network filesystem (nfs4)") && error.contains("use a local disk"),
                "{error}"
            );
        }
        Folder::prepare_among(&root.path().join("data"), &mounts).unwrap();
    }

    #[test]
    fn a_file_in_the_folders_place_is_told() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        fs::write(&path, "").unwrap();
        let error = Folder::prepare(&path).unwrap_err();
        assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    }
}
