//! An application of several endpoints, each of which does to a request what it says, and may be stopped at any time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{FAULTS, Fault, Ledger};

/// What every answer is made of; how much of it, the request's number says.
pub(super) const LETTER: u8 = b'm';

/// The longest body.
const LONGEST: u64 = 100_000;

pub(super) struct Application {
    endpoints: Vec<Endpoint>,
    around: Handle,
}

struct Endpoint {
    at: SocketAddr,
    ledger: Arc<Ledger>,
    running: Mutex<Option<Running>>,
    /// While it is stopped: an address at which nobody listens.
    held: Mutex<Option<TcpSocket>>,
}

/// An endpoint that answers, and what ends it.
struct Running {
    all: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

/// How long the body of a request's answer is.
pub(super) fn length_of(number: u64) -> usize {
    usize::try_from(number.wrapping_mul(7919) % LONGEST).unwrap()
}

impl Application {
    pub(super) fn at(addresses: &[SocketAddr], ledger: &Arc<Ledger>, around: &Handle) -> Self {
        let endpoint = |at: &SocketAddr| Endpoint {
            at: *at,
            ledger: Arc::clone(ledger),
            running: Mutex::default(),
            held: Mutex::default(),
        };
        let application = Application { endpoints: addresses.iter().map(endpoint).collect(), around: around.clone() };
        application.start_all();
        application
    }

    /// Ends one endpoint, with everything that it works on. Its address stays its own: another program that was given it
    /// meanwhile would answer in its place.
    pub(super) fn stop(&self, which: usize) {
        let endpoint = &self.endpoints[which];
        if let Some(Running { all, end }) = endpoint.running.lock().unwrap().take() {
            endpoint.ledger.stops(true);
            end.send(()).unwrap();
            *endpoint.held.lock().unwrap() = Some(self.around.block_on(async {
                all.await.unwrap();
                hold(endpoint.at).await
            }));
            endpoint.ledger.stops(false);
        }
    }

    /// Starts what does not run.
    pub(super) fn start_all(&self) {
        for endpoint in &self.endpoints {
            let mut running = endpoint.running.lock().unwrap();
            if running.is_none() {
                let held = endpoint.held.lock().unwrap().take();
                let socket = held.unwrap_or_else(|| self.around.block_on(hold(endpoint.at)));
                let _around = self.around.enter();
                let listener = socket.listen(1024).unwrap();
                let (end, ended) = oneshot::channel();
                let all = self.around.spawn(serve(listener, ended, Arc::clone(&endpoint.ledger)));
                *running = Some(Running { all, end });
            }
        }
    }
}

/// Takes an address, as soon as what was there before is gone.
async fn hold(at: SocketAddr) -> TcpSocket {
    for _ in 0..1000 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        if socket.bind(at).is_ok() {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{at} is not free");
}

/// Until it is told to end: then it is gone, with everything that it works on.
async fn serve(listener: TcpListener, mut ended: oneshot::Receiver<()>, ledger: Arc<Ledger>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut ended => break,
        };
        let Ok((stream, _)) = accepted else { continue };
        let ledger = Arc::clone(&ledger);
        connections.spawn(async move { converse(stream, &ledger).await.ok() });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    connections.shutdown().await;
}

/// A request that is being worked on: if it is dropped before it is done, that is the endpoint's end.
struct Working<'l> {
    ledger: &'l Ledger,
    number: u64,
    is_done: bool,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.ledger.stopped(self.number);
        }
    }
}

async fn converse(mut stream: TcpStream, ledger: &Ledger) -> io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            head.extend_from_slice(&piece[..length]);
        }
        let line = String::from_utf8_lossy(&head).into_owned();
        let mut words = line.split([' ', '/']).filter(|word| !word.is_empty()).skip(1);
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        let (number, fault) = (number(), FAULTS[usize::try_from(number()).unwrap()]);
        let mut working = Working { ledger, number, is_done: false };
        let goes_on = answer(&mut stream, number, fault).await;
        working.is_done = true;
        if !goes_on? {
            return Ok(());
        }
        head.clear();
    }
}

/// Whether the connection goes on.
async fn answer(stream: &mut TcpStream, number: u64, fault: Fault) -> io::Result<bool> {
    let length = length_of(number);
    let whole = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let body = |length: usize| vec![LETTER; length];
    match fault {
        Fault::None => {
            stream.write_all(whole(length).as_bytes()).await?;
            stream.write_all(&body(length)).await?;
            return Ok(true);
        }
        Fault::StallsInItsHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await?;
            // Until the proxy has had enough.
            let _ = stream.read(&mut [0]).await;
        }
        Fault::Leaves => {}
        Fault::AnswersNonsense => stream.write_all(b"+OK this is another protocol\r\n\r\n").await?,
        Fault::ClosesInTheMiddle => {
            stream.write_all(whole(length + 1000).as_bytes()).await?;
            stream.write_all(&body(length)).await?;
        }
        Fault::SendsMore => {
            stream.write_all(whole(length).as_bytes()).await?;
            stream.write_all(&body(length + 10)).await?;
        }
        Fault::ResetsAfterItsHead => {
            stream.write_all(whole(length + 1).as_bytes()).await?;
            stream.set_zero_linger()?;
        }
        Fault::IsTooBusy => {
            stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(true);
        }
    }
    Ok(false)
}
