//! A closed loop: each connection sends its next request when the answer to its last one is there.
//!
//! To wake a sleeping client costs a server many microseconds on a virtual machine, more than the whole of a small request; and the slower
//! the server, the oftener the client sleeps. So a client with a processor of its own stays awake, and no target is charged for waking it.

use crate::connection::{Address, Connection};
use crate::fault::{Doing, Fault};
use crate::processor::Spent;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long after its end a measurement may still wait for answers.
const LATE: Duration = Duration::from_secs(30);

/// What to ask, how often, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: Address,
    /// The process whose time is counted.
    pub(crate) process: u32,
    /// Sent one after the other, again from the first after the last.
    pub(crate) requests: Arc<[Vec<u8>]>,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// Whether to look for answers all the time instead of sleeping until they come.
    pub(crate) awake: bool,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Measured {
    /// How long each request took, ascending. All of them were answered with status 200.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Of the server's process.
    pub(crate) processor: Duration,
}

impl Load {
    /// Asks for so long, with connections that are open and have been used.
    ///
    /// # Errors
    /// When one request fails, or is not answered within [`LATE`].
    pub(crate) async fn measure(&self) -> Result<Measured, Fault> {
        tokio::time::timeout(self.duration + LATE, self.measure_patiently()).await.doing("the server does not answer")?
    }

    async fn measure_patiently(&self) -> Result<Measured, Fault> {
        let mut open = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let mut connection = Connection::open(&self.address).await?;
            ask(&mut connection, &self.requests[0]).await?;
            open.push(connection);
        }
        let mut running = JoinSet::new();
        let mut awake = JoinSet::new();
        if self.awake {
            awake.spawn(stay_awake());
        }
        let before = Spent::by(self.process)?;
        let begun = Instant::now();
        for (number, connection) in open.into_iter().enumerate() {
            // Connections are out of step, so that they do not all ask for the same row at a time.
            let first = number * self.requests.len() / self.connections;
            running.spawn(keep_asking(connection, self.requests.clone(), first, begun + self.duration));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            latencies.extend(ended.doing("a connection's task ended")??);
        }
        let (elapsed, after) = (begun.elapsed(), Spent::by(self.process)?);
        latencies.sort_unstable();
        Ok(Measured { latencies, elapsed, processor: after.since(&before) })
    }
}

async fn keep_asking(mut connection: Connection, requests: Arc<[Vec<u8>]>, first: usize, end: Instant) -> Result<Vec<Duration>, Fault> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut begun = Instant::now();
    for request in requests.iter().cycle().skip(first) {
        ask(&mut connection, request).await?;
        let answered = Instant::now();
        latencies.push(answered - begun);
        begun = answered;
        if answered >= end {
            break;
        }
    }
    Ok(latencies)
}

/// Keeps the runtime from sleeping until it is dropped.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

async fn ask(connection: &mut Connection, request: &[u8]) -> Result<(), Fault> {
    let answer = connection.ask(request).await?;
    match answer.status {
        200 => Ok(()),
        status => Err(format!("a request was answered with {status}: {}", String::from_utf8_lossy(answer.body)).into()),
    }
}
