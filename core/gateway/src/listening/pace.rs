//! A request's body that has to come at a pace: whoever sends a byte now and then keeps what reads it busy for nothing.

use super::Limits;
use super::activity::Deadline;
use crate::telemetry::metrics::Connections;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::time::{Sleep, sleep_until};

/// Why a body does not come.
#[derive(Debug, Error)]
pub(super) enum BodyError<E> {
    /// It comes too slowly.
    #[error("the body comes too slowly")]
    TooSlow,
    /// The connection or the stream broke off.
    #[error("the body broke off")]
    Broken(#[source] E),
}

/// A body that ends in an error when it falls behind: it may take `body` in all, and after `body_grace` it must have come at `body_rate`.
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
    metrics: &'static Connections,
    /// When it was first asked for.
    since: Option<Instant>,
    received: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    given_up: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    longest: Duration,
    grace: Duration,
    rate: u32,
}

impl Pace {
    /// How long a body may have taken when so much of it has come.
    fn allows(self, received: u64) -> Duration {
        let earned = Duration::try_from_secs_f64(received as f64 / f64::from(self.rate)).unwrap_or(self.longest);
        self.grace.saturating_add(earned).min(self.longest)
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, limits: &Limits, metrics: &'static Connections) -> Self {
        let rate = u32::try_from(limits.body_rate).unwrap_or(u32::MAX).max(1);
        let pace = Pace { longest: limits.body, grace: limits.body_grace, rate };
        Self { body, pace, metrics, since: None, received: 0, sleep: None, given_up: false }
    }

    fn until(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now) + self.pace.allows(self.received)
    }

    fn too_slow<E>(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError<E>>>> {
        self.given_up = true;
        self.metrics.overdue(Deadline::Body);
        Poll::Ready(Some(Err(BodyError::TooSlow)))
    }

    /// Waits until it is too late for more.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = self.until().into();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(context)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.given_up {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                // Empty frames can come without a pause, and would never be waited for.
                if self.until() < Instant::now() {
                    return self.too_slow();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.poll_overdue(context));
                self.too_slow()
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.given_up || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, StreamBody};

    #[test]
    fn time_is_earned_by_bytes_up_to_the_longest() {
        let second = Duration::from_secs;
        let pace = Pace { longest: second(60), grace: second(10), rate: 256 };
        let table = [(0, 10), (256, 11), (2560, 20), (12_800, 60), (u64::MAX, 60)];
        for (received, allowed) in table {
            assert_eq!(pace.allows(received), second(allowed), "{received} bytes");
        }
    }

    #[tokio::test]
    async fn frames_without_bytes_earn_no_time() {
        let frames = futures_util::stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::new())));
        let milliseconds = Duration::from_millis;
        let pace = Pace { longest: milliseconds(500), grace: milliseconds(50), rate: 1 };
        let metrics = Connections::all();
        let mut body = Paced { body: StreamBody::new(frames), pace, metrics, since: None, received: 0, sleep: None, given_up: false };
        let started = Instant::now();
        while body.frame().await.is_some_and(|frame| frame.is_ok()) {
            assert!(started.elapsed() < Duration::from_secs(20), "they are taken for ever");
        }
        assert!(started.elapsed() >= milliseconds(50));
        assert!(body.frame().await.is_none(), "after an error nothing comes");
    }
}
