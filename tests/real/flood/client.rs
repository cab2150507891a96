//! Those who come in thousands.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::backends::SITE;

/// How many come at the same moment.
const AT_ONCE: usize = 256;

/// How many share an address.
const EACH_ADDRESS: usize = 500;

/// Between two bytes, or two callbacks, of one of them.
const PAUSE: Duration = Duration::from_secs(2);

/// Longest time in which all are to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one of them does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Asks once, and then holds the connection.
    Idle,
    /// Never comes to the end of a head.
    SlowHead,
    /// Nor of a body, for which the application waits too.
    SlowBody,
    /// Comes back from a login that never was, again and again.
    JunkCallback,
    /// Begins logins, and comes back with codes that QQ never gave: each costs a call to it.
    JunkCode,
}

/// All of them.
pub(super) struct Crowd {
    clients: JoinSet<io::Result<()>>,
    leave: watch::Sender<bool>,
    answers: Arc<Answers>,
}

/// How they were answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    arrived: AtomicUsize,
    ok: AtomicUsize,
    refused: AtomicUsize,
    too_many: AtomicUsize,
    failed: AtomicUsize,
}

impl Crowd {
    /// Returns when every one of them is connected and has begun.
    pub(super) async fn gather(kinds: &[(Kind, usize)], proxy: SocketAddr) -> Self {
        let (leave, leaving) = watch::channel(false);
        let (answers, door) = (Arc::new(Answers::default()), Arc::new(Semaphore::new(AT_ONCE)));
        let mut clients = JoinSet::new();
        let all = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let mut count = 0;
        for (number, kind) in all.enumerate() {
            count += 1;
            let (answers, door, leaving) = (Arc::clone(&answers), Arc::clone(&door), leaving.clone());
            clients.spawn(async move {
                let place = door.acquire().await.unwrap();
                let mut client = Client::connect(number, proxy, answers).await?;
                client.begin(kind).await?;
                client.answers.arrived.fetch_add(1, Ordering::SeqCst);
                drop(place);
                client.go_on(kind, leaving).await
            });
        }
        let all_there = async {
            let mut ticks = time::interval(Duration::from_millis(20));
            while answers.arrived.load(Ordering::SeqCst) < count {
                ticks.tick().await;
            }
        };
        let arrived = time::timeout(PATIENCE, all_there).await;
        assert!(arrived.is_ok(), "only {} have arrived", answers.arrived.load(Ordering::SeqCst));
        Crowd { clients, leave, answers }
    }

    /// They close their connections, all at once; how they were answered. None was turned away before.
    pub(super) async fn leave(mut self) -> Arc<Answers> {
        self.leave.send_replace(true);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap().expect("one was turned away");
        }
        self.answers
    }
}

/// One of them.
struct Client {
    stream: TcpStream,
    number: usize,
    answers: Arc<Answers>,
}

impl Client {
    async fn connect(number: usize, proxy: SocketAddr, answers: Arc<Answers>) -> io::Result<Self> {
        let address = u8::try_from(number / EACH_ADDRESS).unwrap();
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 1, address, 1), 0).into())?;
        Ok(Client { stream: socket.connect(proxy).await?, number, answers })
    }

    /// The first thing that it does.
    async fn begin(&mut self, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::Idle => self.ask(&format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n")).await.map(drop),
            Kind::SlowHead => {
                self.stream.write_all(format!("GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Slow: ").as_bytes()).await
            }
            Kind::SlowBody => {
                let head = format!("POST /slow HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 1000000\r\n\r\nx");
                self.stream.write_all(head.as_bytes()).await
            }
            Kind::JunkCallback => self.come_back().await,
            Kind::JunkCode => self.log_in_with_junk().await,
        }
    }

    /// What it does until it leaves.
    async fn go_on(&mut self, kind: Kind, mut leaving: watch::Receiver<bool>) -> io::Result<()> {
        let mut ticks = time::interval_at(Instant::now() + PAUSE, PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = leaving.changed() => return Ok(()),
                _ = ticks.tick() => match kind {
                    Kind::Idle => {}
                    Kind::SlowHead | Kind::SlowBody => self.stream.write_all(b"x").await?,
                    Kind::JunkCallback => self.come_back().await?,
                    Kind::JunkCode => self.log_in_with_junk().await?,
                },
            }
        }
    }

    /// With a state and a cookie of its own making.
    async fn come_back(&mut self) -> io::Result<()> {
        let junk = format!("{:032x}", self.number);
        let cookie = format!("menshen_login_{}={}", &junk[24..], "A".repeat(200));
        self.call_back(&junk, &cookie).await
    }

    /// With a state and a cookie of ours.
    async fn log_in_with_junk(&mut self) -> io::Result<()> {
        let start = self.ask(&format!("GET /qq/login/ HTTP/1.1\r\nHost: {SITE}\r\n\r\n")).await?;
        let between = |from: &str, to: char| Some(start.split_once(from)?.1.split_once(to)?.0.to_owned());
        // An address that has begun too many gets neither.
        let (Some(state), Some(cookie)) = (between("state=", '"'), between("set-cookie: ", ';')) else { return Ok(()) };
        self.call_back(&state, &cookie).await
    }

    async fn call_back(&mut self, state: &str, cookie: &str) -> io::Result<()> {
        let target = format!("/oauth_callback/?code={:032X}&state={state}", self.number);
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: {SITE}\r\nCookie: {cookie}\r\n\r\n")).await.map(drop)
    }

    /// Sends a request; the whole answer.
    async fn ask(&mut self, request: &str) -> io::Result<String> {
        self.stream.write_all(request.as_bytes()).await?;
        let (mut answer, mut piece) = (Vec::new(), [0; 8 * 1024]);
        loop {
            let length = self.stream.read(&mut piece).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&piece[..length]);
            let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).into_owned();
            let length: Option<usize> =
                head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if answer.len() >= end + 4 + length.ok_or_else(|| io::Error::other(head.clone()))? {
                self.count(&head)?;
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    }

    fn count(&self, head: &str) -> io::Result<()> {
        let counter = match head.split(' ').nth(1) {
            Some("200") => &self.answers.ok,
            Some("403") => &self.answers.refused,
            Some("429") => &self.answers.too_many,
            Some("500" | "503") => &self.answers.failed,
            _ => return Err(io::Error::other(head.to_owned())),
        };
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        let (ok, refused, too_many, failed) =
            (count(&self.ok), count(&self.refused), count(&self.too_many), count(&self.failed));
        write!(
            f,
            "the crowd was answered {ok} times 200, {refused} times 403, {too_many} times 429, {failed} times 500"
        )
    }
}
