//! Whether a folder lies on a network filesystem, where a lock may be void and two machines could open one store.

use std::path::Path;

/// Filesystems, as the kernel names them, whose files other machines may have open too.
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

/// What this process sees mounted, as `/proc/self/mountinfo` (proc(5)) tells; nothing where the system does not say.
pub(super) fn mounts() -> String {
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    String::from_utf8_lossy(&mounts).into_owned()
}

/// The kind of network filesystem that holds `path`, which must be absolute and without symbolic links; `None` for a
/// local one, and where `mounts` do not say.
pub(super) fn network_kind(path: &Path, mounts: &str) -> Option<String> {
    kind_of(path, mounts).filter(|kind| NETWORK.contains(&kind.as_str()))
}

/// The filesystem type of the mount that holds `path`.
fn kind_of(path: &Path, mounts: &str) -> Option<String> {
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            Some((unescape(mount.split(' ').nth(4)?), filesystem.split(' ').next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        // Of mounts at one place the last one lies on top.
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Undoes the kernel's octal escapes of blank, tab, newline and backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /srv rw,relatime shared:1 - nfs4 files:/srv rw,vers=4.2
41 40 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\\040share rw - cifs //files/share rw
43 27 0:43 / /over rw - ext4 /dev/vdc rw
44 43 0:44 / /over rw master:2 - fuse.sshfs me@there: rw
";

    #[test]
    fn the_innermost_and_topmost_mount_decides() {
        for (path, kind) in [
            ("/var/lib/menshen", "ext4"),
            ("/srv", "nfs4"),
            ("/srv/shop/data", "nfs4"),
            ("/srv/local/data", "xfs"),
            ("/srvother", "ext4"),
            ("/mnt/my share/data", "cifs"),
            ("/over/data", "fuse.sshfs"),
        ] {
            assert_eq!(kind_of(Path::new(path), MOUNTS).as_deref(), Some(kind), "{path}");
        }
    }

    #[test]
    fn this_machines_temporary_folder_is_local() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        assert_eq!(network_kind(&folder, &mounts()), None);
        assert!(!cfg!(target_os = "linux") || kind_of(&folder, &mounts()).is_some());
    }
}
