//! Finds out what was taken without anybody having heard of it.

use super::nodes::Nodes;
use super::parcel::{Item, Parcel};
use crate::documents::{Origin, Stream};
use crate::ledger::Tally;
use crate::sinks::Failure;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Ids in one search.
const AT_A_TIME: usize = 1000;

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    timed_out: bool,
    #[serde(default)]
    hits: Hits,
}

#[derive(Debug, Default, Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Debug, Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
}

/// Takes out of a parcel what is there already of what may have been taken.
///
/// # Errors
/// When it cannot be found out. Nothing is changed then.
pub(super) async fn settle_doubts(nodes: &Nodes, origin: &Origin, parcel: &mut Parcel, tally: &mut Tally) -> Result<(), Failure> {
    let mut doubtful: BTreeMap<Stream, Vec<&str>> = BTreeMap::new();
    for item in parcel.doubtful() {
        doubtful.entry(item.document.stream).or_default().push(&item.document.id);
        // Before the crash it may have become a dead letter.
        if !item.is_dead() {
            doubtful.entry(Stream::DeadLetter).or_default().push(&item.document.id);
        }
    }
    if doubtful.is_empty() {
        return Ok(());
    }
    let mut found = BTreeSet::new();
    for (stream, ids) in &doubtful {
        let name = origin.data_stream(*stream);
        if !nodes.refresh(&name).await? {
            tracing::warn!(
                stream = name,
                "the key may not refresh or read: what was taken unheard of before a rollover may be there twice"
            );
            continue;
        }
        for ids in ids.chunks(AT_A_TIME) {
            found.extend(search(nodes, &name, ids).await?.into_iter().map(|id| (*stream, id)));
        }
    }
    let is_there = |stream, item: &Item| found.contains(&(stream, item.document.id.clone()));
    // A dead letter of it is as good as itself: somebody looks after it.
    let is_dead = |item: &Item| is_there(Stream::DeadLetter, item);
    let dead_before =
        parcel.doubtful().filter(|item| !item.is_dead() && is_dead(item) && !is_there(item.document.stream, item)).count() as u64;
    let (taken, dead) = parcel.settle_doubts(|item| is_there(item.document.stream, item) || is_dead(item));
    let dead = dead + dead_before;
    tally.repeated += taken;
    tally.dead += dead;
    tally.delivered += taken - dead;
    Ok(())
}

/// Which of these ids a data stream has, in whichever of its indices.
async fn search(nodes: &Nodes, stream: &str, ids: &[&str]) -> Result<Vec<String>, Failure> {
    let body = json!({"size": ids.len(), "_source": false, "track_total_hits": false, "query": {"ids": {"values": ids}}});
    let answered = nodes.search(stream, body.to_string()).await?;
    let answer: Answer = serde_json::from_slice(&answered)
        .map_err(|error| Failure::new("answer", format!("the answer to a search for ids cannot be read: {error}")))?;
    if answer.timed_out {
        return Err(Failure::new("late", "a search for ids took too long"));
    }
    Ok(answer.hits.hits.into_iter().map(|hit| hit.id).collect())
}
