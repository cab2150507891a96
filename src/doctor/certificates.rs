//! The certificates that clients are shown: from when and until when.

use std::time::Duration;

use super::Finding;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::tls::Validity;

const WHAT: &str = "certificate";

/// Authorities renew when a third of ninety days is left: who has less has missed that.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let certificates = config.tls.iter().flat_map(|tls| tls.certificates.validities());
    certificates.map(|validity| of_one(&validity, now)).collect()
}

fn of_one(validity: &Validity, now: Timestamp) -> Finding {
    let Validity { chain, names, not_before, not_after } = validity;
    let shown =
        format!("{} for {}", chain.display(), if names.is_empty() { "no name".into() } else { names.join(", ") });
    let renew = "have it issued anew: the file is taken up within seconds";
    if now > *not_after {
        Finding::bad(WHAT, format!("{shown} has run out, on {not_after}"), renew)
    } else if now < *not_before {
        let fix = "look at this machine's clock, or wait: browsers refuse it until then";
        Finding::bad(WHAT, format!("{shown} begins on {not_before}"), fix)
    } else if not_after.since(now) < SOON {
        let days = not_after.since(now).as_secs() / (24 * 60 * 60);
        Finding::doubtful(WHAT, format!("{shown} runs out in {days} days, on {not_after}"), renew)
    } else {
        Finding::good(WHAT, format!("{shown} is good until {not_after}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_certificate_is_graded_by_how_long_it_is_still_good() {
        const DAY: u64 = 24 * 60 * 60;
        let validity = Validity {
            chain: "certs/site.pem".into(),
            names: vec!["a.example".to_owned()],
            not_before: Timestamp::from_secs(100 * DAY),
            not_after: Timestamp::from_secs(190 * DAY),
        };
        for (day, grade) in
            [(99, Grade::Bad), (101, Grade::Good), (175, Grade::Good), (177, Grade::Doubtful), (191, Grade::Bad)]
        {
            assert_eq!(of_one(&validity, Timestamp::from_secs(day * DAY)).grade, grade, "{day}");
        }
    }
}
