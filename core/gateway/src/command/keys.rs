//! `synod keys`: makes, lists, rotates and revokes API keys, also beside a running server, which notices within a second.

use super::audit::print_json;
use super::installation::configuration;
use super::place::{Place, must_be_there};
use super::{CommandError, chain};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::cli::{CreateKey, Format, Keys, ListKeys, RevokeKey, RotateKey, RotateSigning};
use crate::identity::keys::{ApiKeys, COMMAND_LINE, KeyState, KeyView, KeysError, MadeKey, Manager, NewKey, moment};
use crate::identity::now;
use crate::identity::server::rotate_signing;
use synod_store::{DataDirectory, KeyEntry};

pub(super) fn run(arguments: &Keys) -> Result<(), CommandError> {
    match arguments {
        Keys::Create(arguments) => create(arguments),
        Keys::List(arguments) => list(arguments),
        Keys::Rotate(arguments) => rotate(arguments),
        Keys::Revoke(arguments) => revoke(arguments),
        Keys::RotateSigning(arguments) => rotate_signing_key(arguments),
    }
}

impl From<KeysError> for CommandError {
    fn from(error: KeysError) -> Self {
        let text = chain(&error);
        match error {
            KeysError::Wrong { field, detail } => {
                let option = match field {
                    "roles" => "role",
                    "scopes" => "scope",
                    other => other,
                };
                Self::Usage(format!("--{option}: {detail}"))
            }
            KeysError::NoKey | KeysError::Ended | KeysError::Rotated { .. } => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

/// The keys of a place.
fn keys(place: &Place) -> Result<ApiKeys, CommandError> {
    Ok(ApiKeys::open(&place.config, &place.directory)?)
}

/// Audits what was done to a key, unless a server does.
fn audit(place: &Place, action: Action, target: &str) -> Result<(), CommandError> {
    place.audit(&AuditRecord::new(action, AuditOutcome::Allowed).to(target).because(COMMAND_LINE))
}

fn create(arguments: &CreateKey) -> Result<(), CommandError> {
    let new = NewKey {
        roles: arguments.role.clone(),
        scopes: arguments.scope.clone(),
        tenant: arguments.tenant.clone(),
        label: arguments.label.clone(),
        lifetime: arguments.expires,
    };
    let place = Place::open(configuration(&arguments.common)?)?;
    let made = keys(&place)?.create(new, Manager::CommandLine, now())?;
    audit(&place, Action::KEY_CREATED, &made.entry.id)?;
    show(&made);
    Ok(())
}

fn rotate(arguments: &RotateKey) -> Result<(), CommandError> {
    let place = Place::known(configuration(&arguments.common)?)?;
    let made = keys(&place)?.rotate(&arguments.id, arguments.overlap, Manager::CommandLine, now())?;
    audit(&place, Action::KEY_ROTATED, &made.entry.id)?;
    show(&made);
    eprintln!("{} holds for {} seconds more", arguments.id, arguments.overlap.as_secs());
    Ok(())
}

/// The key goes to standard output and nothing else does, so that it can be piped to where it is kept.
fn show(made: &MadeKey) {
    println!("{}", made.text.reveal());
    eprintln!("this is the only time that the key is shown: id {}, until {}", made.entry.id, moment(made.entry.expires));
}

fn revoke(arguments: &RevokeKey) -> Result<(), CommandError> {
    let place = Place::known(configuration(&arguments.common)?)?;
    let entry = keys(&place)?.revoke(&arguments.id, Manager::CommandLine, now())?;
    audit(&place, Action::KEY_REVOKED, &entry.id)?;
    eprintln!("the key {} is revoked; a running server notices within a second", entry.id);
    Ok(())
}

fn list(arguments: &ListKeys) -> Result<(), CommandError> {
    let config = configuration(&arguments.common)?;
    must_be_there(&config)?;
    let entries = ApiKeys::open(&config, &DataDirectory::open(&config.data_directory)?)?.list(Manager::CommandLine)?;
    let now = now();
    match arguments.format {
        Format::Json => print_json(&entries.iter().map(|entry| KeyView::new(entry, now)).collect::<Vec<_>>())?,
        Format::Table => print!("{}", table(&entries, now)),
    }
    Ok(())
}

fn table(entries: &[KeyEntry], now: u64) -> String {
    let mut rows = vec![["id", "state", "until", "roles", "scopes", "tenant", "label"].map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let until = moment(entry.revoked.unwrap_or(entry.expires)).to_string();
        let state = KeyState::of(entry, now).name().to_owned();
        [entry.id.clone(), state, until, entry.roles.join(","), entry.scopes.join(","), text(&entry.tenant), text(&entry.label)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn rotate_signing_key(arguments: &RotateSigning) -> Result<(), CommandError> {
    let place = Place::open(configuration(&arguments.common)?)?;
    let server = place.config.identity.server.as_ref().ok_or_else(|| CommandError::Usage("identity.server is not enabled".into()))?;
    let id = rotate_signing(&place.directory, server.algorithm, arguments.at_once, now())?;
    audit(&place, Action::SIGNING_KEY_CREATED, &id)?;
    match arguments.at_once {
        true => eprintln!("the key {id} signs from now on; tokens that others have signed are refused"),
        false => eprintln!("the key {id} is published, and signs in ten minutes"),
    }
    Ok(())
}
