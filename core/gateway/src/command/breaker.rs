//! `synod breaker`: lists the open breakers and resets them, also beside a running server, which notices within a second.

use super::audit::print_json;
use super::installation::configuration;
use super::place::{Place, must_be_there};
use super::{CommandError, chain};
use crate::breaking::{Opening, command_record, opening_record};
use crate::cli::{Breaker, Format, ListBreakers, ResetBreaker};
use serde::Serialize;
use synod_store::{BreakerEntry, DataDirectory, KeptList, KeptListError};

/// An open breaker.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    policy: &'a str,
    opened: Opening,
}

impl<'a> Told<'a> {
    fn new(entry: &'a BreakerEntry) -> Self {
        Self { id: &entry.id, tenant: entry.tenant.as_deref(), policy: &entry.policy, opened: Opening::of(entry) }
    }
}

pub(super) fn run(arguments: &Breaker) -> Result<(), CommandError> {
    match arguments {
        Breaker::List(arguments) => list(arguments),
        Breaker::Reset(arguments) => reset(arguments),
    }
}

fn failed(error: KeptListError) -> CommandError {
    CommandError::Failed(chain(&error))
}

fn list(arguments: &ListBreakers) -> Result<(), CommandError> {
    let config = configuration(&arguments.common)?;
    must_be_there(&config)?;
    let entries = KeptList::<BreakerEntry>::of(&DataDirectory::open(&config.data_directory)?).read().map_err(failed)?;
    match arguments.format {
        Format::Json => print_json(&entries.iter().map(Told::new).collect::<Vec<_>>())?,
        Format::Table => print!("{}", table(&entries)),
    }
    Ok(())
}

fn table(entries: &[BreakerEntry]) -> String {
    let line = |id: &str, policy: &str, opened: &str, blocks: &str, tenant: &str| {
        format!("{id:16}  {policy:12}  {opened:20}  {blocks:24}  {tenant}").trim_end().to_owned() + "\n"
    };
    let of = |entry: &BreakerEntry| {
        let (opened, blocks) = (format!("{:.0}", entry.opened), format!("{} of {}", entry.blocks, entry.outcomes));
        line(&entry.id, &entry.policy, &opened, &blocks, entry.tenant.as_deref().unwrap_or_default())
    };
    line("id", "policy", "open since", "blocked then", "tenant") + &entries.iter().map(of).collect::<String>()
}

fn reset(arguments: &ResetBreaker) -> Result<(), CommandError> {
    let place = Place::known(configuration(&arguments.common)?)?;
    let taken = KeptList::<BreakerEntry>::of(&place.directory).change(|entries| {
        let found = entries.iter().position(|entry| entry.id == arguments.id);
        found.map(|at| entries.remove(at)).ok_or(CommandError::Usage(format!("no breaker with the id {} is open", arguments.id)))
    });
    let entry = taken.map_err(failed)??;
    if !entry.recorded {
        // The server that opened it did not come to that.
        place.audit(&opening_record(&entry))?;
    }
    place.audit(&command_record(&entry))?;
    let when = if place.is_served() { "; the running server notices within a second" } else { "" };
    eprintln!("the breaker {} is closed{when}", entry.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each() {
        let entry = BreakerEntry {
            id: "0123456789abcdef".into(),
            tenant: Some("north".into()),
            policy: "consensus".into(),
            opened: "2026-11-26T12:00:00.123456Z".parse().unwrap(),
            outcomes: 200,
            blocks: 11,
            recorded: true,
        };
        let table = table(&[entry.clone(), BreakerEntry { tenant: None, ..entry }]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "0123456789abcdef  consensus     2026-11-26T12:00:00Z  11 of 200                 north");
        assert_eq!(lines[2], "0123456789abcdef  consensus     2026-11-26T12:00:00Z  11 of 200");
    }
}
