//! One binary for all targets: `SYNOD_FUZZ_TARGET` names the one to try.
#![no_main]

use std::sync::LazyLock;
use synod_fuzz::TARGETS;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("SYNOD_FUZZ_TARGET").unwrap_or_default();
    let known = || TARGETS.map(|(name, _)| name).join(", ");
    TARGETS.iter().find(|(known, _)| *known == name).map_or_else(|| panic!("SYNOD_FUZZ_TARGET must be one of {}", known()), |(_, run)| *run)
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
