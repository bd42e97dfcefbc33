//! `synod audit list`: the audit events of the log, oldest first, as they are read.

use super::super::CommandError;
use super::super::dataset::moment;
use super::data_directory;
use crate::auditing::{Action, AuditRecord, is_deceptive};
use crate::cli::{AuditList, Format};
use crate::decision::RecordKind;
use std::io::{BufWriter, Write};
use synod_store::{LogReader, Record};

/// Which events are told.
struct Wanted<'a> {
    from: Option<i64>,
    until: Option<i64>,
    action: Option<&'a str>,
    actor: Option<&'a str>,
}

pub(super) fn run(arguments: &AuditList) -> Result<(), CommandError> {
    let wanted = Wanted {
        from: moment(arguments.from.as_deref(), "--from")?,
        until: moment(arguments.until.as_deref(), "--until")?,
        action: arguments.action.as_deref().map(known).transpose()?,
        actor: arguments.actor.as_deref(),
    };
    let directory = data_directory(&arguments.common)?;
    let reader = LogReader::open(&directory)?;
    let Some(first) = reader.first() else { return Ok(()) };
    let mut output = BufWriter::new(std::io::stdout().lock());
    for record in reader.from(first)? {
        let record = record?;
        if let Some(event) = wanted.read(&record)? {
            let line = match arguments.format {
                Format::Table => told(&event),
                Format::Json => serde_json::to_string(&event).map_err(|error| CommandError::Failed(error.to_string()))?,
            };
            if writeln!(output, "{line}").is_err() {
                // Nobody reads any more: `| head`.
                return Ok(());
            }
        }
    }
    drop(output.flush());
    Ok(())
}

/// A word that no event can have is a mistake in typing.
fn known(word: &str) -> Result<&str, CommandError> {
    match Action::find(word) {
        Some(_) => Ok(word),
        None => {
            let known = Action::KNOWN.iter().map(Action::name).collect::<Vec<_>>().join(", ");
            Err(CommandError::Usage(format!("--action: `{word}` is no action; there are {known}")))
        }
    }
}

impl Wanted<'_> {
    fn read(&self, record: &Record) -> Result<Option<AuditRecord>, CommandError> {
        let is_of_time = self.from.is_none_or(|from| record.at >= from) && self.until.is_none_or(|until| record.at < until);
        if record.kind != RecordKind::Audit as u8 || !is_of_time {
            return Ok(None);
        }
        let event: AuditRecord = serde_json::from_slice(&record.payload).map_err(|error| {
            CommandError::Data(format!("record {} is no audit event that this version can read: {error}", record.position.sequence))
        })?;
        let wanted =
            self.action.is_none_or(|action| action == event.action().name()) && self.actor.is_none_or(|actor| Some(actor) == event.actor());
        Ok(wanted.then_some(event))
    }
}

/// An event on one line: when, what, what came of it, and what else there is to say.
fn told(event: &AuditRecord) -> String {
    let mut line = format!("{}  {:20}  {:7}", event.at(), event.action().name(), event.outcome().name());
    let others = [
        ("by", event.actor()),
        ("from", event.address()),
        ("to", event.target()),
        ("because", event.reason()),
        ("on", event.route()),
        ("request", event.request_id()),
        ("tenant", event.tenant()),
    ];
    for (name, value) in others {
        if let Some(value) = value {
            line += &format!("  {name}={}", quoted(value));
        }
    }
    if event.count() != 1 {
        line += &format!("  count={}", event.count());
    }
    line
}

/// A value so that it ends where it ends, whatever it holds.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-._:/{}@+".contains(letter);
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        // Records hold none of these; a log that was written by others may.
        false => format!("{:?}", value.replace(is_deceptive, "\u{fffd}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_be_taken_for_another_one() {
        let table = [
            ("/v1/score", "/v1/score"),
            ("bank:ana", "bank:ana"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("x  by=admin", "\"x  by=admin\""),
            ("x=y", "\"x=y\""),
            ("\"", "\"\\\"\""),
            ("a\nb\u{1b}[2J\u{202e}", "\"a\u{fffd}b\u{fffd}[2J\u{fffd}\""),
        ];
        for (value, expected) in table {
            assert_eq!(quoted(value), expected);
        }
    }
}
