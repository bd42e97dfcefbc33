//! What stands before the detectors: certificates, credentials, identity providers.

use super::series::{increase, rate, series};
use super::{Alert, Board, RuleFile, Severity};
use synod_gateway::telemetry::names;

pub(super) fn rules() -> RuleFile {
    let alerts = vec![certificate_expiring(), certificate_expired(), credentials_refused(), keys_stale(), keys_never_fetched()];
    RuleFile::of_alerts("edge", "What stands before the detectors: certificates, credentials, identity providers.", alerts)
}

/// A certificate by ACME is renewed at two thirds of its period; one that has a week left was not renewed.
fn certificate_expiring() -> Alert {
    let end = series(&names::CERTIFICATE_EXPIRY, "");
    Alert::new("SynodCertificateExpiring", Severity::Warning, Board::Edge).when(format!("{end} - time() < 7 * 86400")).hold("1h").says(
        "The certificate of {{ $labels.instance }} ({{ $labels.listener }}) ends in {{ $value | humanizeDuration }}",
        "Clients refuse it from then on. By ACME: the log says why orders fail (and synod_certificate_orders_total counts them). By files: put a new \
         certificate in the place of `listen.tls.certificate`; it is read within a second.",
    )
}

fn certificate_expired() -> Alert {
    let end = series(&names::CERTIFICATE_EXPIRY, "");
    Alert::new("SynodCertificateExpired", Severity::Critical, Board::Edge).when(format!("{end} - time() < 0")).says(
        "The certificate of {{ $labels.instance }} ({{ $labels.listener }}) has ended",
        "Clients refuse every connection. Put a new certificate in place, or mend what ACME's orders fail of.",
    )
}

fn credentials_refused() -> Alert {
    Alert::new("SynodCredentialsRefused", Severity::Warning, Board::Edge)
        .when(format!("sum by (job, instance) ({}) > 5", rate(&names::CREDENTIALS_REFUSED, "", "5m")))
        .hold("10m")
        .says(
            "Synod {{ $labels.instance }} refuses {{ $value | humanize }} credentials a second",
            "Somebody tries keys or tokens, or a client goes on with one that has expired. The audit has who and from where.",
        )
}

fn keys_stale() -> Alert {
    let fetched = series(&names::KEYS_FETCHED, "");
    Alert::new("SynodIdentityKeysStale", Severity::Warning, Board::Edge).when(format!("time() - {fetched} > 6 * 3600")).hold("10m").says(
        "The keys of {{ $labels.issuer }} are {{ $value | humanizeDuration }} old at {{ $labels.instance }}",
        "The identity provider cannot be reached. Its tokens are still accepted by the old keys, until it signs with new ones.",
    )
}

fn keys_never_fetched() -> Alert {
    let (failed, fetched) = (increase(&names::KEY_FETCHES, "result!=\"fetched\"", "30m"), series(&names::KEYS_FETCHED, ""));
    Alert::new("SynodIdentityKeysMissing", Severity::Warning, Board::Edge)
        .when(format!("sum by (job, instance, issuer) ({failed}) > 0\nunless on (job, instance, issuer) {fetched}"))
        .hold("10m")
        .says(
            "Synod {{ $labels.instance }} has no keys of {{ $labels.issuer }}",
            "They could not be fetched since the start: every token of this identity provider is refused.",
        )
}
