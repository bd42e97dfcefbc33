//! Tokens that were verified, so that each costs its signature once and not with each request.

use crate::access::Caller;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Parts with a lock each, so that requests seldom wait for each other.
const PARTS: usize = 16;
/// Tokens in one part; 10,000 in all.
const MOST_IN_PART: usize = 625;

/// What a token is remembered by: the token itself is nowhere.
pub(super) type TokenDigest = [u8; 32];

/// The callers of tokens that were verified.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens([Mutex<HashMap<TokenDigest, Verified>>; PARTS]);

#[derive(Debug)]
struct Verified {
    caller: Caller,
    /// From this second on it is not known any more.
    until: u64,
    /// What it was verified with. Whenever keys change, so does this, and all that was verified before is verified again.
    generation: u64,
}

impl VerifiedTokens {
    pub(super) fn digest(token: &str) -> TokenDigest {
        Sha256::digest(token).into()
    }

    /// The caller of a token, if it was verified with the keys of this generation and holds at this time.
    pub(super) fn get(&self, token: &TokenDigest, generation: u64, now: u64) -> Option<Caller> {
        let part = self.part(token).lock().unwrap_or_else(PoisonError::into_inner);
        let found = part.get(token)?;
        (found.generation == generation && now < found.until).then(|| found.caller.clone())
    }

    /// Remembers a token. Where there is no room, those that do not hold any more go first, then any.
    pub(super) fn put(&self, token: TokenDigest, caller: Caller, until: u64, generation: u64, now: u64) {
        let mut part = self.part(&token).lock().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= MOST_IN_PART {
            part.retain(|_, known| known.generation == generation && now < known.until);
        }
        if part.len() >= MOST_IN_PART
            && let Some(any) = part.keys().next().copied()
        {
            part.remove(&any);
        }
        part.insert(token, Verified { caller, until, generation });
    }

    fn part(&self, token: &TokenDigest) -> &Mutex<HashMap<TokenDigest, Verified>> {
        &self.0[usize::from(token[0]) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Roles;

    fn caller() -> Caller {
        Caller::anonymous(&[], &Roles::default())
    }

    #[test]
    fn a_token_is_known_until_it_ends_or_the_keys_change() {
        let (tokens, token) = (VerifiedTokens::default(), VerifiedTokens::digest("a.b.c"));
        tokens.put(token, caller(), 100, 7, 50);
        assert!(tokens.get(&token, 7, 99).is_some());
        assert!(tokens.get(&token, 7, 100).is_none() && tokens.get(&token, 8, 99).is_none());
        assert!(tokens.get(&VerifiedTokens::digest("a.b.d"), 7, 99).is_none());
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let tokens = VerifiedTokens::default();
        let count = || tokens.0.iter().map(|part| part.lock().unwrap().len()).sum::<usize>();
        let put = |from: u32, to: u32, generation| {
            (from..to).for_each(|token| tokens.put(VerifiedTokens::digest(&token.to_string()), caller(), 100, generation, 50));
        };
        put(0, 20_000, 1);
        assert_eq!(count(), PARTS * MOST_IN_PART);
        put(20_000, 20_100, 2);
        assert!(count() < PARTS * MOST_IN_PART, "those of other keys went first");
        assert!(tokens.get(&VerifiedTokens::digest("20099"), 2, 50).is_some());
    }
}
