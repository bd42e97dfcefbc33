//! A receiver: whoever is notified together, how often, and what is answered to Alertmanager.

use super::channel::{Channel, Unsent};
use super::memory::Memory;
use super::webhook::Notification;
use super::{NotifyError, ReceiverConfig};
use crate::calling::call;
use crate::telemetry::metrics::OfNotify;
use governor::{DefaultDirectRateLimiter, Quota};
use reqwest::Client;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};

/// Notifications that wait for one another; more are refused at once.
const MOST_WAITING: usize = 32;
/// How long to wait where nobody says for how long.
const USUAL_WAIT: Duration = Duration::from_secs(10);

/// What came of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everybody has it.
    Sent,
    /// Somebody has not; it should be sent again after this time.
    Again(Duration),
    /// Somebody has not and never will.
    Never,
}

/// A receiver at work.
#[derive(Debug)]
pub(super) struct Receiver {
    config: ReceiverConfig,
    channel: Channel,
    limiter: DefaultDirectRateLimiter,
    waiting: Semaphore,
    state: Mutex<State>,
    metrics: Arc<OfNotify>,
    /// Whether nothing is sent, but shown.
    dry: bool,
}

#[derive(Debug, Default)]
struct State {
    memory: Memory,
    /// Before this time nothing is sent: the receiver said so.
    rests_until: Option<Instant>,
}

impl Receiver {
    pub(super) fn open(config: &ReceiverConfig, client: &Client, metrics: &Arc<OfNotify>, dry: bool) -> Result<Self, NotifyError> {
        let interval = (config.per / config.messages.max(1)).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).expect("an interval of at least a nanosecond");
        let quota = quota.allow_burst(NonZeroU32::new(config.messages).unwrap_or(NonZeroU32::MIN));
        metrics.expect(&config.name);
        Ok(Self {
            channel: Channel::open(config, client)?,
            config: config.clone(),
            limiter: DefaultDirectRateLimiter::direct(quota),
            waiting: Semaphore::new(MOST_WAITING),
            state: Mutex::default(),
            metrics: Arc::clone(metrics),
            dry,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Sends a notification to all who have not got it. One is sent at a time, so that two of the same are one.
    pub(super) async fn notify(&self, notification: &Notification) -> Outcome {
        let Ok(_place) = self.waiting.try_acquire() else { return Outcome::Again(USUAL_WAIT) };
        let mut state = self.state.lock().await;
        let (identity, mut outcome) = (notification.identity(), Outcome::Sent);
        for to in self.channel.recipients() {
            if state.memory.has(&identity, to, Instant::now()) {
                continue;
            }
            match self.send(to, notification, &mut state.rests_until).await {
                Ok(()) => state.memory.got(identity, to, Instant::now()),
                Err(unsent) => outcome = self.note(to, unsent, outcome),
            }
        }
        if outcome == Outcome::Sent {
            state.memory.done(&identity);
        }
        outcome
    }

    async fn send(&self, to: &str, notification: &Notification, rests_until: &mut Option<Instant>) -> Result<(), Unsent> {
        let now = Instant::now();
        if let Some(left) = rests_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero()) {
            return Err(Unsent::Again("it asked to be left alone for a while".into(), Some(left)));
        }
        let letter = self.channel.letter(to, notification, &self.config)?;
        if self.dry {
            println!("{}", serde_json::json!({"receiver": self.config.name, "would_send": letter.shown}));
            return Ok(());
        }
        if self.limiter.check().is_err() {
            return Err(Unsent::Again("more messages than `messages` allows".into(), None));
        }
        let sent = self.channel.outcome(call(letter.request).await);
        if let Err(Unsent::Again(_, Some(wait))) = &sent {
            *rests_until = Some(now + *wait);
        }
        self.metrics.message(&self.config.name, sent.is_ok());
        sent
    }

    /// Notes what was not sent, and what becomes of the notification because of it.
    fn note(&self, to: &str, unsent: Unsent, so_far: Outcome) -> Outcome {
        let (receiver, to) = (self.name(), masked(to));
        match (unsent, so_far) {
            (Unsent::Again(reason, wait), so_far) => {
                tracing::warn!(receiver, to, reason, "a message was not sent");
                let wait = wait.unwrap_or(USUAL_WAIT);
                Outcome::Again(if let Outcome::Again(other) = so_far { wait.max(other) } else { wait })
            }
            (Unsent::Never(reason), so_far) => {
                tracing::error!(receiver, to, reason, "a message cannot be sent");
                if let Outcome::Again(wait) = so_far { Outcome::Again(wait) } else { Outcome::Never }
            }
        }
    }
}

/// The end of a number: enough to tell recipients apart.
fn masked(to: &str) -> String {
    let count = to.chars().count();
    if count < 6 { "…".into() } else { format!("…{}", to.chars().skip(count - 3).collect::<String>()) }
}
