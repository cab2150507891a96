//! The commands that operators give, as the built program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Proxy;

/// What came of a command.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Its output, given that it went well.
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// What it complained of, given that it failed.
    pub fn bad(self) -> String {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        format!("{}{}", self.out, self.err)
    }
}

impl Proxy {
    /// Runs a command for this proxy.
    pub fn command(&self, words: &[&str]) -> Outcome {
        self.command_with(words, "")
    }

    /// Runs a command that reads this.
    pub fn command_with(&self, words: &[&str], input: &str) -> Outcome {
        run(self.given(words), input)
    }

    /// Runs a command with a variable in its environment that names a file.
    pub fn command_under(&self, words: &[&str], name: &str, file: &Path) -> Outcome {
        let mut command = self.given(words);
        command.env(name, file);
        run(command, "")
    }

    fn given(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
        command.args(words).arg("--config").arg(self.config_path());
        command
    }
}

fn run(mut command: Command, input: &str) -> Outcome {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
