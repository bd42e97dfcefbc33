//! Where a search goes on: a position and the digest of its filter, as a short text that fits into a URL.

use super::error::Fault;
use super::filter::Filter;
use std::fmt;
use std::str::FromStr;

/// Hexadecimal digits of each of its two numbers.
const DIGITS: usize = 16;

/// Where a search goes on. It is opaque to clients: 32 hexadecimal digits that come from [`Page::next`](super::Page) and are given back
/// together with the same filter. It stays good for as long as the decisions do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What was not looked at yet stands before this sequence.
    before: u64,
    filter: u64,
}

/// A text is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor: a cursor is the text of 32 characters that the page before gave as the next one")]
pub struct CursorError;

impl Cursor {
    /// The cursor of a search that has looked at everything from sequence `before` on.
    pub(super) fn new(before: i64, filter: &Filter) -> Self {
        Self { before: before.unsigned_abs(), filter: filter.digest() }
    }

    /// The sequence before which the search with this filter goes on.
    pub(super) fn position(&self, filter: &Filter) -> Result<i64, Fault> {
        if self.filter == filter.digest() { Ok(i64::try_from(self.before).unwrap_or(i64::MAX)) } else { Err(Fault::OtherFilter) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}{:016x}", self.before, self.filter)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    /// Accepts exactly what is written; [`u64::from_str_radix`] alone would take signs and capitals, too.
    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() != 2 * DIGITS || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(CursorError);
        }
        let number = |digits| u64::from_str_radix(digits, 16).map_err(|_| CursorError);
        Ok(Self { before: number(&text[..DIGITS])?, filter: number(&text[DIGITS..])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Whose;

    #[test]
    fn is_read_as_it_is_written() {
        let cursor = Cursor::new(77, &Filter::of(Whose::All));
        let text = cursor.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(cursor));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = Cursor::new(0xabc, &Filter::of(Whose::All)).to_string();
        for bad in
            ["", "0", &good[1..], &format!("{good}0"), &good.to_uppercase(), &format!("+{}", &good[1..]), &format!("é{}", &good[2..])]
        {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }

    /// Cursors that clients hold stay good when the program is replaced.
    #[test]
    fn the_digest_of_a_filter_does_not_change() {
        let filter = Filter { entity: Some("account-7".to_owned()), lowest: Some(0.5), ..Filter::of(Whose::All) };
        assert_eq!(Cursor::new(1, &filter).to_string(), "0000000000000001e1d99cde954139e5");
        let of = |whose| Cursor::new(1, &Filter { whose, ..filter.clone() }).to_string();
        let others = ["t", "", "account-7"].map(|tenant| of(Whose::Tenant(tenant.to_owned())));
        let all: std::collections::BTreeSet<_> = others.into_iter().chain([of(Whose::All), of(Whose::WithoutTenant)]).collect();
        assert_eq!(all.len(), 5, "a cursor leads on in the decisions of those that it came from: {all:?}");
    }
}
