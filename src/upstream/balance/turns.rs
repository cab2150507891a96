//! Whose turn it is: every endpoint as often as its weight says, those of great weight not several times in a row; and
//! which endpoint belongs to a key, whichever others there are.

/// Endpoints by their places, each as often as its weight, spread evenly: smooth weighted round robin, worked out
/// beforehand.
pub(super) fn schedule(weights: &[u32]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut owed = vec![0_i64; weights.len()];
    let mut schedule = Vec::new();
    for _ in 0..total {
        for (owed, weight) in owed.iter_mut().zip(&weights) {
            *owed += weight;
        }
        // Of equals the first.
        let next = owed.iter().enumerate().rev().max_by_key(|(_, owed)| **owed).map_or(0, |(at, _)| at);
        if let Some(owed) = owed.get_mut(next) {
            *owed -= total;
        }
        schedule.push(next);
    }
    schedule
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A number for some bytes, the same in every process: FNV-1a, then mixed.
pub(super) fn number(bytes: &[u8]) -> u64 {
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mixed(sum)
}

/// Every bit of the outcome depends on every bit of the number (the finish of SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How strongly a key is drawn to an endpoint of a weight; it goes to whichever draws it most. An endpoint that comes or
/// goes moves its own keys alone (weighted rendezvous hashing).
pub(super) fn attraction(key: u64, endpoint: u64, weight: u32) -> f64 {
    // 53 bits are what a float holds; never 0, whose logarithm there is not.
    let share = ((mixed(key ^ endpoint) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / share.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_as_often_as_its_weight_says_and_not_all_at_once() {
        assert_eq!(schedule(&[1]), [0]);
        assert_eq!(schedule(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(schedule(&[10, 10]), [0, 1]);
        assert_eq!(schedule(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn an_endpoint_that_goes_moves_its_own_keys_alone() {
        let endpoints: Vec<u64> = ["a:1", "b:1", "c:1", "d:1"].iter().map(|name| number(name.as_bytes())).collect();
        let of = |key: u64, endpoints: &[u64]| {
            let drawn = |endpoint: &&u64| attraction(mixed(key), **endpoint, 1);
            *endpoints.iter().max_by(|a, b| drawn(a).total_cmp(&drawn(b))).unwrap()
        };
        let gone = endpoints[3];
        let mut counts = [0; 4];
        for key in 0..10_000 {
            let before = of(key, &endpoints);
            counts[endpoints.iter().position(|endpoint| *endpoint == before).unwrap()] += 1;
            let after = of(key, &endpoints[..3]);
            assert!(before == after || before == gone, "{key}");
        }
        assert!(counts.iter().all(|count| (2300..2700).contains(count)), "{counts:?}");
    }

    #[test]
    fn weight_draws_keys_in_proportion() {
        let (a, b) = (number(b"a"), number(b"b"));
        let heavy = (0..10_000).filter(|key| attraction(mixed(*key), a, 3) > attraction(mixed(*key), b, 1)).count();
        assert!((7300..7700).contains(&heavy), "{heavy}");
    }
}
