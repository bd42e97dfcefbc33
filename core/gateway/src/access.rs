//! Who may do what: permissions, the roles that grant them, and the caller of a request. It does not know how somebody proved who they are
//! (`identity`), nor HTTP.

mod permission;
mod role;

pub use permission::{Permission, PermissionMistake};
pub use role::{Roles, RolesMistake};

use std::sync::Arc;
use synod_identity::Principal;

/// Somebody who sent a request, with what they may do. Cheap to clone: a caller that calls again is the same one.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    principal: Option<Principal>,
    name: String,
    grants: Grants,
}

impl Caller {
    /// Somebody who proved who they are.
    pub fn known(principal: Principal, roles: &Roles) -> Self {
        let grants = roles.grants(principal.roles.iter().map(String::as_str), principal.scopes.iter().map(String::as_str));
        let name = format!("{}:{}", principal.issuer, principal.subject);
        Self(Arc::new(Inner { principal: Some(principal), name, grants }))
    }

    /// Somebody without a credential, who has these roles.
    pub fn anonymous(of_anonymous: &[String], roles: &Roles) -> Self {
        let grants = roles.grants(of_anonymous.iter().map(String::as_str), std::iter::empty());
        Self(Arc::new(Inner { principal: None, name: "anonymous".into(), grants }))
    }

    /// Whether a credential came with the request.
    pub fn is_known(&self) -> bool {
        self.0.principal.is_some()
    }

    /// Who it is, as records and quotas name them: the issuer, a colon, the subject. `anonymous` without a credential.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Who it is; none without a credential.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.as_ref()
    }

    /// Whose decisions it makes and sees. None is the whole installation.
    pub fn tenant(&self) -> Option<&str> {
        self.0.principal.as_ref().and_then(|principal| principal.tenant.as_deref())
    }

    /// Whether it may.
    pub fn may(&self, permission: &Permission) -> bool {
        self.0.grants.allow(permission)
    }

    /// Everything that it may, in order.
    pub fn permissions(&self) -> Vec<Permission> {
        self.0.grants.effective()
    }

    /// Whether somebody with fewer permissions than this could be given these roles by it: nobody gives away what they do not have.
    pub fn may_give(&self, grants: &Grants) -> bool {
        grants.effective().iter().all(|permission| self.may(permission))
    }
}

/// What somebody may do: what their roles grant, within what their credential is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    granted: Vec<Permission>,
    limited_to: Option<Vec<Permission>>,
}

impl Grants {
    /// Whether they hold this permission.
    pub fn allow(&self, asked: &Permission) -> bool {
        let cover = |permissions: &Vec<Permission>| permissions.iter().any(|held| held.covers(asked));
        cover(&self.granted) && self.limited_to.as_ref().is_none_or(cover)
    }

    /// Everything that they allow, in order.
    pub fn effective(&self) -> Vec<Permission> {
        let Some(limits) = &self.limited_to else { return self.granted.clone() };
        let both = self.granted.iter().flat_map(|granted| limits.iter().map(move |limit| (granted, limit)));
        let narrower = |(granted, limit): (&Permission, &Permission)| match (granted.covers(limit), limit.covers(granted)) {
            (true, _) => Some(limit.clone()),
            (false, true) => Some(granted.clone()),
            (false, false) => None,
        };
        let mut effective: Vec<Permission> = both.filter_map(narrower).collect();
        effective.sort();
        effective.dedup();
        effective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn caller(roles: &[&str], scopes: &[&str]) -> Caller {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
        let principal = Principal {
            subject: "ana".into(),
            issuer: "bank".into(),
            tenant: None,
            roles: texts(roles),
            scopes: texts(scopes),
            expires: 0,
        };
        Caller::known(principal, &Roles::default())
    }

    #[test]
    fn a_credential_can_be_limited_to_less_than_its_roles_grant() {
        let forest = Permission::ScoreDetector("forest".into());
        let all = caller(&["scorer"], &["openid", "email"]);
        assert!(all.may(&forest) && all.may(&Permission::ScorePolicy));
        let limited = caller(&["scorer"], &["openid", "score:detector/forest"]);
        assert!(limited.may(&forest) && !limited.may(&Permission::ScorePolicy));
        let beyond = caller(&["viewer"], &["score"]);
        assert!(!beyond.may(&forest) && !beyond.may(&Permission::ReadDecisions), "a scope grants nothing by itself");
    }

    #[test]
    fn nobody_gives_away_what_they_do_not_have() {
        let roles = Roles::default();
        let of = |role| roles.grants([role], []);
        assert!(caller(&["admin"], &[]).may_give(&of("admin")) && caller(&["admin"], &[]).may_give(&of("viewer")));
        assert!(!caller(&["analyst"], &[]).may_give(&of("admin")));
        assert!(!caller(&["admin"], &["read:decisions"]).may_give(&of("scorer")), "a limited credential gives within its limits");
        let of_admin = roles.grants(["admin"], ["read:decisions"]);
        assert!(caller(&["viewer"], &[]).may_give(&of_admin), "what is given is limited as well");
    }

    #[test]
    fn what_is_allowed_is_the_narrower_of_role_and_limit() {
        let effective = |roles: &[&str], scopes: &[&str]| {
            let grants = Roles::default().grants(roles.iter().copied(), scopes.iter().copied());
            grants.effective().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(effective(&["scorer"], &[]), ["score", "read:scores", "read:detectors"]);
        assert_eq!(effective(&["scorer"], &["score:policy", "score:detector/a", "read:decisions"]), ["score:policy", "score:detector/a"]);
        assert_eq!(effective(&["scorer"], &["score", "score:policy"]), ["score", "score:policy"]);
        assert!(effective(&["viewer"], &["score"]).is_empty());
    }
}
