//! The section `sinks`.

use super::tracing::Written;
use super::{Checker, alerts, tracing};
use crate::config::text::{self, BeginAt, Durability, Text};
use crate::config::units;
use crate::documents::{Sample, Stream};
use crate::ledger::Begin;
use crate::sinks::elasticsearch::{Credential, ElasticsearchConfig};
use crate::sinks::file::FileConfig;
use crate::sinks::otlp::OtlpConfig;
use crate::sinks::standard_output::OutputConfig;
use crate::sinks::{OriginConfig, SinksConfig, SpoolConfig};
use std::path::Path;
use std::time::Duration;
use synod_store::Rotation;
use url::Url;

/// The most nodes.
const MOST: usize = 32;
/// The longest name.
const LONGEST: usize = 100;
const MEBIBYTE: usize = 1 << 20;
/// After which time a file is complete.
const AGES: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_hours(366 * 24);
/// How long a request may take.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);

pub(super) fn sinks(at: &mut Checker<'_>, whole: &Text, folder: &Path) -> SinksConfig {
    let text = &whole.sinks;
    let config = SinksConfig {
        origin: origin(at, text),
        spool: spool(at, &text.spool),
        elasticsearch: text.elasticsearch.as_ref().and_then(|text| elasticsearch(at, text, folder)),
        file: text.file.as_ref().map(|text| file(at, text, folder)),
        standard_output: text.standard_output.as_ref().map(|text| OutputConfig {
            streams: streams(at, "sinks.standard_output.streams", &text.streams),
            sample: sample(at, "sinks.standard_output.sample", &text.sample),
        }),
        otlp: text.otlp.as_ref().and_then(|text| otlp(at, text, folder)),
    };
    if config.follows_decisions() && whole.decisions.durability == Durability::None {
        at.mistake("sinks", "decisions and audit records are shipped from the log: `decisions.durability` must not be `none`");
    }
    // What waits is counted in whole files of the log: with less room than for two, one record could be too much.
    let segment = units::bytes(&whole.decisions.segment).map_or(0, |bytes| bytes as u64);
    if config.follows_decisions() && config.spool.decisions < 2 * segment {
        at.mistake("sinks.spool.decisions.maximum", "is less than two files of the log: raise it, or lower `decisions.segment`");
    }
    config
}

fn origin(at: &mut Checker<'_>, text: &text::Sinks) -> OriginConfig {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '.');
    if text.namespace.is_empty() || text.namespace.len() > LONGEST || !text.namespace.chars().all(is_plain) {
        at.mistake("sinks.namespace", "has 1 to 100 lower-case letters, digits, `_` and `.`");
    }
    for (key, name) in [("sinks.service", Some(&text.service)), ("sinks.node", text.node.as_ref())] {
        if name.is_some_and(|name| name.trim() != name || name.is_empty() || name.len() > LONGEST || name.contains(char::is_control)) {
            at.mistake(key, "has 1 to 100 bytes, without blanks at its ends");
        }
    }
    OriginConfig { namespace: text.namespace.clone(), service: text.service.clone(), node: text.node.clone() }
}

fn spool(at: &mut Checker<'_>, text: &text::Spool) -> SpoolConfig {
    SpoolConfig {
        decisions: size(at, "sinks.spool.decisions.maximum", &text.decisions.maximum, MEBIBYTE) as u64,
        when_full: text.decisions.when_full,
        events: size(at, "sinks.spool.events.maximum", &text.events.maximum, MEBIBYTE) as u64,
    }
}

fn size(at: &mut Checker<'_>, key: &str, text: &str, least: usize) -> usize {
    let size = at.taken(key, units::bytes(text), least);
    if size < least {
        at.mistake(key, format!("`{text}` is less than {least}B"));
    }
    size
}

fn elasticsearch(at: &mut Checker<'_>, text: &text::Elasticsearch, folder: &Path) -> Option<ElasticsearchConfig> {
    let nodes = nodes(at, &text.nodes);
    let timeout = at.taken("sinks.elasticsearch.timeout", units::duration(&text.timeout), *TIMEOUTS.end());
    if !TIMEOUTS.contains(&timeout) {
        at.mistake("sinks.elasticsearch.timeout", format!("`{}` is not from 100ms to 600s", text.timeout));
    }
    let batch = &text.batch;
    at.within("sinks.elasticsearch.batch.documents", batch.documents as f64, 1.0, 4000.0, "a number of documents from 1 to 4000");
    at.within("sinks.elasticsearch.batch.requests", batch.requests as f64, 1.0, 16.0, "a number of requests from 1 to 16");
    let bytes = size(at, "sinks.elasticsearch.batch.bytes", &batch.bytes, 16 << 10);
    // More is never read together, so that what waits takes little memory.
    if bytes > 4 * MEBIBYTE {
        at.mistake("sinks.elasticsearch.batch.bytes", format!("`{}` is more than 4MiB", batch.bytes));
    }
    Some(ElasticsearchConfig {
        nodes,
        streams: streams(at, "sinks.elasticsearch.streams", &text.streams),
        credential: credential(at, text, folder),
        root: text.root.as_ref().map(|path| folder.join(path)),
        timeout,
        compression: text.compression,
        documents: batch.documents,
        bytes,
        requests: batch.requests,
        sample: sample(at, "sinks.elasticsearch.sample", &text.sample),
        begin: begin(text.begin),
    })
}

fn file(at: &mut Checker<'_>, text: &text::FileSink, folder: &Path) -> FileConfig {
    if text.folder.is_empty() {
        at.mistake("sinks.file.folder", "is missing: where decisions.jsonl and events.jsonl are written");
    }
    let rotate = &text.rotate;
    at.within("sinks.file.rotate.keep", rotate.keep as f64, 1.0, 100_000.0, "a number of files from 1 to 100000");
    let age = at.taken("sinks.file.rotate.age", units::duration(&rotate.age), AGES.start().to_owned());
    if !AGES.contains(&age) {
        at.mistake("sinks.file.rotate.age", format!("`{}` is not from 1m to 366d", rotate.age));
    }
    FileConfig {
        folder: folder.join(&text.folder),
        streams: streams(at, "sinks.file.streams", &text.streams),
        rotation: Rotation {
            size: size(at, "sinks.file.rotate.size", &rotate.size, 64 << 10) as u64,
            age,
            keep: rotate.keep,
            compress: rotate.compress,
        },
        sample: sample(at, "sinks.file.sample", &text.sample),
        begin: begin(text.begin),
    }
}

fn otlp(at: &mut Checker<'_>, text: &text::OtlpSink, folder: &Path) -> Option<OtlpConfig> {
    let written = Written {
        section: "sinks.otlp",
        path: "/v1/logs",
        endpoint: &text.endpoint,
        protocol: text.protocol,
        root: text.root.as_deref(),
        headers_file: text.headers_file.as_deref(),
        timeout: &text.timeout,
    };
    let collector = tracing::collector(at, &written, folder);
    let (streams, sample) = (streams(at, "sinks.otlp.streams", &text.streams), sample(at, "sinks.otlp.sample", &text.sample));
    Some(OtlpConfig { collector: collector?, streams, sample, begin: begin(text.begin) })
}

fn nodes(at: &mut Checker<'_>, texts: &[String]) -> Vec<Url> {
    if texts.is_empty() {
        at.mistake("sinks.elasticsearch.nodes", "are missing: where Elasticsearch is, as [https://elasticsearch:9200]");
    }
    at.within("sinks.elasticsearch.nodes", texts.len() as f64, 0.0, MOST as f64, "a number of nodes up to 32");
    alerts::urls(at, "sinks.elasticsearch.nodes", texts)
}

/// The streams that a sink is asked to ship.
pub(super) fn streams(at: &mut Checker<'_>, key: &str, words: &[String]) -> Vec<Stream> {
    if words.is_empty() {
        at.mistake(key, "are none: leave it out for all");
    }
    let mut streams = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match Stream::ASKED.into_iter().find(|stream| stream.name() == word) {
            Some(stream) if streams.contains(&stream) => at.mistake(&format!("{key}[{index}]"), format!("`{word}` is named twice")),
            Some(stream) => streams.push(stream),
            None => at.mistake(&format!("{key}[{index}]"), format!("`{word}` is none of decision, audit, access and app")),
        }
    }
    streams
}

/// The shares that a sink is asked to ship.
pub(super) fn sample(at: &mut Checker<'_>, key: &str, text: &text::Sample) -> Sample {
    at.within(&format!("{key}.decisions"), text.decisions, 0.0, 1.0, "a share from 0 to 1");
    at.within(&format!("{key}.access"), text.access, 0.0, 1.0, "a share from 0 to 1");
    Sample { decisions: text.decisions, access: text.access }
}

pub(super) fn begin(text: BeginAt) -> Begin {
    match text {
        BeginAt::Earliest => Begin::Earliest,
        BeginAt::Latest => Begin::Latest,
    }
}

fn credential(at: &mut Checker<'_>, text: &text::Elasticsearch, folder: &Path) -> Option<Credential> {
    match (&text.basic, &text.api_key_file) {
        (Some(_), Some(_)) => {
            at.mistake("sinks.elasticsearch.basic", "give either `basic` or `api_key_file`");
            None
        }
        (Some(basic), None) => {
            let (user, file) = alerts::basic(at, "sinks.elasticsearch.basic", basic, folder);
            Some(Credential::Basic(user, file))
        }
        (None, Some(file)) => Some(Credential::ApiKey(folder.join(file))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::archived;

    const REST: &str =
        "version: 1\nschema: {fields: {a: {type: number}}}\nfeatures: {a: {expression: a}}\ndetectors: {one: {plugin: one}}\n";

    fn mistakes(sinks: &str) -> String {
        archived(&format!("{REST}sinks: {sinks}\n"), "test").err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(mistakes("{elasticsearch: {nodes: ['http://a:1']}}"), "");
        for (sinks, part) in [
            ("{namespace: A}", "sinks.namespace: has 1 to 100 lower-case"),
            ("{service: ' x'}", "sinks.service: has 1 to 100 bytes"),
            ("{spool: {decisions: {maximum: 1KiB}}}", "sinks.spool.decisions.maximum: `1KiB` is less"),
            ("{spool: {decisions: {maximum: 100MiB}}, file: {folder: a}}", "sinks.spool.decisions.maximum: is less than two files"),
            ("{spool: {decisions: {when_full: drop}}}", "sinks.spool.decisions.when_full"),
            ("{file: {}}", "sinks.file.folder: is missing"),
            ("{file: {folder: a, rotate: {size: 1KiB}}}", "sinks.file.rotate.size: `1KiB` is less"),
            ("{file: {folder: a, rotate: {age: 1s}}}", "sinks.file.rotate.age: `1s` is not from"),
            ("{file: {folder: a, rotate: {keep: 0}}}", "sinks.file.rotate.keep: 0 is not"),
            ("{standard_output: {streams: []}}", "sinks.standard_output.streams: are none"),
            ("{otlp: {}}", "sinks.otlp.endpoint: is missing"),
            ("{otlp: {endpoint: 'http://a:1/x'}}", "sinks.otlp.endpoint: gRPC has no path"),
            ("{elasticsearch: {}}", "sinks.elasticsearch.nodes: are missing"),
            ("{elasticsearch: {nodes: ['ftp://a']}}", "sinks.elasticsearch.nodes[0]: `ftp://a` is no URL"),
            ("{elasticsearch: {nodes: ['http://a', 'http://a']}}", "nodes[1]: `http://a` is named twice"),
            ("{elasticsearch: {nodes: ['http://a'], streams: [decisions]}}", "streams[0]: `decisions` is none of decision, audit"),
            ("{elasticsearch: {nodes: ['http://a'], timeout: 1ms}}", "timeout: `1ms` is not from 100ms"),
            ("{elasticsearch: {nodes: ['http://a'], batch: {documents: 0}}}", "batch.documents: 0 is not a number"),
            ("{elasticsearch: {nodes: ['http://a'], sample: {access: 2}}}", "sample.access: 2 is not a share"),
            ("{elasticsearch: {nodes: ['http://a'], api_key_file: a, basic: {user: a, password_file: b}}}", "basic: give either"),
        ] {
            let found = mistakes(sinks);
            assert!(found.contains(part) && found.lines().count() == 1, "{sinks}: {found}");
        }
        let found =
            archived(&format!("{REST}decisions: {{durability: none}}\nsinks: {{elasticsearch: {{nodes: ['http://a']}}}}\n"), "test");
        assert!(found.unwrap_err().to_string().contains("`decisions.durability` must not be `none`"));
    }
}
