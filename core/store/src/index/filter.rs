//! What decisions are asked for by.

use super::pages::column;
use super::whose::{Scope, Whose};
use rusqlite::Row;
use rusqlite::types::FromSql;
use sha2::{Digest as _, Sha256};

/// Which decisions are asked for: those that fit everything that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Whose they are.
    pub whose: Whose,
    /// Whom they are about, exactly.
    pub entity: Option<String>,
    /// Their outcome.
    pub outcome: Option<u8>,
    /// The policy's yes or no.
    pub anomalous: Option<bool>,
    /// What the detector with this name did. A decision for which it was not asked fits none of the three.
    pub vote: Option<(String, VoteFilter)>,
    /// Decided then or later, in microseconds since 1970.
    pub from: Option<i64>,
    /// Decided before, in microseconds since 1970.
    pub until: Option<i64>,
    /// The least score.
    pub lowest: Option<f64>,
    /// The greatest score.
    pub highest: Option<f64>,
    /// The label that holds, which is the last one. A decision without a label fits none.
    pub label: Option<u8>,
}

/// What a detector did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoteFilter {
    /// It voted for anomalous.
    Yes,
    /// It voted against.
    No,
    /// It was asked and did not vote.
    Abstained,
}

impl Filter {
    /// All decisions that are theirs.
    pub fn of(whose: Whose) -> Self {
        Self {
            whose,
            entity: None,
            outcome: None,
            anomalous: None,
            vote: None,
            from: None,
            until: None,
            lowest: None,
            highest: None,
            label: None,
        }
    }

    /// A digest that is the same for the same filter in every version of the program. Each part has a tag and a fixed length or its length
    /// in front, so that no two filters are written alike.
    pub(super) fn digest(&self) -> u64 {
        let mut digest = Sha256::new_with_prefix("synod decisions 1");
        let mut part = |tag: u8, bytes: Option<&[u8]>| {
            if let Some(bytes) = bytes {
                digest.update([tag]);
                digest.update((bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            }
        };
        match &self.whose {
            Whose::All => {}
            Whose::WithoutTenant => part(b'n', Some(&[])),
            Whose::Tenant(tenant) => part(b't', Some(tenant.as_bytes())),
        }
        part(b'e', self.entity.as_deref().map(str::as_bytes));
        part(b'o', self.outcome.as_ref().map(std::slice::from_ref));
        part(b'a', self.anomalous.map(|anomalous| [u8::from(anomalous)]).as_ref().map(<[u8; 1]>::as_slice));
        part(b'd', self.vote.as_ref().map(|(detector, _)| detector.as_bytes()));
        part(b'v', self.vote.as_ref().map(|(_, vote)| [*vote as u8]).as_ref().map(<[u8; 1]>::as_slice));
        part(b'f', self.from.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        part(b'u', self.until.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        part(b'l', self.lowest.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        part(b'h', self.highest.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        part(b'b', self.label.as_ref().map(std::slice::from_ref));
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether a row with the columns of `pages` fits. `scope` is that of `whose`, and `bit` that of the detector in `vote`.
    pub(super) fn admits(&self, row: &Row<'_>, scope: Scope, bit: Option<u32>) -> rusqlite::Result<bool> {
        Ok(scope.admits(row, column::TENANT)?
            && self.admits_time(row)?
            && is(row, column::OUTCOME, self.outcome)?
            && is(row, column::ANOMALOUS, self.anomalous)?
            && self.admits_score(row)?
            && self.admits_vote(row, bit)?
            && is(row, column::LABEL, self.label)?
            && self.admits_entity(row)?)
    }

    fn admits_time(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if self.from.is_none() && self.until.is_none() {
            return Ok(true);
        }
        let decided: i64 = row.get(column::DECIDED)?;
        Ok(self.from.is_none_or(|from| from <= decided) && self.until.is_none_or(|until| decided < until))
    }

    fn admits_score(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if self.lowest.is_none() && self.highest.is_none() {
            return Ok(true);
        }
        // Null is not a number, which lies within no bounds.
        let score = row.get::<_, Option<f64>>(column::SCORE)?.unwrap_or(f64::NAN);
        Ok(self.lowest.is_none_or(|lowest| lowest <= score) && self.highest.is_none_or(|highest| score <= highest))
    }

    fn admits_vote(&self, row: &Row<'_>, bit: Option<u32>) -> rusqlite::Result<bool> {
        let Some((_, vote)) = &self.vote else { return Ok(true) };
        let Some(bit) = bit else { return Ok(false) };
        let mask: i64 = row.get(match vote {
            VoteFilter::Yes => column::SAID_YES,
            VoteFilter::No => column::SAID_NO,
            VoteFilter::Abstained => column::ABSTAINED,
        })?;
        Ok(mask >> bit & 1 == 1)
    }

    fn admits_entity(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let Some(entity) = &self.entity else { return Ok(true) };
        Ok(row.get_ref(column::ENTITY)?.as_bytes_or_null()? == Some(entity.as_bytes()))
    }
}

fn is<T: PartialEq + FromSql>(row: &Row<'_>, column: usize, wanted: Option<T>) -> rusqlite::Result<bool> {
    match wanted {
        None => Ok(true),
        wanted => Ok(row.get::<_, Option<T>>(column)? == wanted),
    }
}
