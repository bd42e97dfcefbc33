//! Roles: names for sets of permissions. Five are there out of the box; an installation can add its own.

use super::{Grants, Permission};
use std::collections::BTreeMap;
use thiserror::Error;

/// What each role allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Vec<Permission>>);

/// Why roles cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RolesMistake {
    /// One has the name of a built-in one.
    #[error("`{0}` is a built-in role, whose meaning does not change; give yours another name")]
    BuiltIn(String),
    /// One has no permissions.
    #[error("the role `{0}` has no permissions")]
    Empty(String),
}

impl Default for Roles {
    /// The built-in roles. Each but `scorer` and `admin` contains the one before.
    fn default() -> Self {
        use Permission as P;
        let viewer = vec![P::ReadDecisions, P::ReadScores, P::ReadDetectors, P::ReadQuality];
        let scorer = vec![P::Score, P::ReadScores, P::ReadDetectors];
        let analyst = [&viewer[..], &[P::ReadExplanations, P::ReadEntities, P::LabelDecisions]].concat();
        let operator = [&viewer[..], &[P::OperateService, P::ReadAudit]].concat();
        let admin = std::iter::once(P::Score).chain(P::PLAIN).collect();
        let roles = [("viewer", viewer), ("scorer", scorer), ("analyst", analyst), ("operator", operator), ("admin", admin)];
        Self(roles.into_iter().map(|(name, permissions)| (name.to_owned(), permissions)).collect())
    }
}

impl Roles {
    /// The built-in roles, in the order of what they allow.
    pub const BUILT_IN: [&str; 5] = ["viewer", "scorer", "analyst", "operator", "admin"];

    /// The built-in roles with another one.
    ///
    /// # Errors
    /// When it would change a built-in role, or allows nothing.
    pub fn with(mut self, name: &str, permissions: Vec<Permission>) -> Result<Self, RolesMistake> {
        if Self::BUILT_IN.contains(&name) {
            return Err(RolesMistake::BuiltIn(name.into()));
        }
        if permissions.is_empty() {
            return Err(RolesMistake::Empty(name.into()));
        }
        self.0.insert(name.to_owned(), permissions);
        Ok(self)
    }

    /// Whether there is a role of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names of all roles.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What these roles allow, limited to those of the scopes that are permissions. A name that is no role allows nothing; scopes that are
    /// none of ours (`openid`) limit nothing.
    pub fn grants<'a>(&self, roles: impl IntoIterator<Item = &'a str>, scopes: impl IntoIterator<Item = &'a str>) -> Grants {
        let mut granted: Vec<Permission> = roles.into_iter().filter_map(|role| self.0.get(role)).flatten().cloned().collect();
        granted.sort();
        granted.dedup();
        let limits: Vec<Permission> = scopes.into_iter().filter_map(|scope| scope.parse().ok()).collect();
        Grants { granted, limited_to: (!limits.is_empty()).then_some(limits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roles_are_what_their_names_say() {
        let roles = Roles::default();
        let allow = |role, permission| roles.grants([role], []).allow(&permission);
        assert!(Roles::BUILT_IN.iter().all(|name| roles.has(name)) && roles.names().count() == 5);
        assert!(Permission::PLAIN.into_iter().all(|permission| allow("admin", permission)));
        assert!(!allow("scorer", Permission::ReadDecisions) && !allow("viewer", Permission::ScorePolicy));
        assert!(allow("analyst", Permission::LabelDecisions) && !allow("operator", Permission::LabelDecisions));
        assert!(!allow("Admin", Permission::ReadDecisions), "names are compared letter by letter");
    }

    #[test]
    fn a_role_of_an_installations_own_changes_no_other() {
        let desk = Roles::default().with("desk", vec![Permission::ReadDecisions]).unwrap();
        assert!(desk.grants(["desk"], []).allow(&Permission::ReadDecisions) && !desk.grants(["desk"], []).allow(&Permission::ReadScores));
        assert_eq!(desk.clone().with("admin", vec![Permission::Score]), Err(RolesMistake::BuiltIn("admin".into())));
        assert_eq!(desk.with("none", Vec::new()), Err(RolesMistake::Empty("none".into())));
    }
}
