use super::*;
use crate::config::Guards;
use crate::rollout::{Guard, Pair, Side};
use std::collections::BTreeMap;
use std::time::Duration;
use synod_detection::Outcome;

fn comparison(rows: usize, tried: Outcome) -> Comparison {
    let guards = Guards { rows: 50, looks: 1, score_shift: 1.0, flag_rate: 9.0, disagreement: 0.05, slower: 3.0, failures: 0.01 };
    let comparison = Comparison::new(guards);
    let side = |outcome| Side { score: 0.1, anomalous: false, outcome, failed: 0, asked: 1, took: Duration::ZERO };
    (0..rows).for_each(|_| comparison.note(Uuid::nil(), Pair { control: side(Outcome::Approve), tried: side(tried) }));
    comparison
}

fn entry(step: usize, promote: bool) -> RolloutEntry {
    let began: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    RolloutEntry {
        id: "r".into(),
        versions: BTreeMap::from([("forest".into(), 2)]),
        before: BTreeMap::from([("forest".into(), 1)]),
        policy: None,
        steps: [0.0, 0.05].map(|share| RolloutStepEntry { share, hold: 60 }).into(),
        promote,
        by: "ana".into(),
        began,
        step,
        since: began,
        ended: None,
        report: None,
        acts: Vec::new(),
    }
}

fn after(entry: &RolloutEntry, live: u64, comparison: &Comparison, seconds: i64) -> Next {
    let judging = Versions::from([("forest".into(), live), ("density".into(), 7)]);
    next(entry, &judging, comparison, entry.since + SignedDuration::from_secs(seconds))
}

#[test]
fn it_goes_on_after_its_time_if_enough_was_seen_and_all_guards_hold() {
    let fine = || comparison(50, Outcome::Approve);
    assert_eq!(after(&entry(0, false), 1, &fine(), 59), Next::Wait);
    assert_eq!(after(&entry(0, false), 1, &fine(), 60), Next::Step);
    assert_eq!(after(&entry(0, false), 1, &comparison(49, Outcome::Approve), 600), Next::Wait, "too few rows");
    assert_eq!(after(&entry(1, false), 1, &fine(), 60), Next::Wait, "somebody has to promote it");
    assert_eq!(after(&entry(1, true), 1, &fine(), 60), Next::Promote);
}

#[test]
fn it_ends_when_a_guard_does_not_hold_or_others_move_the_labels() {
    let end = |next: Next| match next {
        Next::End(ending, why) => (ending, why),
        other => panic!("{other:?}"),
    };
    let (ending, why) = end(after(&entry(0, false), 1, &comparison(50, Outcome::Block), 0));
    assert_eq!(ending, Ending::Guard(Guard::Disagreement));
    assert!(why.starts_with("disagreement: 1.0000"), "{why}");
    assert_eq!(end(after(&entry(0, false), 2, &comparison(0, Outcome::Approve), 0)).0, Ending::Promoted);
    assert_eq!(end(after(&entry(0, false), 3, &comparison(0, Outcome::Approve), 0)).0, Ending::Superseded);
}
