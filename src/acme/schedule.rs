//! When a certificate is renewed, and how long to wait after it could not be.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::tls::Validity;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// After so many failures in a row, and not sooner: authorities lock names out that fail more than five times an hour.
const PAUSES: [Duration; 7] = [
    MINUTE,
    MINUTE.saturating_mul(5),
    MINUTE.saturating_mul(20),
    HOUR,
    HOUR.saturating_mul(2),
    HOUR.saturating_mul(4),
    LONGEST,
];

/// However often it has failed. A certificate of 90 days is renewed 30 days before its end: there are 120 tries more.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// No pause is longer.
pub(super) const NEVER_LONGER: Duration = Duration::from_secs(8 * 3600);

/// When a certificate is renewed: after two thirds of its life, or by lot up to a twentieth of it sooner.
pub(super) fn renewal(validity: &Validity, lot: u16) -> Timestamp {
    let life = validity.not_after.since(validity.not_before);
    let sooner = life / 20 * u32::from(lot) / u32::from(u16::MAX);
    validity.not_before.plus((life / 3 * 2).saturating_sub(sooner))
}

/// How long to wait after so many failures in a row, by lot up to a quarter longer. `is_limit`: the authority has said that
/// we come too often.
pub(super) fn pause(failures: u32, lot: u16, is_limit: bool) -> Duration {
    let at = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(at).copied().unwrap_or(LONGEST);
    let pause = if is_limit { pause.max(HOUR) } else { pause };
    pause + pause / 4 * u32::from(lot) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn of_days(days: u32) -> Validity {
        let not_before = Timestamp::from_secs(1_700_000_000);
        let not_after = not_before.plus(DAY * days);
        Validity { chain: "acme:shop.example".into(), names: Vec::new(), not_before, not_after }
    }

    #[test]
    fn a_certificate_is_renewed_while_a_third_of_its_life_is_left_and_not_by_all_at_once() {
        for days in [6, 47, 90, 398] {
            let validity = of_days(days);
            let at = |lot| renewal(&validity, lot).since(validity.not_before);
            assert_eq!(at(0), DAY * days / 3 * 2, "{days}");
            let earliest = at(u16::MAX);
            assert!(earliest > DAY * days * 61 / 100 && earliest < DAY * days * 62 / 100, "{days}: {earliest:?}");
            assert!(at(u16::MAX / 2) < at(0) && at(u16::MAX / 2) > earliest, "{days}");
        }
    }

    #[test]
    fn who_fails_waits_longer_each_time_and_never_fails_five_times_in_an_hour() {
        let mut failed_after = vec![Duration::ZERO];
        for failures in 1..12 {
            failed_after.push(failed_after[failed_after.len() - 1] + pause(failures, 0, false));
        }
        for (at, first) in failed_after.iter().enumerate() {
            let within = failed_after[at..].iter().filter(|later| **later - *first < HOUR).count();
            assert!(within < 5, "{within} from the failure {at} on");
        }
        assert_eq!(pause(1000, 0, false), LONGEST);
        assert_eq!(pause(u32::MAX, u16::MAX, false), LONGEST + LONGEST / 4);
    }

    #[test]
    fn who_comes_too_often_stays_away_for_an_hour() {
        assert_eq!(pause(1, 0, true), HOUR);
        assert_eq!(pause(7, 0, true), LONGEST);
    }
}
