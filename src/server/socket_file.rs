//! A unix socket's file: made for whoever may connect, removed when nobody listens there any more.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat, lstat, open};
use socket2::{Domain, SockAddr, Socket, Type};

use super::listener::BACKLOG;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileFault {
    /// Another process answers there.
    #[error(" (another process answers there)")]
    InUse,
    /// Something lies there that is no socket, and perhaps all that somebody has.
    #[error(" (there is a file that is no socket, which is left as it is)")]
    NotASocket,
    /// Its folder is missing.
    #[error(" (its folder is not there: make it, or have systemd do so by RuntimeDirectory=)")]
    NoFolder,
    /// The system refuses.
    #[error("")]
    System(#[source] io::Error),
}

/// A unix socket's file. Removed when it is dropped, unless another one has taken its place meanwhile.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The file itself, held so that its number is no other one's.
    file: OwnedFd,
}

impl SocketFile {
    /// Listens there, in place of a process that was killed. Nobody can connect before the file has its mode.
    pub(super) fn listen(path: &Path, mode: u32) -> Result<(UnixListener, Self), FileFault> {
        make_room(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(FileFault::System)?;
        let address = SockAddr::unix(path).map_err(FileFault::System)?;
        socket.bind(&address).map_err(|error| match error.kind() == io::ErrorKind::NotFound {
            true => FileFault::NoFolder,
            false => FileFault::System(error),
        })?;
        let made = || {
            let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            let file = SocketFile { path: path.to_owned(), file };
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            socket.set_nonblocking(true)?;
            socket.listen(BACKLOG)?;
            Ok(file)
        };
        let file = made().map_err(FileFault::System)?;
        Ok((socket.into(), file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_still_ours = fstat(&self.file).and_then(|ours| {
            let there = lstat(&self.path)?;
            Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
        });
        if is_still_ours.unwrap_or(false)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "a socket's file stays behind");
        }
    }
}

/// Removes what a killed process has left, and nothing else.
fn make_room(path: &Path) -> Result<(), FileFault> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(FileFault::NotASocket),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileFault::System(error)),
    }
    let answers = Socket::new(Domain::UNIX, Type::STREAM, None).and_then(|probe| {
        // Whoever is so busy that it would have us wait is there.
        probe.set_nonblocking(true)?;
        probe.connect(&SockAddr::unix(path)?)
    });
    match answers {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(FileFault::System)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(FileFault::System(error)),
        Ok(()) | Err(_) => Err(FileFault::InUse),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_a_killed_process_has_left_is_replaced_and_where_somebody_answers_nothing_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("menshen.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, file) = SocketFile::listen(&path, 0o620).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o620);
        UnixStream::connect(&path).unwrap();
        assert!(matches!(SocketFile::listen(&path, 0o620), Err(FileFault::InUse)));
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("config.toml"), folder.path().join("link"));
        fs::write(&file, "all that there is").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link, &folder.path().to_owned()] {
            assert!(matches!(SocketFile::listen(path, 0o600), Err(FileFault::NotASocket)), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "all that there is");
    }

    #[test]
    fn a_successors_file_is_not_removed_and_a_folder_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("menshen.sock");
        let (listener, file) = SocketFile::listen(&path, 0o600).unwrap();
        drop(listener);
        let (_successor, _its_file) = SocketFile::listen(&path, 0o600).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
        let nowhere = folder.path().join("nowhere").join("menshen.sock");
        assert!(matches!(SocketFile::listen(&nowhere, 0o600), Err(FileFault::NoFolder)));
    }
}
