use super::*;

const GUARDS: Guards = Guards { rows: 100, looks: 2, score_shift: 0.25, flag_rate: 2.0, disagreement: 0.05, slower: 3.0, failures: 0.01 };

fn side(score: f64) -> Side {
    let anomalous = score >= 0.5;
    let outcome = if anomalous { Outcome::Review } else { Outcome::Approve };
    Side { score, anomalous, outcome, failed: 0, asked: 2, took: Duration::from_micros(100) }
}

/// Rows whose scores lie evenly between 0 and 0.6; what is tried is made of what is in force.
fn seen(comparison: &Comparison, rows: usize, tried: impl Fn(usize, Side) -> Side) {
    for row in 0..rows {
        let control = side((row * 37 % 100) as f64 / 100.0 * 0.6);
        comparison.note(Uuid::nil(), Pair { control, tried: tried(row, control) });
    }
}

/// What does not hold after enough looks, each with new rows.
fn after_looks(tried: impl Fn(usize, Side) -> Side + Copy) -> Option<Breach> {
    let comparison = Comparison::new(GUARDS);
    seen(&comparison, 100, tried);
    let first = comparison.look();
    assert_eq!(first, None, "one look is not enough");
    seen(&comparison, 1, tried);
    comparison.look()
}

#[test]
fn each_guard_tells_what_it_is_for() {
    assert_eq!(after_looks(|_, control| control), None);
    let found = |tried: fn(usize, Side) -> Side| after_looks(tried).unwrap().guard;
    assert_eq!(found(|row, control| Side { failed: usize::from(row.is_multiple_of(20)), ..control }), Guard::Failures);
    assert_eq!(found(|_, control| Side { took: Duration::from_millis(20), ..control }), Guard::Slower);
    assert_eq!(
        found(|row, control| if row.is_multiple_of(10) { Side { outcome: Outcome::Block, ..control } } else { control }),
        Guard::Disagreement
    );
    assert_eq!(found(|_, control| Side { score: control.score / 2.0, ..control }), Guard::ScoreShift);
    let flagged = |row: usize, control: Side| Side { anomalous: control.anomalous || row.is_multiple_of(4), ..control };
    let breach = after_looks(flagged).unwrap();
    assert_eq!(breach.guard, Guard::FlagRate);
    assert!(breach.measured > 2.0 && breach.to_string().starts_with("flag_rate: 2."), "{breach}");
    let none = after_looks(|_, control| Side { anomalous: false, ..control }).unwrap();
    assert!(none.guard == Guard::FlagRate && none.to_string().contains("times as few"), "{none}");
}

#[test]
fn what_may_be_chance_is_no_breach() {
    assert_eq!(after_looks(|_, control| Side { took: control.took * 20, ..control }), None, "two milliseconds are slack");
    assert_eq!(after_looks(|row, control| Side { anomalous: control.anomalous || row.is_multiple_of(20), ..control }), None, "few rows");
    // A detector that fails in force as well is no fault of what is tried.
    let comparison = Comparison::new(GUARDS);
    for _ in 0..101 {
        let both = Side { failed: 1, ..side(0.1) };
        comparison.note(Uuid::nil(), Pair { control: both, tried: both });
        assert_eq!(comparison.look(), None);
    }
}

#[test]
fn a_guard_that_holds_again_is_counted_from_nothing_and_nothing_is_said_of_few_rows() {
    let comparison = Comparison::new(GUARDS);
    seen(&comparison, 99, |_, control| Side { outcome: Outcome::Block, ..control });
    assert!(comparison.look().is_none() && !comparison.says_something());
    seen(&comparison, 1, |_, control| control);
    assert_eq!(comparison.look(), None);
    assert_eq!(comparison.look(), None, "without new rows it is not another look");
    assert_eq!(comparison.report().breached.iter().find(|(guard, _)| *guard == Guard::Disagreement), Some(&(Guard::Disagreement, 1)));
    seen(&comparison, 100, |_, control| control);
    assert_eq!(comparison.look(), None);
    assert!(comparison.report().breached.is_empty());
    seen(&comparison, 10, |_, control| Side { outcome: Outcome::Block, ..control });
    assert_eq!(comparison.look(), None, "the first look again");
}

#[test]
fn the_report_has_all_outcomes_and_the_latest_differences() {
    let comparison = Comparison::new(GUARDS);
    seen(&comparison, 100, |row, control| if row < 60 { Side { outcome: Outcome::Block, ..control } } else { control });
    comparison.dropped(7);
    comparison.look();
    let report = comparison.report();
    assert_eq!((report.rows, report.dropped, report.disagreements.len()), (100, 7, KEPT));
    assert_eq!(report.outcomes.iter().flatten().sum::<u64>(), 100);
    assert_eq!(report.outcomes[0][2] + report.outcomes[1][2], 60);
    let nearest = comparison.nearness().into_iter().find(|(guard, _)| *guard == Guard::Disagreement).unwrap().1;
    assert!((nearest - 0.6 / 0.05).abs() < 1e-9, "{nearest}");
    let again: Report = serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
    assert_eq!(again.outcomes, report.outcomes);
}
