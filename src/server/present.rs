//! What a core serves with at present: it can be exchanged for another while connections stay open.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Terms;

/// What a core serves with.
#[derive(Debug)]
pub(super) struct Present<H> {
    /// Answers requests.
    pub(super) handler: H,
    /// What goes for clients who come from now on.
    pub(super) terms: Terms,
}

/// Where a core's connections find what to serve with, anew for each request. A request under way keeps what it began
/// with.
#[derive(Debug)]
pub(super) struct Slot<H>(RefCell<Rc<Present<H>>>);

impl<H> Slot<H> {
    pub(super) fn new(handler: H, terms: Terms) -> Self {
        Slot(RefCell::new(Rc::new(Present { handler, terms })))
    }

    pub(super) fn present(&self) -> Rc<Present<H>> {
        Rc::clone(&self.0.borrow())
    }

    fn exchange(&self, handler: H, terms: Terms) {
        // The old one ends, if nobody holds it, once the new one is there.
        let _old = self.0.replace(Rc::new(Present { handler, terms }));
    }
}

/// Makes a core's handler, on that core.
pub(super) type Make<H> = Arc<dyn Fn() -> H + Send + Sync>;

/// What is asked of a core.
pub(super) enum Asked<H> {
    /// To serve with another handler from now on.
    Exchange {
        make: Make<H>,
        terms: Terms,
        /// Told once it does.
        done: oneshot::Sender<()>,
    },
    /// To say that it is there.
    Answer(oneshot::Sender<()>),
}

/// Does what is asked for as long as somebody may ask.
pub(super) async fn follow<H>(slot: Rc<Slot<H>>, mut asked: mpsc::UnboundedReceiver<Asked<H>>) {
    while let Some(asked) = asked.recv().await {
        let told = match asked {
            Asked::Exchange { make, terms, done } => {
                slot.exchange(make(), terms);
                done
            }
            Asked::Answer(told) => told,
        };
        let _ = told.send(());
    }
}
