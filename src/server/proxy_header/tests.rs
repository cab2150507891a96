//! `tests/data/proxy_headers.tsv`, read from a socket.

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a client says behind its balancer's header.
const ITS_OWN: &[u8] = b"PROXY TCP4 6.6.6.6 6.6.6.6 6 6\r\n";

struct Row {
    what: &'static str,
    expected: &'static str,
    header: Vec<u8>,
}

fn rows() -> Vec<Row> {
    let table = include_str!("../../../tests/data/proxy_headers.tsv");
    let rows = table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_else(|| panic!("{line}"));
        Row { what: cell(), expected: cell(), header: unescaped(cell()) }
    });
    rows.collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let (byte, length) = match after.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            _ => panic!("{text}"),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// What comes of a header that arrives in pieces of this size, and what is left unread behind it.
async fn read_of(sent: &[u8], piece: usize) -> (Result<Introduced, Fault>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), async { listener.accept().await.unwrap().0 });
    let (mut client, mut server) = (client.unwrap(), Transport::Tcp(server));
    client.set_nodelay(true).unwrap();
    let send = async {
        for piece in sent.chunks(piece) {
            // Whoever has read enough may have closed.
            let _ = client.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
    };
    let receive = async {
        let introduced = read(&mut server).await;
        let mut left = Vec::new();
        server.read_to_end(&mut left).await.unwrap();
        (introduced, left)
    };
    tokio::join!(send, receive).1
}

fn shown(introduced: &Result<Introduced, Fault>) -> String {
    match introduced {
        Ok(Introduced::Client(address)) => address.to_string(),
        Ok(Introduced::Nobody) => "nobody".to_owned(),
        Err(Fault::Silent) => "silent".to_owned(),
        Err(Fault::Missing) => "missing".to_owned(),
        Err(Fault::Wrong(_)) => "wrong".to_owned(),
        Err(Fault::BrokenOff(_)) => "broken-off".to_owned(),
    }
}

#[tokio::test]
async fn every_header_is_read_as_the_table_says_in_one_piece_and_byte_by_byte() {
    let rows = rows();
    assert!(rows.len() > 60, "{}", rows.len());
    for Row { what, expected, header } in rows {
        for piece in [usize::MAX, 1] {
            let (introduced, left) = read_of(&[&header, ITS_OWN].concat(), piece).await;
            assert_eq!(shown(&introduced), expected, "{what}, {piece}: {introduced:?}");
            if introduced.is_ok() {
                assert_eq!(left, ITS_OWN, "{what}, {piece}: what is the client's is left to it");
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_ends_before_its_end_is_none_wherever_it_ends() {
    for Row { what, header, .. } in rows().into_iter().filter(|row| row.expected.contains(':')) {
        for length in 0..header.len() {
            let (introduced, _) = read_of(&header[..length], usize::MAX).await;
            let expected = if length == 0 { "silent" } else { "broken-off" };
            assert_eq!(shown(&introduced), expected, "{what}, {length}: {introduced:?}");
        }
    }
}

#[tokio::test]
async fn a_unix_sockets_client_is_nobody_and_the_longest_header_there_is_is_skipped() {
    let mut header = SIGNATURE_OF_A_UNIX_SOCKET.to_vec();
    header.extend([0xff, 0xff]);
    header.resize(header.len() + usize::from(u16::MAX), 7);
    let (introduced, left) = read_of(&[&header, ITS_OWN].concat(), usize::MAX).await;
    assert_eq!((shown(&introduced).as_str(), left.as_slice()), ("nobody", ITS_OWN));
}

/// Up to the length.
const SIGNATURE_OF_A_UNIX_SOCKET: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x31";
