//! The section `tracing`.

use super::Checker;
use super::identity::is_name;
use crate::config::text;
use crate::config::units;
use crate::otlp::{Collector, Protocol};
use crate::telemetry::tracing::{Sampling, Settings};
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
    let written = Written {
        section: "tracing",
        path: PATH,
        endpoint: &text.endpoint,
        protocol: text.protocol,
        root: text.root.as_deref(),
        headers_file: text.headers_file.as_deref(),
        timeout: &text.timeout,
    };
    let collector = collector(at, &written, folder);
    at.within("tracing.queue", text.queue as f64, 1.0, 1e6, "a number of spans from 1 to 1000000");
    if !is_name(&text.service_name) {
        at.mistake("tracing.service_name", "must have 1 to 255 bytes, without blanks at its ends");
    }
    Some(Settings {
        service_name: text.service_name.clone(),
        resource: resource(at, &text.resource),
        sampling: sampling(at, &text.sampling),
        queue: text.queue,
        collector: collector?,
    })
}

/// A collector as a section writes it.
pub(super) struct Written<'a> {
    /// The section.
    pub(super) section: &'static str,
    /// Where it takes this by HTTP, if the endpoint does not say.
    pub(super) path: &'static str,
    pub(super) endpoint: &'a str,
    pub(super) protocol: Protocol,
    pub(super) root: Option<&'a str>,
    pub(super) headers_file: Option<&'a str>,
    pub(super) timeout: &'a str,
}

/// The collector that a section names.
pub(super) fn collector(at: &mut Checker<'_>, text: &Written<'_>, folder: &Path) -> Option<Collector> {
    let section = text.section;
    let endpoint = at.taken(&format!("{section}.endpoint"), endpoint(text).map(Some), None);
    let key = format!("{section}.timeout");
    let timeout = at.taken(&key, units::duration(text.timeout), *TIMEOUTS.end());
    if !TIMEOUTS.contains(&timeout) {
        at.mistake(&key, format!("`{}` is not from 10ms to 60s", text.timeout));
    }
    Some(Collector {
        section,
        protocol: text.protocol,
        root: text.root.map(|path| folder.join(path)),
        headers_file: text.headers_file.map(|path| folder.join(path)),
        timeout,
        endpoint: endpoint?,
    })
}

fn endpoint(text: &Written<'_>) -> Result<Url, String> {
    if text.endpoint.is_empty() {
        return Err("is missing: where the collector takes OTLP, as https://collector.example:4317".into());
    }
    let mut url = Url::parse(text.endpoint).map_err(|error| format!("`{}`: {error}", text.endpoint))?;
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
                url.set_path(text.path);
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
