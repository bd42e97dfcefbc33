//! The sections `identity` and `roles`.

use super::{Checker, issuers};
use crate::access::{Permission, Roles};
use crate::config::text::Text;
use crate::identity::login::LoginConfig;
use crate::identity::providers::ProviderConfig;
use std::path::Path;

/// Who may call, and what their roles allow.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The roles of somebody without a credential. Nobody should have any.
    pub anonymous: Vec<String>,
    /// What each role allows.
    pub roles: Roles,
    /// Whose tokens are accepted.
    pub providers: Vec<ProviderConfig>,
    /// Where people log in.
    pub login: Option<LoginConfig>,
}

pub(super) fn identity(at: &mut Checker<'_>, text: &Text, folder: &Path) -> Identity {
    let roles = roles(at, text);
    for (index, name) in text.identity.anonymous.iter().enumerate() {
        known_role(at, &roles, &format!("identity.anonymous[{index}]"), name);
    }
    let providers = issuers::providers(at, &text.identity.issuers, &roles, folder);
    let login = issuers::login(at, &text.identity, folder);
    Identity { anonymous: text.identity.anonymous.clone(), roles, providers, login }
}

/// Notes a role that there is not.
pub(super) fn known_role(at: &mut Checker<'_>, roles: &Roles, key: &str, name: &str) {
    if !roles.has(name) {
        at.mistake(key, format!("there is no role `{name}`; there are {}", roles.names().collect::<Vec<_>>().join(", ")));
    }
}

fn roles(at: &mut Checker<'_>, text: &Text) -> Roles {
    let mut roles = Roles::default();
    for (name, texts) in &text.roles {
        let mut permissions = Vec::new();
        for (index, permission) in texts.iter().enumerate() {
            let key = format!("roles.{name}[{index}]");
            match permission.parse() {
                Ok(Permission::ScoreDetector(detector)) if !text.detectors.contains_key(&detector) => {
                    at.mistake(&key, format!("there is no detector `{detector}`"));
                }
                Ok(permission) => permissions.push(permission),
                Err(mistake) => at.mistake(&key, mistake.to_string()),
            }
        }
        if permissions.is_empty() && !texts.is_empty() {
            // What is wrong with its permissions was said.
            permissions.push(Permission::ReadDetectors);
        }
        roles = at.taken(&format!("roles.{name}"), roles.clone().with(name, permissions), roles);
    }
    roles
}
