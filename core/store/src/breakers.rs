//! What is kept of breakers that are open, in `breakers.json`. What a breaker is, is not known here.

use crate::kept_list::Kept;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A breaker that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerEntry {
    /// What it is found by.
    pub id: String,
    /// Whose outcomes it is about; none for those without a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Which policy's.
    pub policy: String,
    /// When it opened.
    pub opened: Timestamp,
    /// The outcomes in the window that opened it.
    pub outcomes: u64,
    /// Those of them that were to be blocked.
    pub blocks: u64,
    /// Whether the log has the audit record of its opening.
    pub recorded: bool,
}

impl Kept for BreakerEntry {
    const FILE: &'static str = "breakers.json";
    const LOCK: &'static str = "breakers.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 10_000;
}
