//! The section `tracing`.

use super::Checker;
use super::identity::is_name;
use crate::config::text;
use crate::config::units;
use crate::telemetry::tracing::{Protocol, Sampling, Settings};
use indexmap::IndexMap;
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Where OTLP is taken by HTTP, if the endpoint does not say.
const PATH: &str = "/v1/traces";
const MOST_ATTRIBUTES: f64 = 32.0;
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// Attributes that are set otherwise.
const OTHERWISE: [(&str, &str); 2] =
    [("service.name", "is set by `tracing.service_name`"), ("service.version", "is the version of Synod, and cannot be set")];

pub(super) fn tracing(at: &mut Checker<'_>, text: Option<&text::Tracing>, folder: &Path) -> Option<Settings> {
    let text = text?;
    let endpoint = at.taken("tracing.endpoint", endpoint(text).map(Some), None);
    at.within("tracing.queue", text.queue as f64, 1.0, 1e6, "a number of spans from 1 to 1000000");
    let timeout = at.taken("tracing.timeout", units::duration(&text.timeout), *TIMEOUTS.end());
    if !TIMEOUTS.contains(&timeout) {
        at.mistake("tracing.timeout", format!("`{}` is not from 10ms to 60s", text.timeout));
    }
    if !is_name(&text.service_name) {
        at.mistake("tracing.service_name", "must have 1 to 255 bytes, without blanks at its ends");
    }
    Some(Settings {
        protocol: text.protocol,
        root: text.root.as_ref().map(|path| folder.join(path)),
        headers_file: text.headers_file.as_ref().map(|path| folder.join(path)),
        service_name: text.service_name.clone(),
        resource: resource(at, &text.resource),
        sampling: sampling(at, &text.sampling),
        queue: text.queue,
        timeout,
        endpoint: endpoint?,
    })
}

fn endpoint(text: &text::Tracing) -> Result<Url, String> {
    if text.endpoint.is_empty() {
        return Err("is missing: where the collector takes OTLP, as https://collector.example:4317".into());
    }
    let mut url = Url::parse(&text.endpoint).map_err(|error| format!("`{}`: {error}", text.endpoint))?;
    let has_path = !matches!(url.path(), "" | "/");
    match () {
        () if !matches!(url.scheme(), "http" | "https") => Err(format!("`{}` must begin with https:// or http://", text.endpoint)),
        () if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold a user or a password: those go into `headers_file`".into())
        }
        () if url.query().is_some() || url.fragment().is_some() => Err("must not hold a ? or a #".into()),
        () if has_path && text.protocol == Protocol::Grpc => Err("gRPC has no path; leave it out, or set `protocol: http`".into()),
        () => {
            if !has_path && text.protocol == Protocol::Http {
                url.set_path(PATH);
            }
            Ok(url)
        }
    }
}

fn sampling(at: &mut Checker<'_>, text: &text::Sampling) -> Sampling {
    at.within("tracing.sampling.share", text.share, 0.0, 1.0, "a share from 0 to 1");
    let rate = at.taken("tracing.sampling.rate", units::rate(&text.rate), (1, Duration::from_secs(1)));
    Sampling { share: text.share, parent: text.parent, errors: text.errors, rate }
}

fn resource(at: &mut Checker<'_>, text: &IndexMap<String, String>) -> Vec<(String, String)> {
    at.within("tracing.resource", text.len() as f64, 0.0, MOST_ATTRIBUTES, "a number of attributes from 0 to 32");
    for (name, value) in text {
        let key = format!("tracing.resource.{name}");
        if let Some((_, why)) = OTHERWISE.iter().find(|(other, _)| other == name) {
            at.mistake(&key, *why);
        } else if !is_name(name) || !is_name(value) {
            at.mistake(&key, "name and value must have 1 to 255 bytes, without blanks at their ends");
        }
    }
    text.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
