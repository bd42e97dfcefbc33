//! Whatever a guest does ends as the right failure, and nobody else notices.

use crate::support::{
    PLENTY, TRIGGER, WIDTH, behaving, bits, calm_rows, fit, hostile, hostile_model, hostile_pool, patient, strict, template_pool, training,
};
use std::time::{Duration, Instant};
use synod_host::{Failure, Limits, LogLevel, PoolLimits, Refusal, Retired};

/// What the guest does with a row, and how that is counted.
const IN_SCORE: [(&str, &str); 9] = [
    ("spin", "timeout"),
    ("endless_log", "timeout"),
    ("bomb", "memory"),
    ("recursion", "trap"),
    ("panic", "trap"),
    ("nan", "bad_output"),
    ("infinity", "bad_output"),
    ("short", "bad_output"),
    ("huge", "bad_output"),
];

#[test]
fn a_failure_in_score_is_named_and_does_not_outlive_its_call() {
    let neighbour = template_pool(&patient());
    let neighbours = bits(&neighbour, &calm_rows());
    for (behaviour, reason) in IN_SCORE {
        let pool = hostile_pool(behaviour, &strict());
        let before = bits(&pool, &calm_rows());
        for _ in 0..2 {
            let failure = pool.score(WIDTH, &TRIGGER).unwrap_err();
            assert_eq!(failure.reason(), reason, "{behaviour}: {failure}");
            assert_eq!(bits(&pool, &calm_rows()), before, "{behaviour}: the same pool");
            assert_eq!(bits(&neighbour, &calm_rows()), neighbours, "{behaviour}: its neighbour");
        }
        let facts = pool.facts();
        let counted = facts.retired.by_reason().into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        assert_eq!(counted, [(reason, 2)], "{behaviour}");
        assert_eq!((facts.started, facts.live, facts.idle), (3, 1, 1), "{behaviour}");
    }
    assert_eq!(neighbour.facts().retired, Retired::default());
}

#[test]
fn a_failure_says_what_happened() {
    let failure = |behaviour| hostile_pool(behaviour, &strict()).score(WIDTH, &TRIGGER).unwrap_err();
    assert_eq!(failure("spin"), Failure::Timeout { after: Duration::from_millis(200) });
    assert_eq!(failure("bomb"), Failure::Memory { limit: 64 << 20 });
    assert_eq!(failure("short"), Failure::Output { what: "0 numbers instead of 1".into() });
    assert_eq!(failure("nan"), Failure::Output { what: "number 0 (from 0) is NaN".into() });
    assert!(failure("recursion").to_string().contains("stack"), "{}", failure("recursion"));
    assert!(failure("panic").to_string().contains("unreachable"), "{}", failure("panic"));
    assert!(failure("huge").to_string().contains("too much data"), "{}", failure("huge"));
}

#[test]
fn a_failure_in_explain_is_caught_as_well() {
    for (behaviour, reason) in [("nan", "bad_output"), ("short", "bad_output"), ("spin", "timeout")] {
        let pool = hostile_pool(behaviour, &strict());
        assert_eq!(pool.explain(WIDTH, &TRIGGER).unwrap_err().reason(), reason, "{behaviour}");
        assert_eq!(pool.explain(WIDTH, &calm_rows()).unwrap().contributions, calm_rows(), "{behaviour}");
    }
}

#[test]
fn a_timeout_comes_in_time() {
    let pool = hostile_pool("spin", &strict());
    let begun = Instant::now();
    pool.score(WIDTH, &TRIGGER).unwrap_err();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200), "the call had its whole time: {took:?}");
    assert!(took < Duration::from_secs(2), "and not much more: {took:?}");
}

#[test]
fn while_one_detector_spins_the_others_answer() {
    let spinning = hostile_pool("spin", &PoolLimits { call: Limits { timeout: Duration::from_millis(300), ..PLENTY }, ..patient() });
    let neighbour = template_pool(&patient());
    let same_plugin = hostile_pool("honest", &patient());
    let expected = (bits(&neighbour, &calm_rows()), bits(&same_plugin, &TRIGGER));
    let answered = std::thread::scope(|scope| {
        let spins = scope.spawn(|| (0..4).map(|_| spinning.score(WIDTH, &TRIGGER).unwrap_err().reason()).collect::<Vec<_>>());
        let mut answered = 0;
        while !spins.is_finished() {
            assert_eq!((bits(&neighbour, &calm_rows()), bits(&same_plugin, &TRIGGER)), expected);
            answered += 1;
        }
        assert_eq!(spins.join().unwrap(), ["timeout"; 4]);
        answered
    });
    assert!(answered > 100, "{answered} calls in more than a second");
    assert_eq!((neighbour.facts().retired, same_plugin.facts().retired), Default::default());
}

#[test]
fn a_model_that_cannot_be_loaded_is_known_at_once() {
    let short = Limits { timeout: Duration::from_millis(200), memory: 64 << 20 };
    for (behaviour, reason) in [("slow_start", "timeout"), ("panic_in_load", "trap"), ("bomb_in_load", "memory")] {
        let failure = hostile().pool(hostile_model(behaviour), &PoolLimits { load: short, ..patient() }).unwrap_err();
        assert_eq!(failure.reason(), reason, "{behaviour}: {failure}");
    }
    let failure = hostile().pool((*b"no model of this plugin").into(), &patient()).unwrap_err();
    assert!(matches!(failure, Failure::Refused { kind: Refusal::Model, .. }), "{failure:?}");
}

#[test]
fn an_instance_that_does_not_even_fit_is_a_matter_of_memory() {
    let little = Limits { memory: 1 << 16, ..PLENTY };
    let failure = hostile().pool(hostile_model("honest"), &PoolLimits { load: little, ..patient() }).unwrap_err();
    assert_eq!(failure, Failure::Memory { limit: 1 << 16 });
}

#[test]
fn a_failure_in_fit_is_named() {
    let rows = calm_rows();
    for (behaviour, reason) in
        [("spin_in_fit", "timeout"), ("bomb_in_fit", "memory"), ("panic_in_fit", "trap"), ("empty_model", "bad_output")]
    {
        let limits = Limits { timeout: Duration::from_millis(300), memory: 64 << 20 };
        let failure = hostile().fit(&training(&behaving(behaviour), &rows), &limits, &mut |_, _| {}).unwrap_err();
        assert_eq!(failure.reason(), reason, "{behaviour}: {failure}");
    }
    assert!(fit(hostile(), "{}").is_ok());
}

#[test]
fn a_flood_of_lines_in_fit_is_cut() {
    let mut lines = Vec::new();
    let rows = calm_rows();
    hostile()
        .fit(&training(&behaving("log_flood_in_fit"), &rows), &PLENTY, &mut |level, line| lines.push((level, line.to_owned())))
        .unwrap();
    assert_eq!(lines.len(), 10_001);
    assert_eq!((lines[0].0, lines[0].1.len()), (LogLevel::Warn, 4096), "a long line is cut");
    assert_eq!(lines[1], (LogLevel::Info, "line 1 ".into()), "a control character is a space");
    assert_eq!(lines[10_000], (LogLevel::Warn, "10000 more lines of the plugin were dropped".into()));
}

#[test]
fn a_flood_of_lines_in_score_is_cut_and_the_answer_stands() {
    let pool = hostile_pool("log_flood", &patient());
    assert!(pool.score(WIDTH, &TRIGGER).is_ok());
    assert_eq!(pool.facts().dropped_lines, 19_000);
    let lines = pool.take_log();
    assert_eq!((lines.len(), lines[999].text.as_str()), (1_000, "line 999 "));
    assert!(pool.take_log().is_empty());
}

#[test]
fn a_refusal_is_one_bounded_line_and_keeps_the_instance() {
    let pool = hostile_pool("refuse", &strict());
    let failure = pool.score(WIDTH, &TRIGGER).unwrap_err();
    let Failure::Refused { kind: Refusal::Data, message } = failure else { panic!("{failure:?}") };
    assert!(message.len() <= 4096 && message.starts_with(" [31mno") && !message.contains(char::is_control), "{message}");
    let facts = pool.facts();
    assert_eq!((facts.started, facts.idle, facts.retired), (1, 1, Retired::default()));
}

#[test]
fn a_check_is_limited() {
    assert_eq!(hostile().check(&behaving("spin_in_check")).unwrap_err().reason(), "timeout");
    assert_eq!(hostile().check(&behaving("many_mistakes")).unwrap().len(), 100);
    assert_eq!(hostile().check(&behaving("honest")).unwrap(), Vec::<String>::new());
    assert_eq!(hostile().check(r#"{"behavior":"honest"}"#).unwrap().len(), 1);
}
