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

/// What a core is to serve with from now on.
pub(super) struct Exchange<H> {
    pub(super) make: Make<H>,
    pub(super) terms: Terms,
    /// Told once it does.
    pub(super) done: oneshot::Sender<()>,
}

/// Carries out exchanges for as long as somebody may ask for them.
pub(super) async fn follow<H>(slot: Rc<Slot<H>>, mut asked: mpsc::UnboundedReceiver<Exchange<H>>) {
    while let Some(Exchange { make, terms, done }) = asked.recv().await {
        slot.exchange(make(), terms);
        let _ = done.send(());
    }
}
