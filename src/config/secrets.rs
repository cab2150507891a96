//! Secrets, written in place or in a file of their own. No remark here ever holds one.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{Findings, Remark, Spot};
use super::exposure;
use super::file;
use super::read;
use super::section::{Given, Many, Section};
use super::tree::Node;

impl Section<'_> {
    /// The secret called `name`, from that key or from `<name>_file`. `Some(None)` where neither is there and none has
    /// to be; `None` where a mistake has been noted down.
    pub(super) fn secret(&self, name: &str, log: &mut Findings) -> Option<Option<Given<Zeroizing<Vec<u8>>>>> {
        let file_name = format!("{name}_file");
        if self.node(name).is_some() && self.node(&file_name).is_some() {
            let remark = Remark::new(format!("{name} is given as well")).so("one of the two would be ignored");
            log.error(&self.spot(&file_name), remark.fix(format!("keep {name} or {file_name}")));
            return None;
        }
        if self.node(&file_name).is_some() {
            let file = self.file(&file_name, log)??;
            return match read_file(&file.value) {
                Ok(value) => {
                    exposure::check_secret(&file, log);
                    Some(Some(Given { value, spot: file.spot }))
                }
                Err(_) if self.looks_like_a_secret(&file_name) && !file.value.exists() => {
                    let remark = Remark::new("names no file that can be read").so("there would be no secret");
                    let fix =
                        format!("if it is the secret itself, write it to {name}; a path is told by its `/` or `.`");
                    log.error(&Spot { found: None, ..file.spot }, remark.fix(fix));
                    None
                }
                Err(remark) => {
                    log.error(&file.spot, remark);
                    None
                }
            };
        }
        self.optional(name, log, |node, key| match node.text() {
            Some("") => Err(Remark::new("is empty")
                .so("an empty secret opens nothing, or everything")
                .fix(format!("write it in, or name its file in {file_name}"))),
            Some(text) if is_placeholder(text) => Err(Remark::new("looks like a variable, and none is put in here")
                .so("its name would be the secret")
                .fix(format!("name a file in {file_name}, or leave it out and give MENSHEN__… in the environment"))),
            Some(text) => Ok(Zeroizing::new(text.as_bytes().to_vec())),
            None => Err(read::wrong_type(node, key)),
        })
    }

    /// [`Section::secret`], where there has to be one.
    pub(super) fn required_secret(&self, name: &str, log: &mut Findings) -> Option<Given<Zeroizing<Vec<u8>>>> {
        let secret = self.secret(name, log)?;
        if secret.is_none() {
            self.report_missing(name, log);
        }
        secret
    }

    /// Whether somebody may have written a secret where the name of its file belongs: then it is not for showing.
    fn looks_like_a_secret(&self, name: &str) -> bool {
        let text = self.node(name).and_then(Node::text);
        text.is_some_and(|text| !text.contains(['/', '.', '\\']))
    }

    /// A path, from the folder of the configuration if it is relative.
    pub(super) fn file(&self, name: &str, log: &mut Findings) -> Option<Option<Given<PathBuf>>> {
        self.optional(name, log, read::text(|text| self.path(text)))
    }

    /// A list of files.
    pub(super) fn files(&self, name: &str, log: &mut Findings) -> Many<PathBuf> {
        self.each(name, log, |text| self.path(text))
    }

    fn path(&self, text: &str) -> Result<PathBuf, Remark> {
        match text {
            "" => Err(Remark::expected("a path")
                .so("there would be nothing to open")
                .fix("leave the key out to have its default")),
            _ if text.contains('\0') => {
                Err(Remark::new("a path cannot hold a NUL").so("no system opens it").fix("write it without"))
            }
            _ if text.starts_with("~/") => Err(Remark::new("`~` is not spelt out here")
                .so("a folder of that very name would be looked for")
                .fix("write the whole path, from /")),
            _ => Ok(self.base().join(text)),
        }
    }
}

/// `$NAME`, `${NAME}`, `$(NAME)`, `{{ name }}`, `<name>`, `%NAME%`: what was left for another program to fill in.
fn is_placeholder(text: &str) -> bool {
    let name = text.strip_prefix('$').unwrap_or_default();
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (name.len() > 1 && name.starts_with(|first: char| first.is_ascii_uppercase()) && is_name(name))
        || [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<", ">"), ("%", "%")]
            .iter()
            .any(|(begin, end)| text.len() > 2 && text.starts_with(begin) && text.ends_with(end))
}

/// A file's bytes, less one end of line at the end.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Remark> {
    // To read a pipe might wait for ever.
    if std::fs::metadata(path).is_ok_and(|file| !file.is_file()) {
        return Err(Remark::new(format!("{} is no regular file", path.display()))
            .so("there would be no secret")
            .fix("put the secret into a file, alone on one line"));
    }
    let mut bytes = file::read(path).map_err(|error| unreadable(path, &error))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Remark::new(format!("{} is empty", path.display()))
            .so("there would be no secret")
            .fix("put the secret into it, alone on one line"));
    }
    Ok(bytes)
}

/// A file that a key names cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Remark {
    Remark::new(format!("{} cannot be read: {error}", path.display())).so("what it holds would be missing").fix(
        "relative paths start in the folder of the configuration; Menshen's own user has to be able to read the file",
    )
}
