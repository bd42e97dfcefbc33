//! The console in a real browser, by `scripts/check-console.sh`.

use std::path::Path;
use std::process::Command;

/// The exit code of the script where there is no browser, or nothing to drive it with.
const NO_BROWSER: i32 = 3;

/// Uses the console at this URL in one of the script's ways, with these environment variables. Whether it was used: where there is no browser, it says so.
///
/// # Panics
/// When something is not as it should be.
#[must_use]
#[track_caller]
pub fn use_console(way: &str, url: &str, settings: &[(&str, &str)]) -> bool {
    let script: &Path = &crate::repository().join("scripts/check-console.sh");
    let ran = Command::new("bash").arg(script).args([way, url]).envs(settings.iter().copied()).output().expect("bash can be started");
    let [said, errors] = [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if ran.status.code() == Some(NO_BROWSER) {
        eprintln!("SKIPPED: the console is not used in a browser. {errors}");
        return false;
    }
    assert!(ran.status.success(), "{said}{errors}");
    true
}
