//! A gzip file of some 400 KiB that unpacks to 64 MiB of zeros (RFC 1951, 1952).

/// How often 258 zeros are repeated after the first one.
const REPEATS: u32 = 260_112;
/// What the file says of its contents: their CRC-32 and their length.
const CRC: u32 = 0xB74B_9EB2;
const LENGTH: u32 = 1 + 258 * REPEATS;

/// The file.
pub(super) fn gzip() -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with the fixed codes.
    bits.push(0b110, 3);
    // A zero, then copies of it: length 258 (code 285) at distance 1 (code 0).
    bits.push(0b0011_0000, 8);
    for _ in 0..REPEATS {
        bits.push(0b1100_0101, 8);
        bits.push(0, 5);
    }
    // The end of the block.
    bits.push(0, 7);

    let mut file = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    file.extend(bits.finish());
    file.extend(CRC.to_le_bytes());
    file.extend(LENGTH.to_le_bytes());
    file
}

/// Bits in the order of RFC 1951, 3.1.1: from the lowest bit of each byte up.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    partial: u8,
    filled: u32,
}

impl Bits {
    /// Adds the lowest `count` bits of `code`, its highest first.
    fn push(&mut self, code: u32, count: u32) {
        for at in (0..count).rev() {
            self.partial |= (((code >> at) & 1) as u8) << self.filled;
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.partial);
                (self.partial, self.filled) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.bytes.push(self.partial);
        }
        self.bytes
    }
}
