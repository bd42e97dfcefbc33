//! Pools: what goes in is checked, instances are shared, bounded and replaced.

use crate::support::{
    PLENTY, TRIGGER, WIDTH, bits, calm_rows, fit, hostile_bytes, hostile_pool, patient, strict, template, template_bytes, template_pool,
    training,
};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use synod_host::{Failure, Host, HostSettings, Limits, PoolLimits, Refusal, Retired};

fn kind(failure: Failure) -> Refusal {
    match failure {
        Failure::Refused { kind, .. } => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plugin_describes_itself() {
    let description = template().description();
    assert_eq!((description.name.as_str(), description.minimum_rows, description.explains), ("template", 2, true));
    assert_eq!(description.parameters["properties"]["cap"]["default"], 1e6);
    assert_eq!(template().digest().len(), 64);
    assert_eq!(template().check(r#"{"cap":0}"#).unwrap(), ["cap: 0 is not at least 1"]);
}

#[test]
fn a_fit_gives_the_same_model_and_a_row_the_same_score_in_any_batch() {
    assert_eq!(fit(template(), "{}").unwrap(), fit(template(), "{}").unwrap());
    let pool = template_pool(&patient());
    let rows = calm_rows();
    let alone = rows.chunks(WIDTH).flat_map(|row| bits(&pool, row)).collect::<Vec<_>>();
    assert_eq!(bits(&pool, &rows), alone);
    assert!(bits(&pool, &[]).is_empty());
    assert_eq!(pool.explain(WIDTH, &rows).unwrap().contributions.len(), rows.len());
}

#[test]
fn wrong_rows_are_refused_before_the_plugin_sees_them() {
    let pool = template_pool(&patient());
    let calls: [(usize, &[f64]); 6] = [
        (0, &[]),
        (0, &[1.0]),
        (2, &[1.0, 2.0, 3.0]),
        (usize::MAX, &[1.0]),
        (3, &[1.0, f64::NAN, 3.0]),
        (3, &[1.0, 2.0, f64::NEG_INFINITY]),
    ];
    for (width, values) in calls {
        assert_eq!(kind(pool.score(width, values).unwrap_err()), Refusal::Data, "{width} {values:?}");
        assert_eq!(kind(pool.explain(width, values).unwrap_err()), Refusal::Data, "{width} {values:?}");
    }
    let message = pool.score(3, &[1.0, 2.0, 3.0, 4.0, f64::INFINITY, 6.0]).unwrap_err().to_string();
    assert_eq!(message, "data: row 1, feature 1 (from 0) is infinite");
    assert_eq!(kind(pool.score(2, &[1.0, 2.0]).unwrap_err()), Refusal::Data, "another width than the model's: the plugin says so");
    assert_eq!(kind(pool.export_onnx().unwrap_err()), Refusal::Unsupported);
    assert_eq!(pool.facts().retired, Retired::default());
}

#[test]
fn a_training_is_checked() {
    let refused =
        |parameters: &str, values: &[f64]| kind(template().fit(&training(parameters, values), &PLENTY, &mut |_, _| {}).unwrap_err());
    assert_eq!(refused("{}", &[1.0, 2.0, 3.0]), Refusal::Data, "too few rows");
    assert_eq!(refused("{}", &[f64::NAN; 30]), Refusal::Data);
    assert_eq!(refused("{}", &[1.0; 31]), Refusal::Data);
    assert_eq!(refused(r#"{"cap":0}"#, &calm_rows()), Refusal::Parameters);
    assert_eq!(refused("nonsense", &calm_rows()), Refusal::Parameters);
}

#[test]
fn many_threads_share_a_few_instances() {
    let pool = template_pool(&PoolLimits { instances: 2, ..patient() });
    let expected = bits(&pool, &calm_rows());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| assert_eq!(bits(&pool, &calm_rows()), expected)));
        }
    });
    let facts = pool.facts();
    assert!((1..=2).contains(&facts.started), "{facts:?}");
    assert_eq!((facts.idle, facts.waiting), (facts.live, 0), "{facts:?}");
}

#[test]
fn a_call_waits_for_a_busy_pool_and_no_longer_than_it_may() {
    let call = Limits { timeout: Duration::from_millis(1500), ..PLENTY };
    let limits = PoolLimits { instances: 1, call, waiting: Duration::from_millis(50), ..patient() };
    let pool = hostile_pool("spin", &limits);
    thread::scope(|scope| {
        let spins = scope.spawn(|| pool.score(WIDTH, &TRIGGER));
        while pool.idle() > 0 {
            thread::yield_now();
        }
        let failure = pool.score(WIDTH, &calm_rows()).unwrap_err();
        let Failure::Busy { waited } = failure else { panic!("{failure:?}") };
        assert!((Duration::from_millis(50)..Duration::from_secs(1)).contains(&waited), "{waited:?}");
        assert_eq!(spins.join().unwrap().unwrap_err().reason(), "timeout");
    });
    let scored = pool.score(WIDTH, &calm_rows()).unwrap();
    assert!(scored.instantiating > Duration::ZERO && scored.scoring > Duration::ZERO, "{scored:?}");
    assert_eq!(pool.score(WIDTH, &calm_rows()).unwrap().instantiating, Duration::ZERO);
}

#[test]
fn a_waiting_call_gets_the_place_of_an_instance_that_was_retired() {
    let call = Limits { timeout: Duration::from_millis(300), ..PLENTY };
    let pool = hostile_pool("spin", &PoolLimits { instances: 1, call, ..patient() });
    thread::scope(|scope| {
        let spins = scope.spawn(|| pool.score(WIDTH, &TRIGGER));
        while pool.idle() > 0 {
            thread::yield_now();
        }
        let scored = pool.score(WIDTH, &calm_rows()).unwrap();
        assert!(scored.waiting > Duration::ZERO && scored.instantiating > Duration::ZERO, "{scored:?}");
        assert!(spins.join().unwrap().is_err());
    });
}

#[test]
fn an_instance_is_replaced_after_its_share_of_calls() {
    let pool = hostile_pool("counter", &PoolLimits { calls_per_instance: 3, ..patient() });
    let counted = (0..7).map(|_| pool.score(WIDTH, &TRIGGER).unwrap().scores[0]).collect::<Vec<_>>();
    assert_eq!(counted, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    assert_eq!((pool.facts().retired.worn, pool.facts().started), (2, 3));
}

#[test]
fn the_memory_of_all_instances_is_counted_and_given_back() {
    const PAGE: usize = 64 << 10;
    let pool = hostile_pool("bomb", &PoolLimits { instances: 1, ..strict() });
    let scored = pool.score(WIDTH, &calm_rows()).unwrap();
    assert!(scored.memory >= PAGE, "{scored:?}");
    assert_eq!(pool.facts().memory, scored.memory);
    // It takes all that it may and is dropped, and its memory with it.
    assert!(pool.score(WIDTH, &TRIGGER).is_err());
    assert_eq!((pool.facts().live, pool.facts().memory), (0, 0));
    assert!(pool.score(WIDTH, &calm_rows()).is_ok());
    assert_eq!(pool.facts().memory, scored.memory);
}

#[test]
fn a_host_without_places_is_busy_and_recovers() {
    let host = Host::new(&HostSettings { instances: 2, ..HostSettings::default() }, None).unwrap();
    let plugin = host.load(&template_bytes()).unwrap();
    let rows = calm_rows();
    let model: Arc<[u8]> = plugin.fit(&training("{}", &rows), &PLENTY, &mut |_, _| {}).unwrap().into();
    let first = plugin.pool(Arc::clone(&model), &patient()).unwrap();
    let second = plugin.pool(Arc::clone(&model), &patient()).unwrap();
    assert_eq!(plugin.pool(Arc::clone(&model), &patient()).unwrap_err().reason(), "busy");
    assert_eq!(plugin.check("{}").unwrap_err().reason(), "busy");
    assert_eq!(plugin.fit(&training("{}", &rows), &PLENTY, &mut |_, _| {}).unwrap_err().reason(), "busy");
    // Its limits allow four, the host has no second: calls take turns.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| assert!(first.score(WIDTH, &rows).is_ok())));
        }
    });
    assert_eq!((first.facts().live, first.facts().failed_starts), (1, 0));
    drop(second);
    assert!(plugin.pool(model, &patient()).is_ok());
}

#[test]
fn pools_outlive_their_host_and_keep_their_time_limits() {
    let host = Host::new(&HostSettings { instances: 4, ..HostSettings::default() }, None).unwrap();
    let plugin = host.load(&hostile_bytes()).unwrap();
    let rows = calm_rows();
    let model = plugin.fit(&training(r#"{"behaviour":"spin"}"#, &rows), &PLENTY, &mut |_, _| {}).unwrap();
    let pool = plugin.pool(model.into(), &strict()).unwrap();
    drop((host, plugin));
    assert_eq!(pool.score(WIDTH, &TRIGGER).unwrap_err().reason(), "timeout");
    assert!(pool.score(WIDTH, &rows).is_ok());
}

#[test]
fn settings_are_checked() {
    let wrong = [
        HostSettings { instances: 0, ..HostSettings::default() },
        HostSettings { memory: 1, ..HostSettings::default() },
        HostSettings { tick: Duration::ZERO, ..HostSettings::default() },
        HostSettings { stack: 1, ..HostSettings::default() },
    ];
    for settings in wrong {
        assert!(Host::new(&settings, None).is_err(), "{settings:?}");
    }
}
