//! A DNS server (RFC 1035) that leads every name where the test says.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A DNS server; it ends with the process.
pub struct Dns {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
}

/// What it says of every name.
#[derive(Clone)]
pub enum Says {
    /// These addresses, good for so many seconds.
    Leads(Vec<Ipv4Addr>, u32),
    /// That something is wrong with it.
    Fails,
    /// Nothing.
    Nothing,
}

impl Dns {
    pub fn new(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
        let (saying, counted) = (Arc::clone(&says), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let says = saying.lock().unwrap().clone();
                if let Some(answer) = answer(&query[..length], &says, &counted) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Dns { address, says, asked }
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// How often it was asked for addresses of IPv4.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One question, answered.
fn answer(query: &[u8], says: &Says, asked: &AtomicUsize) -> Option<Vec<u8>> {
    let name_ends = 12 + query[12..].iter().position(|byte| *byte == 0)? + 1;
    let question = &query[12..name_ends + 4];
    let is_for_ipv4 = question[question.len() - 4..] == [0, 1, 0, 1];
    if is_for_ipv4 {
        asked.fetch_add(1, Ordering::SeqCst);
    }
    let (addresses, ttl, code) = match says {
        Says::Leads(addresses, ttl) => (addresses.as_slice(), *ttl, 0),
        Says::Fails => (&[][..], 0, 2),
        Says::Nothing => return None,
    };
    let addresses = if is_for_ipv4 { addresses } else { &[] };
    // Its number; an answer that is its own, to a question that wanted it, with recursion; one question.
    let mut answer = vec![query[0], query[1], 0x84 | (query[2] & 1), 0x80 | code, 0, 1];
    answer.extend([0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
