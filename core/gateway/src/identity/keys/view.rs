//! A key as it is told of, by the command line and by HTTP alike. The digest of its secret is left out.

use jiff::Timestamp;
use serde::Serialize;
use synod_store::KeyEntry;
use utoipa::ToSchema;

/// What has become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It holds.
    Active,
    /// Another one took its place; it still holds, until its end.
    Replaced,
    /// It has ended.
    Expired,
    /// It was ended.
    Revoked,
}

impl KeyState {
    /// What has become of a key at this time, in Unix seconds.
    pub fn of(entry: &KeyEntry, now: u64) -> Self {
        match entry {
            KeyEntry { revoked: Some(_), .. } => Self::Revoked,
            KeyEntry { expires, .. } if now >= *expires => Self::Expired,
            KeyEntry { replaced_by: Some(_), .. } => Self::Replaced,
            _ => Self::Active,
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// All that is told of a key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyView<'a> {
    id: &'a str,
    state: KeyState,
    roles: &'a [String],
    scopes: &'a [String],
    #[schema(required)]
    tenant: Option<&'a str>,
    #[schema(required)]
    label: Option<&'a str>,
    created: Timestamp,
    created_by: &'a str,
    expires: Timestamp,
    #[schema(required)]
    revoked: Option<Timestamp>,
    #[schema(required)]
    revoked_by: Option<&'a str>,
    #[schema(required)]
    rotated: Option<Timestamp>,
    #[schema(required)]
    replaced_by: Option<&'a str>,
    #[schema(required)]
    replaces: Option<&'a str>,
}

impl<'a> KeyView<'a> {
    /// A key at this time, in Unix seconds.
    pub fn new(entry: &'a KeyEntry, now: u64) -> Self {
        Self {
            id: &entry.id,
            state: KeyState::of(entry, now),
            roles: &entry.roles,
            scopes: &entry.scopes,
            tenant: entry.tenant.as_deref(),
            label: entry.label.as_deref(),
            created: moment(entry.created),
            created_by: &entry.created_by,
            expires: moment(entry.expires),
            revoked: entry.revoked.map(moment),
            revoked_by: entry.revoked_by.as_deref(),
            rotated: entry.rotated.map(moment),
            replaced_by: entry.replaced_by.as_deref(),
            replaces: entry.replaces.as_deref(),
        }
    }
}

/// Unix seconds as a moment; what no calendar holds is its end.
pub fn moment(seconds: u64) -> Timestamp {
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}
