//! Which routes count for a level. Routes that a configuration declares are not known here, so that matchers name Synod's own routes that do
//! not count, and leave everything else.

use std::collections::BTreeMap;
use synod_gateway::access::Permission;
use synod_gateway::http::{Entry, Needs, ROUTES};
use synod_gateway::listening::Audience;

/// Requests that no route answers: a client that does not know where to ask is not served badly.
const UNMATCHED: &str = "unmatched";
/// It needs no credential, and is no probe.
const TOKEN: &str = "/oauth2/token";

/// Routes that clients call with a purpose, as a matcher: probes, documentation and the operators' routes are left out.
pub(super) fn of_clients() -> String {
    others(|entry| entry.audience == Audience::Clients && (entry.needs != Needs::Nothing || entry.path == TOKEN))
}

/// Routes that score, as a matcher.
pub(super) fn that_score() -> String {
    let scores = |needs: &Needs| match needs {
        Needs::The(permission) => *permission == Permission::ScorePolicy,
        Needs::Nothing => false,
        Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => true,
    };
    others(|entry| entry.audience == Audience::Clients && scores(&entry.needs))
}

/// A matcher of everything but the routes that do not count.
fn others(counts: impl Fn(&Entry) -> bool) -> String {
    // A path counts if any of its methods does: the metric of durations knows no methods.
    let mut paths: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in ROUTES {
        *paths.entry(entry.path).or_default() |= counts(entry);
    }
    let counting: Vec<&str> = paths.iter().filter(|(_, counts)| **counts).map(|(path, _)| *path).collect();
    let mut patterns: Vec<String> = paths.iter().filter(|(_, counts)| !**counts).map(|(path, _)| pattern(path, &counting)).collect();
    patterns.sort();
    patterns.dedup();
    format!("route!~\"{UNMATCHED}|{}\"", patterns.join("|"))
}

/// A path, or everything below its beginning where nothing counts.
fn pattern(path: &str, counting: &[&str]) -> String {
    let below =
        |beginning: &str, other: &str| other == beginning || other.strip_prefix(beginning).is_some_and(|rest| rest.starts_with('/'));
    let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).chain([path.len()]);
    let beginning = ends.map(|end| &path[..end]).find(|beginning| !counting.iter().any(|other| below(beginning, other)));
    match beginning {
        Some(beginning) if beginning.len() < path.len() => format!("{}/.*", escaped(beginning)),
        _ => escaped(path),
    }
}

/// A text as a regular expression within a quoted string.
fn escaped(path: &str) -> String {
    path.chars().flat_map(|character| if ".*{}".contains(character) { vec!['\\', '\\', character] } else { vec![character] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scores_is_left_and_what_does_not_is_named() {
        let (scoring, clients) = (that_score(), of_clients());
        for counts in ["/v1/score|", "\\}/infer", "ModelInfer", "/v1/detectors/\\\\{detector\\\\}/score"] {
            assert!(!scoring.contains(counts), "{scoring}");
        }
        for other in ["unmatched|", "/v1/decisions", "/oauth2/.*", "/healthz", "/v1/audit", "/console/.*"] {
            assert!(scoring.contains(other), "{other} in {scoring}");
        }
        let others = clients.replace("/v1/forward-auth", "");
        assert!(!others.contains("/v1/") && !others.contains("/oauth2"), "{clients}");
        // By forward-auth a proxy asks about requests to something else.
        for probe in ["/healthz", "/readyz", "/v1/forward-auth", "/metrics", "/openapi\\\\.json", "/v2/health/.*"] {
            assert!(clients.contains(probe), "{probe} in {clients}");
        }
    }
}
