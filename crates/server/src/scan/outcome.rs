//! What becomes of a message after its scan: a table.

use mail::Reply;

use super::Verdict;
use crate::config::{OnInfected, OnScanFailure, ScanSettings};

/// The fields that only a scanner's verdict may write.
pub const FIELDS: [&str; 2] = ["X-Virus-Scanned", "X-Virus-Status"];

/// What to do with the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on, with these fields on top.
    Goes(String),
    /// It is kept in the queue until somebody looks at it.
    Quarantined(String),
    Refused(Reply),
}

/// `node` is our name.
pub fn outcome(settings: &ScanSettings, verdict: &Verdict, node: &str) -> Outcome {
    let fields = |status: &str| {
        let [scanned, virus_status] = FIELDS;
        format!("{scanned}: clamd by Tepui at {node}\r\n{virus_status}: {status}\r\n")
    };
    match (verdict, settings.on_infected, settings.on_failure) {
        (Verdict::Clean, ..) => Outcome::Goes(fields("Clean")),
        (Verdict::Infected(name), OnInfected::Reject, _) => {
            Outcome::Refused(Reply::new(550, (5, 7, 1), settings.reject_text.replace("%v", name)))
        }
        (Verdict::Infected(name), OnInfected::Quarantine, _) => {
            Outcome::Quarantined(fields(&format!("Infected ({name})")))
        }
        (Verdict::Infected(name), OnInfected::Tag, _) => Outcome::Goes(fields(&format!("Infected ({name})"))),
        (Verdict::TooLarge, ..) => Outcome::Goes(fields("Not scanned (too large)")),
        (Verdict::Failed(_), _, OnScanFailure::Accept) => Outcome::Goes(fields("Not scanned")),
        (Verdict::Failed(_), _, OnScanFailure::Defer) => {
            Outcome::Refused(Reply::new(451, (4, 7, 1), "Service unavailable - try again later"))
        }
        (Verdict::Failed(_), _, OnScanFailure::Reject) => {
            Outcome::Refused(Reply::new(550, (5, 7, 1), "The message cannot be scanned for viruses"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(on_infected: OnInfected, on_failure: OnScanFailure) -> ScanSettings {
        ScanSettings { on_infected, on_failure, reject_text: "%v virus detected".into(), ..ScanSettings::for_tests() }
    }

    #[test]
    fn each_verdict_has_its_outcome() {
        let (infected, failed) = (Verdict::Infected("Eicar".into()), Verdict::Failed("x".into()));
        let told = |verdict: &Verdict, on_infected, on_failure| match outcome(
            &settings(on_infected, on_failure),
            verdict,
            "mx",
        ) {
            Outcome::Goes(fields) => format!("goes {}", fields.lines().last().unwrap_or_default()),
            Outcome::Quarantined(fields) => format!("held {}", fields.lines().last().unwrap_or_default()),
            Outcome::Refused(reply) => reply.to_string(),
        };
        let (reject, defer) = (OnInfected::Reject, OnScanFailure::Defer);
        assert_eq!(told(&Verdict::Clean, reject, defer), "goes X-Virus-Status: Clean");
        assert_eq!(told(&infected, reject, defer), "550 5.7.1 Eicar virus detected");
        assert_eq!(told(&infected, OnInfected::Quarantine, defer), "held X-Virus-Status: Infected (Eicar)");
        assert_eq!(told(&infected, OnInfected::Tag, defer), "goes X-Virus-Status: Infected (Eicar)");
        assert_eq!(told(&Verdict::TooLarge, reject, defer), "goes X-Virus-Status: Not scanned (too large)");
        assert_eq!(told(&failed, reject, defer), "451 4.7.1 Service unavailable - try again later");
        assert_eq!(told(&failed, reject, OnScanFailure::Accept), "goes X-Virus-Status: Not scanned");
        assert_eq!(told(&failed, reject, OnScanFailure::Reject), "550 5.7.1 The message cannot be scanned for viruses");
    }
}
