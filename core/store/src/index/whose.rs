//! Whose decisions are asked for.

use super::error::Fault;
use super::schema;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// Whose decisions are asked for. It has no default: who asks must say it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Everybody's, with a tenant or without.
    All,
    /// Those that were made without a tenant.
    WithoutTenant,
    /// This tenant's.
    Tenant(String),
}

impl Whose {
    /// The decisions of this tenant and no other; of none, those without a tenant.
    pub fn exactly(tenant: Option<&str>) -> Self {
        tenant.map_or(Self::WithoutTenant, |tenant| Self::Tenant(tenant.to_owned()))
    }

    /// The same in the numbers of this index; none for a tenant that has no decision.
    pub(super) fn scope(&self, connection: &Connection) -> Result<Option<Scope>, Fault> {
        Ok(match self {
            Self::All => Some(Scope::All),
            Self::WithoutTenant => Some(Scope::WithoutTenant),
            Self::Tenant(name) => tenant_number(connection, name)?.map(Scope::Tenant),
        })
    }
}

/// The number of a tenant; none if no decision names it.
pub(super) fn tenant_number(connection: &Connection, name: &str) -> Result<Option<i64>, Fault> {
    Ok(connection.prepare_cached(schema::TENANT)?.query_row([name], |row| row.get(0)).optional()?)
}

/// [`Whose`] in the numbers of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    WithoutTenant,
    Tenant(i64),
}

impl Scope {
    /// Whether a row, whose tenant's number stands in this column, is meant.
    pub(super) fn admits(self, row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
        let wanted = match self {
            Self::All => return Ok(true),
            Self::WithoutTenant => None,
            Self::Tenant(number) => Some(number),
        };
        Ok(row.get::<_, Option<i64>>(column)? == wanted)
    }

    /// The tenant's number; 0, which no tenant has, for everybody.
    pub(super) fn number(self) -> i64 {
        if let Self::Tenant(number) = self { number } else { 0 }
    }
}
