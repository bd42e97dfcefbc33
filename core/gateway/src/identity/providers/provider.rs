//! One identity provider: its keys as they were fetched last, when they are fetched again, and what its tokens say in our words.
//!
//! Keys are fetched by one task and nobody else. A token whose key is not known asks that task for a fetch, and waits for it. So there is one
//! fetch at a time, and a client that goes away ends none.

use super::TokenRefused;
use super::discovery::{Discovered, DiscoveryMistake, Endpoints};
use super::fetching::{FetchError, Fetcher};
use super::{KeysAt, ProviderConfig};
use crate::calling::{ClientMistake, jittered};
use crate::listening::chain;
use crate::telemetry::metrics::KeySets;
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use synod_identity::{IssuerMistake, KeySet, KeySetMistake, Principal, Refused, Verifier};
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a token waits for a newer key set.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Tokens that wait for one at a time; more are refused at once. Anybody can send a token with a key that nobody knows.
const MOST_WAITING: usize = 256;
/// How often one token looks at a newer key set: once for the fetch that was under way when it came, once for one that began later.
const ROUNDS: usize = 2;
/// After a failure it is tried again, at first after so long and then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// But no longer than this, or `refresh` if that is shorter.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// A provider, and its keys.
#[derive(Debug)]
pub(in crate::identity) struct Provider {
    config: ProviderConfig,
    fetcher: Fetcher,
    keys: ArcSwapOption<Keys>,
    /// Of all providers: counts changes of key sets.
    generation: Arc<AtomicU64>,
    /// Wakes the task that fetches.
    asked: Notify,
    state: Mutex<State>,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
    waiting: Semaphore,
}

/// What was fetched last.
#[derive(Debug)]
struct Keys {
    verifier: Verifier,
    /// The key set as it was sent, to see whether another one is another one.
    document: Vec<u8>,
    login: Option<Endpoints>,
}

/// Whether keys are being fetched, and when tokens may ask for it again.
#[derive(Debug)]
struct State {
    fetching: bool,
    next_asking: Instant,
}

/// Why no keys came.
#[derive(Debug, Error)]
enum KeysError {
    #[error("cannot fetch the discovery document")]
    Discovery(#[source] FetchError),
    #[error(transparent)]
    Mistake(#[from] DiscoveryMistake),
    #[error("cannot fetch the key set")]
    Fetch(#[source] FetchError),
    #[error("the key set cannot be used")]
    KeySet(#[from] KeySetMistake),
    #[error("the issuer cannot be used")]
    Issuer(#[from] IssuerMistake),
}

impl KeysError {
    fn code(&self) -> &'static str {
        match self {
            Self::Discovery(error) | Self::Fetch(error) => error.code(),
            Self::Mistake(mistake) => mistake.code(),
            Self::KeySet(_) => "bad_keys",
            Self::Issuer(_) => "bad_issuer",
        }
    }
}

impl Provider {
    pub(super) fn new(config: ProviderConfig, generation: Arc<AtomicU64>) -> Result<Self, ClientMistake> {
        let fetcher = Fetcher::new(config.root.as_deref(), config.private)?;
        // The first fetch is as good as under way: what comes before it has ended waits for it.
        let state = Mutex::new(State { fetching: true, next_asking: Instant::now() });
        let (keys, asked, ended, waiting) = (ArcSwapOption::empty(), Notify::new(), watch::Sender::new(0), Semaphore::new(MOST_WAITING));
        Ok(Self { config, fetcher, keys, generation, asked, state, ended, waiting })
    }

    pub(in crate::identity) fn config(&self) -> &ProviderConfig {
        &self.config
    }

    pub(in crate::identity) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Whether tokens can be verified.
    pub(super) fn is_ready(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Where people log in, if the provider said so.
    pub(in crate::identity) fn login(&self) -> Option<Endpoints> {
        self.keys.load().as_ref()?.login.clone()
    }

    /// What a check says with the keys that there are. If it does not know the key, it is asked again with newer ones, should there be any
    /// soon.
    pub(in crate::identity) async fn check<T>(&self, check: impl Fn(&Verifier) -> Result<T, Refused>) -> Result<T, TokenRefused> {
        let first = self.with_keys(&check);
        if !asks_for_keys(&first) {
            return first;
        }
        // From here on no fetch ends unnoticed; one may just have.
        let mut ended = self.ended.subscribe();
        let mut found = self.with_keys(&check);
        let deadline = Instant::now() + LONGEST_WAIT;
        for _ in 0..ROUNDS {
            if !asks_for_keys(&found) || !self.fetched(&mut ended, deadline).await {
                break;
            }
            found = self.with_keys(&check);
        }
        found
    }

    /// Roles of ours for what the issuer calls them.
    pub(in crate::identity) fn in_our_words(&self, mut principal: Principal) -> Principal {
        if !self.config.roles.is_empty() {
            principal.roles = principal.roles.iter().filter_map(|role| self.config.roles.get(role).cloned()).collect();
        }
        principal
    }

    fn with_keys<T>(&self, check: impl Fn(&Verifier) -> Result<T, Refused>) -> Result<T, TokenRefused> {
        let keys = self.keys.load();
        check(&keys.as_ref().ok_or(TokenRefused::NoKeys)?.verifier).map_err(TokenRefused::Token)
    }

    /// Waits until a fetch has ended, if one is under way or may be asked for, and if that is soon.
    async fn fetched(&self, ended: &mut watch::Receiver<u64>, deadline: Instant) -> bool {
        if !ended.has_changed().unwrap_or(false) && !self.ask(deadline) {
            return false;
        }
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        timeout_at(deadline, ended.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    /// Asks for a fetch, unless one is under way. Whether there is one to wait for.
    fn ask(&self, deadline: Instant) -> bool {
        let state = self.state();
        if state.fetching {
            return true;
        }
        // Without keys it is tried again and again in any case.
        let soon = self.is_ready() && state.next_asking < deadline;
        if soon {
            self.asked.notify_one();
        }
        soon
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the keys now, every `refresh`, and when tokens ask. It never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            self.state().fetching = true;
            failures = if self.fetch().await { 0 } else { failures + 1 };
            self.state().fetching = false;
            self.ended.send_modify(|ended| *ended += 1);
            let next = Instant::now() + jittered(self.pause(failures));
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.due_by_asking() => {}
            }
        }
    }

    /// Ends when somebody has asked and it is time to.
    async fn due_by_asking(&self) {
        self.asked.notified().await;
        let next = self.state().next_asking;
        sleep_until(next).await;
        self.state().next_asking = Instant::now() + self.config.refetch;
    }

    fn pause(&self, failures: u32) -> Duration {
        match failures {
            0 => self.config.refresh,
            failures => (FIRST_RETRY * 2_u32.pow(failures.min(16) - 1)).min(LONGEST_RETRY).min(self.config.refresh),
        }
    }

    /// Fetches the keys, and takes them over if they are good. Whether they are.
    async fn fetch(&self) -> bool {
        let name = &self.config.name;
        let fetched = self.fetch_keys().await;
        let result = fetched.as_ref().map_or_else(KeysError::code, |_| "fetched");
        KeySets::all().fetched(name, result, Timestamp::now().as_second());
        match fetched {
            Ok(keys) => self.take_over(keys),
            Err(error) => {
                let (reason, error, kept) = (error.code(), chain(&error), self.is_ready());
                tracing::warn!(issuer = name, reason, error, kept, "the keys of an identity provider cannot be fetched");
                return false;
            }
        }
        true
    }

    async fn fetch_keys(&self) -> Result<Keys, KeysError> {
        let (url, login) = match &self.config.keys_at {
            KeysAt::KeySet(url) => (url.clone(), None),
            KeysAt::Discovery(url) => {
                let document = self.fetcher.get(url).await.map_err(KeysError::Discovery)?;
                let found = Discovered::read(&document, &self.config.issuer.issuer, self.config.private)?;
                (found.key_set, found.login)
            }
        };
        let document = self.fetcher.get(&url).await.map_err(KeysError::Fetch)?;
        let verifier = Verifier::new(self.config.issuer.clone(), KeySet::read(&document)?)?;
        Ok(Keys { verifier, document, login })
    }

    fn take_over(&self, keys: Keys) {
        let changed = self.keys.load().as_ref().is_none_or(|before| before.document != keys.document);
        if changed {
            let set = keys.verifier.keys();
            let ids: Vec<&str> = set.ids().map(|id| id.unwrap_or("(none)")).collect();
            let left_out: Vec<String> = set.left_out().iter().map(|key| format!("{}: {}", key.place, key.reason)).collect();
            let (issuer, keys, left_out) = (&self.config.name, ids.join(" "), left_out.join(", "));
            tracing::info!(issuer, keys, left_out, "an identity provider has other keys than before");
        }
        self.keys.store(Some(Arc::new(keys)));
        if changed {
            // After the keys: who sees the new number, sees the new keys.
            self.generation.fetch_add(1, Ordering::Release);
        }
    }
}

/// Whether newer keys, or any, could make a difference.
fn asks_for_keys<T>(found: &Result<T, TokenRefused>) -> bool {
    match found {
        Err(TokenRefused::NoKeys) => true,
        Err(TokenRefused::Token(refused)) => refused.asks_for_keys(),
        _ => false,
    }
}
