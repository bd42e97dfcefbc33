//! Hosts, guests and rows for the tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use synod_host::{Failure, Host, HostSettings, Limits, Plugin, Pool, PoolLimits, Training};

/// How many features the rows of these tests have.
pub(crate) const WIDTH: usize = 3;
/// A row that brings out the hostile guest's behaviour, and leaves the template alone.
pub(crate) const TRIGGER: [f64; WIDTH] = [0.9, 0.2, 0.3];

/// Rows that bring out nothing.
pub(crate) fn calm_rows() -> Vec<f64> {
    (0..20 * WIDTH).map(|index| (index * 7 % 11) as f64 / 30.0).collect()
}

/// One host for all tests that do not need their own: as in production, they are neighbours.
pub(crate) fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(&HostSettings { instances: 200, ..HostSettings::default() }, None).unwrap())
}

pub(crate) fn template() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| host().load(&template_bytes()).unwrap())
}

pub(crate) fn hostile() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| host().load(&hostile_bytes()).unwrap())
}

pub(crate) fn template_bytes() -> Vec<u8> {
    built("template")
}

pub(crate) fn hostile_bytes() -> Vec<u8> {
    built("hostile")
}

fn built(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("SYNOD_GUESTS_DIST").map_or_else(|| root().join("tests/guests/dist"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. Build the guests first: `SYNOD_PLUGINS_DIST=$PWD/tests/guests/dist scripts/plugins.sh hostile template`",
            path.display()
        )
    })
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Limits for a call that is to succeed, however busy the machine is.
pub(crate) const PLENTY: Limits = Limits { timeout: Duration::from_secs(20), memory: 256 << 20 };

/// A pool that has time enough, of four instances.
pub(crate) fn patient() -> PoolLimits {
    PoolLimits { instances: 4, load: PLENTY, call: PLENTY, waiting: Duration::from_secs(20), ..PoolLimits::default() }
}

/// A pool for a guest that is to be caught: 64 MiB, and a fifth of a second.
pub(crate) fn strict() -> PoolLimits {
    let call = Limits { timeout: Duration::from_millis(200), memory: 64 << 20 };
    PoolLimits { call, ..patient() }
}

pub(crate) fn training<'a>(parameters: &'a str, values: &'a [f64]) -> Training<'a> {
    Training { parameters, artifact: None, seed: 1, features: &[], weights: None, part: None, previous: None, width: WIDTH, values }
}

pub(crate) fn fit(plugin: &Plugin, parameters: &str) -> Result<Vec<u8>, Failure> {
    plugin.fit(&training(parameters, &calm_rows()), &PLENTY, &mut |_, _| {})
}

/// The parameters of the hostile guest.
pub(crate) fn behaving(behaviour: &str) -> String {
    format!(r#"{{"behaviour":"{behaviour}"}}"#)
}

pub(crate) fn hostile_model(behaviour: &str) -> Arc<[u8]> {
    fit(hostile(), &behaving(behaviour)).unwrap().into()
}

pub(crate) fn hostile_pool(behaviour: &str, limits: &PoolLimits) -> Pool {
    hostile().pool(hostile_model(behaviour), limits).unwrap()
}

pub(crate) fn template_pool(limits: &PoolLimits) -> Pool {
    template().pool(fit(template(), "{}").unwrap().into(), limits).unwrap()
}

/// Scores as bits: equal means equal to the last one.
pub(crate) fn bits(pool: &Pool, values: &[f64]) -> Vec<u64> {
    pool.score(WIDTH, values).unwrap().scores.iter().map(|score| score.to_bits()).collect()
}
