//! What a connection is waiting for, and until when it may.

use super::Limits;
use super::head::Head;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a client of HTTP/2 begins; with HTTP/1.1 no request can begin so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// While a request is worked on, it is the route that watches the time. It is looked again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What keeps a connection waiting too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The handshake of TLS.
    Handshake,
    /// The first byte.
    FirstByte,
    /// The rest of a request's head.
    Header,
    /// The next request.
    Idle,
    /// The client takes nothing of an answer.
    Stall,
    /// A request's body, which is not waited for any longer; the request is answered.
    Body,
}

impl Deadline {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Handshake, Self::FirstByte, Self::Header, Self::Idle, Self::Stall, Self::Body];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::FirstByte => "first_byte",
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Stall => "stall",
            Self::Body => "body",
        }
    }
}

/// What happens on a connection, told by its stream and its requests.
#[derive(Debug)]
pub(super) struct Activity {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Of the preface of HTTP/2, what has come so far; none if it was something else.
    preface: Option<usize>,
    /// When the first byte of a head came whose request has not.
    head: Option<Instant>,
    /// How far that head has come.
    lines: Head,
    /// When the last request was over.
    quiet: Instant,
    /// Whether anything came.
    spoken: bool,
    /// Requests that have no answer yet.
    working: usize,
    /// Answers that are not written.
    answering: usize,
    /// Whether the client has to take bytes before more can be written.
    blocked: bool,
    /// When it took some for the last time, or was first expected to.
    written: Instant,
}

impl Activity {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            preface: Some(0),
            head: None,
            lines: Head::default(),
            quiet: now,
            spoken: false,
            working: 0,
            answering: 0,
            blocked: false,
            written: now,
        };
        Arc::new(Self { limits, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came. Those of a head that cannot be borne are changed, so that it is refused, which is told; see [`Head::check`].
    pub(super) fn read(&self, bytes: &mut [u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let mut state = self.state();
        state.spoken = true;
        if let Some(known) = state.preface.filter(|known| *known < PREFACE.len()) {
            let rest = &PREFACE[known..];
            let compared = rest.len().min(bytes.len());
            state.preface = (rest[..compared] == bytes[..compared]).then_some(known + compared);
        }
        if state.working == 0 && state.answering == 0 && state.head.is_none() {
            state.head = Some(Instant::now());
            state.lines = Head::default();
        }
        // The preface itself is a head; what follows it is no text.
        state.head.is_some() && state.preface != Some(PREFACE.len()) && state.lines.check(bytes)
    }

    /// Bytes were taken.
    pub(super) fn wrote(&self) {
        let mut state = self.state();
        state.blocked = false;
        state.written = Instant::now();
    }

    /// Nothing is left that the client would have to take.
    pub(super) fn flushed(&self) {
        self.state().blocked = false;
    }

    /// Nothing more can be written for now.
    pub(super) fn blocked(&self) {
        let mut state = self.state();
        if !state.blocked {
            state.blocked = true;
            state.written = Instant::now();
        }
    }

    /// A request's head has come.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        state.head = None;
        state.working += 1;
        UnderWay { activity: self.clone(), answering: false }
    }

    /// Until when the connection may wait, and for what; none: it is to be asked again then.
    pub(super) fn deadline(&self) -> (Instant, Option<Deadline>) {
        let (state, limits) = (self.state(), &self.limits);
        let speaks_http2 = state.preface == Some(PREFACE.len());
        if state.blocked || state.answering > 0 {
            (state.written + limits.stall, Some(Deadline::Stall))
        } else if state.working > 0 {
            (Instant::now() + LOOK_AGAIN, None)
        } else if !state.spoken {
            (state.quiet + limits.first_byte, Some(Deadline::FirstByte))
        } else if let Some(head) = state.head.filter(|_| !speaks_http2) {
            (head + limits.header, Some(Deadline::Header))
        } else {
            // With HTTP/2 not every byte is one of a head; there idleness is having no request.
            (state.quiet + limits.idle, Some(Deadline::Idle))
        }
    }
}

/// A request, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    answering: bool,
}

impl UnderWay {
    /// The answer is there and has to be written.
    pub(super) fn answer(&mut self) {
        let mut state = self.activity.state();
        state.working -= 1;
        if state.answering == 0 && !state.blocked {
            state.written = Instant::now();
        }
        state.answering += 1;
        self.answering = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        if self.answering {
            state.answering -= 1;
        } else {
            state.working -= 1;
        }
        state.quiet = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let second = Duration::from_secs;
        Limits {
            connections: 1,
            connections_per_address: 1,
            handshake: second(1),
            first_byte: second(2),
            header: second(3),
            idle: second(4),
            stall: second(5),
            body: second(6),
            body_grace: second(7),
            body_rate: 1,
            streams: 1,
            header_size: 8192,
            header_count: 1,
        }
    }

    #[test]
    fn a_connection_waits_for_one_thing_at_a_time() {
        let activity = Activity::new(limits());
        let awaited = || activity.deadline().1;
        assert_eq!(awaited(), Some(Deadline::FirstByte));
        activity.read(&mut b"GET".to_vec());
        let until = activity.deadline();
        activity.read(&mut b" / HTTP/1.1".to_vec());
        assert_eq!((activity.deadline(), until.1), (until, Some(Deadline::Header)), "a drip does not put it off");
        let mut request = activity.begin();
        assert_eq!(awaited(), None);
        request.answer();
        assert_eq!(awaited(), Some(Deadline::Stall));
        drop(request);
        assert_eq!(awaited(), Some(Deadline::Idle));
        activity.read(&mut b"G".to_vec());
        assert_eq!(awaited(), Some(Deadline::Header), "the next head has its time as well");
        activity.blocked();
        assert_eq!(awaited(), Some(Deadline::Stall));
        activity.wrote();
        assert_eq!(awaited(), Some(Deadline::Header));
    }

    #[test]
    fn a_preface_makes_it_idle_and_half_of_one_does_not() {
        let activity = Activity::new(limits());
        activity.read(&mut PREFACE[..9].to_vec());
        assert_eq!(activity.deadline().1, Some(Deadline::Header));
        activity.read(&mut [&PREFACE[9..], b"more"].concat());
        assert_eq!(activity.deadline().1, Some(Deadline::Idle));
        let other = Activity::new(limits());
        other.read(&mut b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n".to_vec());
        assert_eq!(other.deadline().1, Some(Deadline::Header));
    }
}
