//! Whether others than this machine can reach an application past us, and what they could claim there.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Finding;
use super::sockets::{self, Listening};
use crate::config::Config;
use crate::gateway::Access;

const WHAT: &str = "way past us";

/// How an application learns who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// By a header that anybody can write, whatever stands beside it.
    BareHeader,
    /// By a token alone, which nobody else can make.
    Token,
}

impl Trust {
    /// What the routes to an upstream send it.
    pub(super) fn of(config: &Config, upstream: usize) -> Self {
        let routes = config.routes.iter().filter(|route| route.upstream == upstream && route.access != Access::Public);
        let mut identities = routes.map(|route| config.identities.get(route.identity));
        match identities.all(|identity| identity.is_some_and(|identity| identity.headers.is_empty())) {
            true => Trust::Token,
            false => Trust::BareHeader,
        }
    }
}

/// Whether other users of this machine can reach an application past us by its socket.
pub(super) fn socket_file(path: &Path, trust: Trust) -> Finding {
    let shown = format!("unix:{}", path.display());
    let fix = "let its owner and group alone connect (mode 0660), and Menshen's user be of that group";
    match std::fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o002 != 0) {
        Ok(false) => Finding::good(WHAT, format!("{shown} is open to its owner and group alone")),
        Ok(true) => {
            let found = format!("every user of this machine may connect to {shown}");
            match trust {
                Trust::BareHeader => Finding::bad(WHAT, format!("{found}, and claim to be anybody by a header"), fix),
                Trust::Token => Finding::doubtful(WHAT, format!("{found}: only the token keeps them out"), fix),
            }
        }
        Err(_) => Finding::doubtful(WHAT, format!("nobody listens at {shown} now"), "start it, and ask again"),
    }
}

/// What this machine says of its sockets.
pub(super) struct Machine {
    listening: io::Result<Vec<Listening>>,
    /// Where the proxy itself listens.
    ours: Vec<SocketAddr>,
    /// Whether this machine has an address.
    is_own: fn(SocketAddr) -> bool,
    /// The processes that hold a socket.
    holders: fn(u64) -> BTreeSet<u32>,
}

impl Machine {
    /// As it is now.
    pub(super) fn now(config: &Config) -> Self {
        let ours = {
            let places = config.server.listen.iter().filter_map(|at| at.address());
            places.chain(config.admin.listen.iter().copied()).collect()
        };
        Machine { listening: sockets::listening(), ours, is_own, holders: sockets::holders }
    }

    /// Whether others can reach an application past us. `addresses`: what its name stands for.
    pub(super) fn exposure(&self, shown: &str, addresses: &[SocketAddr], trust: Trust) -> Finding {
        self.way(addresses).finding(shown, trust)
    }

    fn way(&self, addresses: &[SocketAddr]) -> Way {
        if let Some(elsewhere) = addresses.iter().find(|address| !(self.is_own)(**address)) {
            return Way::Elsewhere(*elsewhere);
        }
        let addresses: Vec<SocketAddr> = addresses.iter().copied().map(reached).collect();
        if let Some(open) = addresses.iter().find(|address| is_open(address)) {
            return Way::Open(*open);
        }
        let Some(port) = addresses.first().map(SocketAddr::port) else { return Way::Unknown };
        let Ok(listening) = &self.listening else { return Way::Untold };
        let is_ours = |socket: &Listening| self.ours.iter().any(|ours| canonical(*ours) == canonical(socket.address));
        let here = listening.iter().filter(|socket| socket.address.port() == port && !is_ours(socket));
        let here: Vec<&Listening> = here.collect();
        let applications: Vec<&Listening> = addresses.iter().flat_map(|address| answering(&here, *address)).collect();
        if applications.is_empty() {
            return Way::Closed;
        }
        if let Some(open) = applications.iter().find(|socket| is_open(&socket.address)) {
            return Way::Open(open.address);
        }
        let others = here.into_iter().filter(|socket| is_open(&socket.address));
        others.map(|other| self.beside(&applications, other)).max_by_key(Way::rank).unwrap_or(Way::Shut)
    }

    /// Whether another socket on the application's port is the application's too.
    fn beside(&self, applications: &[&Listening], other: &Listening) -> Way {
        let its: Vec<BTreeSet<u32>> = applications.iter().map(|socket| (self.holders)(socket.inode)).collect();
        let others = (self.holders)(other.inode);
        if its.iter().any(|its| !its.is_disjoint(&others)) {
            Way::Open(other.address)
        } else if others.is_empty() || its.iter().any(BTreeSet::is_empty) {
            Way::PerhapsOpen(other.address)
        } else {
            Way::Shut
        }
    }
}

/// The way past us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The application's name stands for nothing.
    Unknown,
    /// The application is on another machine.
    Elsewhere(SocketAddr),
    /// This system does not tell who listens where.
    Untold,
    /// Nobody listens there now.
    Closed,
    /// This machine alone can connect.
    Shut,
    /// Somebody listens on its port where others may connect, and it may be the application.
    PerhapsOpen(SocketAddr),
    /// Others may connect.
    Open(SocketAddr),
}

impl Way {
    fn rank(&self) -> u8 {
        match self {
            Way::Open(_) => 2,
            Way::PerhapsOpen(_) => 1,
            Way::Unknown | Way::Elsewhere(_) | Way::Untold | Way::Closed | Way::Shut => 0,
        }
    }

    fn finding(self, shown: &str, trust: Trust) -> Finding {
        let bind = "bind the application to 127.0.0.1 alone, or close its port to others";
        match (self, trust) {
            (Way::Open(at), Trust::BareHeader) => Finding::bad(
                WHAT,
                format!(
                    "{shown} is open at {at}, where others may reach it: who does can claim to be anybody by a header"
                ),
                bind,
            ),
            (Way::Open(at), Trust::Token) => Finding::doubtful(
                WHAT,
                format!(
                    "{shown} is open at {at}: who comes past us meets no route's access, and only the token keeps him out"
                ),
                format!("{bind}; else have it verify the token on every guarded path"),
            ),
            (Way::PerhapsOpen(at), _) => Finding::doubtful(
                WHAT,
                format!("something listens on {at} too: whether that is the application, this user may not see"),
                format!("ask again as root, or {bind}"),
            ),
            (Way::Elsewhere(at), _) => Finding::doubtful(
                WHAT,
                format!("{shown} is on another machine ({at}): who can connect to it cannot be seen from here"),
                "let nobody but this machine connect to it, or have it verify the token: a header alone can be claimed",
            ),
            (Way::Unknown, _) => Finding::doubtful(
                WHAT,
                format!("{shown} stands for no address now"),
                "correct the upstream's endpoints, or DNS",
            ),
            (Way::Untold, _) => Finding::doubtful(WHAT, "this system does not tell who listens where", bind),
            (Way::Closed, _) => Finding::doubtful(
                WHAT,
                format!("nobody listens at {shown} now: who could connect is seen once the application runs"),
                "start it, and ask again",
            ),
            (Way::Shut, _) => Finding::good(WHAT, format!("{shown} is open to this machine alone")),
        }
    }
}

/// Where a connection to an address ends: nobody has the address of all.
fn reached(address: SocketAddr) -> SocketAddr {
    let address = canonical(address);
    match (address.ip().is_unspecified(), address.is_ipv4()) {
        (false, _) => address,
        (true, true) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        (true, false) => (Ipv6Addr::LOCALHOST, address.port()).into(),
    }
}

/// The sockets that take connections to an address: those for just it, else those for all.
fn answering<'s>(sockets: &[&'s Listening], address: SocketAddr) -> Vec<&'s Listening> {
    let of = |is: &dyn Fn(IpAddr) -> bool| {
        sockets.iter().copied().filter(|socket| is(canonical(socket.address).ip())).collect::<Vec<_>>()
    };
    let exact = of(&|ip| ip == address.ip());
    if !exact.is_empty() {
        return exact;
    }
    // One for all of IPv6 takes IPv4 along, unless it was told not to.
    of(&|ip| ip.is_unspecified() && (ip.is_ipv6() || address.is_ipv4()))
}

/// Whether it is an address by which another machine could come.
fn is_open(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Whether this machine has an address: only then would it talk to it from that same one. Nothing is sent.
fn is_own(address: SocketAddr) -> bool {
    let address = canonical(address);
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return true;
    }
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address.ip())
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    const LAN: &str = "10.0.0.5:8001";

    /// A machine with the address of [`LAN`], and these sockets: where, and held by which process. 0: by somebody else's.
    fn machine(sockets: &[(&str, u32)]) -> Machine {
        let socket = |(address, process): &(&str, u32)| Listening {
            address: address.parse().unwrap(),
            inode: u64::from(*process),
        };
        Machine {
            listening: Ok(sockets.iter().map(socket).chain([socket(&("0.0.0.0:1", 9))]).collect()),
            ours: vec!["10.0.0.6:8001".parse().unwrap()],
            is_own: |address| {
                let ip = address.ip().to_canonical();
                ip.is_loopback() || ip.is_unspecified() || address.to_string() == LAN
            },
            holders: |inode| u32::try_from(inode).ok().filter(|process| *process != 0).into_iter().collect(),
        }
    }

    fn grade(machine: &Machine, addresses: &[&str], trust: Trust) -> Grade {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        machine.exposure("http://mall:8001", &addresses, trust).grade
    }

    #[test]
    fn an_application_that_listens_for_everybody_is_told() {
        for (target, listens, expected) in [
            ("127.0.0.1:8001", "127.0.0.1:8001", Grade::Good),
            ("[::1]:8001", "[::1]:8001", Grade::Good),
            ("127.0.0.1:8001", "[::ffff:127.0.0.1]:8001", Grade::Good),
            ("0.0.0.0:8001", "127.0.0.1:8001", Grade::Good),
            ("127.0.0.1:8001", "0.0.0.0:8001", Grade::Bad),
            ("127.0.0.1:8001", "[::]:8001", Grade::Bad),
            ("0.0.0.0:8001", "0.0.0.0:8001", Grade::Bad),
            ("[::1]:8001", "[::]:8001", Grade::Bad),
            // Nobody listens there.
            ("127.0.0.1:8001", "127.0.0.1:8002", Grade::Doubtful),
            ("[::1]:8001", "0.0.0.0:8001", Grade::Doubtful),
        ] {
            let machine = machine(&[(listens, 1)]);
            assert_eq!(grade(&machine, &[target], Trust::BareHeader), expected, "{target} {listens}");
        }
        let unknown = Machine { listening: Err(io::ErrorKind::Unsupported.into()), ..machine(&[]) };
        assert_eq!(grade(&unknown, &["127.0.0.1:8001"], Trust::BareHeader), Grade::Doubtful);
        assert_eq!(grade(&machine(&[]), &[], Trust::BareHeader), Grade::Doubtful);
    }

    #[test]
    fn an_address_of_this_machine_that_others_know_is_open_to_them() {
        let machine = machine(&[(LAN, 1)]);
        assert_eq!(grade(&machine, &[LAN], Trust::BareHeader), Grade::Bad);
        assert_eq!(grade(&machine, &["127.0.0.1:8001", LAN], Trust::BareHeader), Grade::Bad);
        assert_eq!(grade(&machine, &["10.0.0.7:8001"], Trust::BareHeader), Grade::Doubtful);
    }

    #[test]
    fn what_a_token_alone_guards_is_no_more_than_doubtful() {
        for listens in ["0.0.0.0:8001", "[::]:8001"] {
            assert_eq!(grade(&machine(&[(listens, 1)]), &["127.0.0.1:8001"], Trust::Token), Grade::Doubtful);
        }
        assert_eq!(grade(&machine(&[(LAN, 1)]), &[LAN], Trust::Token), Grade::Doubtful);
        assert_eq!(grade(&machine(&[("127.0.0.1:8001", 1)]), &["127.0.0.1:8001"], Trust::Token), Grade::Good);
    }

    #[test]
    fn only_the_applications_own_sockets_count() {
        for (other, process, expected) in [
            (LAN, 1, Grade::Bad),
            (LAN, 2, Grade::Good),
            (LAN, 0, Grade::Doubtful),
            ("[::]:8001", 2, Grade::Good),
            ("[::]:8001", 1, Grade::Bad),
            ("127.0.0.2:8001", 1, Grade::Good),
            // The proxy's own.
            ("10.0.0.6:8001", 1, Grade::Good),
        ] {
            let machine = machine(&[("127.0.0.1:8001", 1), (other, process)]);
            assert_eq!(grade(&machine, &["127.0.0.1:8001"], Trust::BareHeader), expected, "{other} {process}");
        }
        let somebodys = machine(&[("127.0.0.1:8001", 0), (LAN, 2)]);
        assert_eq!(grade(&somebodys, &["127.0.0.1:8001"], Trust::BareHeader), Grade::Doubtful);
    }

    #[test]
    fn this_machine_knows_its_own_addresses() {
        for own in ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "0.0.0.0:1"] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        // Kept for documents (RFC 5737, RFC 3849): no machine has them.
        for other in ["203.0.113.1:1", "[2001:db8::1]:1"] {
            assert!(!is_own(other.parse().unwrap()), "{other}");
        }
    }
}
