//! Ports for processes that cannot say which one they got.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A port that is free at the moment, for a process that is started a little later: from below those that the system gives away by itself, lest
/// another connection has it by then.
///
/// # Panics
/// When hardly any port is free.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let first = std::process::id() as usize * 37;
    let candidates = std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::SeqCst)) % 12_000);
    let is_free = |port: &u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], *port))).is_ok();
    candidates.take(1000).map(|port| port as u16).find(is_free).expect("one of a thousand ports is free")
}
