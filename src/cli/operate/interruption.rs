//! Ctrl-C and the like while something is under way that can be left at a good place.

use std::io;
use std::process;
use std::sync::Arc;
use std::thread;

use tokio::sync::Notify;

use crate::cli::signals::Signals;

/// The first signal that asks for an end. A second one ends the process at once.
pub(super) struct Interruption {
    came: Arc<Notify>,
}

impl Interruption {
    /// From now on a signal ends nothing by itself.
    pub(super) fn watch() -> io::Result<Self> {
        let mut signals = Signals::of_a_terminal()?;
        let came = Arc::new(Notify::new());
        let told = Arc::clone(&came);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            // Without a thread for what a hang-up would ask for, none of them is heeded.
            if signals.wait(|| {}).is_ok() {
                told.notify_one();
                signals.wait_for_another();
                process::exit(1);
            }
        })?;
        Ok(Interruption { came })
    }

    /// Returns, once, when it has come.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }
}
