//! Telling both ends of a WebSocket that it is over (RFC 6455, 5.5.1), so that a browser knows whether to come again.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the ends have for their last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The longest head of a frame: two bytes, a length of eight, a mask of four (RFC 6455, 5.2).
const MAX_HEAD: usize = 14;

/// Why a WebSocket is ended by us (RFC 6455, 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// 1001: the proxy goes down, and a successor may be there already.
    GoingAway,
    /// 1008: whose it was may not have it any more.
    Policy,
}

impl Farewell {
    fn code(self) -> u16 {
        match self {
            Farewell::GoingAway => 1001,
            Farewell::Policy => 1008,
        }
    }

    /// A whole frame. A client's are masked (RFC 6455, 5.3); what mask is nobody's secret here.
    fn frame(self, is_masked: bool) -> Vec<u8> {
        let [high, low] = self.code().to_be_bytes();
        if is_masked { vec![0x88, 0x82, 0, 0, 0, 0, high, low] } else { vec![0x88, 0x02, high, low] }
    }
}

/// What has passed of one direction, as far as frames go: between two of them alone there is room for one of ours.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; MAX_HEAD],
    /// Bytes of the head that are there.
    have: usize,
    /// Bytes of the frame that are still to come.
    rest: u64,
    is_closed: bool,
}

impl Frames {
    /// These bytes pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
            self.rest -= skipped as u64;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((byte, left)) = bytes.split_first() else { return };
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            bytes = left;
            self.end_head();
        }
    }

    /// Whether a frame of ours may follow: none is under way, and the direction is not closed.
    fn may_end(&self) -> bool {
        self.rest == 0 && self.have == 0 && !self.is_closed
    }

    fn end_head(&mut self) {
        let [first, second, ..] = self.head;
        if self.have < 2 {
            return;
        }
        let of_length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let whole = 2 + of_length + if second & 0x80 == 0 { 0 } else { 4 };
        if self.have < whole {
            return;
        }
        let extended = self.head.get(2..2 + of_length).unwrap_or_default();
        let extended = extended.iter().fold(0, |length: u64, byte| (length << 8) | u64::from(*byte));
        self.rest = if of_length == 0 { u64::from(second & 0x7f) } else { extended };
        self.have = 0;
        self.is_closed |= first & 0x0f == 8;
    }
}

/// One end of a WebSocket, and what it was sent.
pub(super) trait End: AsyncRead + AsyncWrite + Unpin {
    /// What has been written to it.
    fn sent(&self) -> &Frames;
}

/// What comes while there is still time for last words.
pub(super) async fn in_time<T>(what: impl Future<Output = T>) -> Option<T> {
    timeout(LAST_WORDS, what).await.ok()
}

/// Says farewell to both ends, where that can be understood, and lets go of them.
pub(super) async fn say(farewell: Farewell, client: &mut impl End, upstream: &mut impl End) {
    let both = async {
        tokio::join!(leave(client, farewell.frame(false)), leave(upstream, farewell.frame(true)));
    };
    // Whoever does not take it in time is left without.
    let _ = timeout(LAST_WORDS, both).await;
}

async fn leave(end: &mut impl End, frame: Vec<u8>) {
    if !end.sent().may_end() || end.write_all(&frame).await.is_err() || end.shutdown().await.is_err() {
        return;
    }
    // A connection that is closed over unread bytes takes the last words with it.
    let mut unread = [0; 512];
    while let Ok(1..) = end.read(&mut unread).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> Frames {
        let mut frames = Frames::default();
        // As the network may part them.
        bytes.iter().for_each(|byte| frames.pass(&[*byte]));
        let mut at_once = Frames::default();
        at_once.pass(bytes);
        assert_eq!(format!("{frames:?}"), format!("{at_once:?}"));
        frames
    }

    #[test]
    fn there_is_room_between_two_frames_alone() {
        assert!(Frames::default().may_end());
        let long = [&[0x82, 0x7e, 0x01, 0x00][..], &[7; 256]].concat();
        let longest = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65_536]].concat();
        let masked = [0x81, 0x82, 1, 2, 3, 4, 9, 9];
        let empty = [0x89, 0x00];
        for frame in [&long[..], &longest, &masked, &empty] {
            assert!(after(frame).may_end());
            assert!(!after(&frame[..frame.len() - 1]).may_end());
            assert!(after(&[frame, &masked].concat()).may_end());
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        assert!(!after(&Farewell::GoingAway.frame(false)).may_end());
        assert!(!after(&[&[0x81, 0x01, b'a'][..], &Farewell::Policy.frame(true)].concat()).may_end());
    }

    #[test]
    fn the_code_says_whether_to_come_again() {
        assert_eq!(Farewell::GoingAway.frame(false), [0x88, 2, 0x03, 0xe9]);
        assert_eq!(Farewell::Policy.frame(true), [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf0]);
    }
}
