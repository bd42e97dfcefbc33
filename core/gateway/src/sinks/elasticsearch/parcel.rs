//! Documents that wait to be sent, in the order of their records.

use super::pace::Pace;
use crate::documents::{Document, Stream};
use std::collections::VecDeque;

/// A document that waits.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) document: Document,
    /// Of a dead letter: what was refused.
    pub(super) refused: Option<Box<Document>>,
    /// Of a dead letter: whether it holds but the beginning of what was refused.
    pub(super) is_short: bool,
    /// Whether it may have been taken, without anybody having heard of it.
    pub(super) is_doubtful: bool,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// With how many others it may be sent at most: a larger request with it was refused as a whole.
    pub(super) limit: usize,
}

impl Item {
    pub(super) fn new(document: Document, is_doubtful: bool) -> Self {
        // What is a dead letter from the beginning is a record that could not be read.
        Self { document, refused: None, is_short: false, is_doubtful, attempts: 0, limit: usize::MAX }
    }

    /// Whether it is a dead letter.
    pub(super) fn is_dead(&self) -> bool {
        self.document.stream == Stream::DeadLetter
    }

    /// Whether it cannot be made smaller.
    pub(super) fn is_short(&self) -> bool {
        self.is_short || self.refused.is_none()
    }
}

/// Documents that wait.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    items: VecDeque<Item>,
}

impl Parcel {
    pub(super) fn new(items: VecDeque<Item>) -> Self {
        Self { items }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes out as many as may be sent at a time: what goes into each request.
    pub(super) fn chunks(&mut self, pace: &Pace) -> Vec<Vec<Item>> {
        let mut chunks = Vec::new();
        while chunks.len() < pace.requests() && !self.items.is_empty() {
            chunks.push(self.chunk(pace));
        }
        chunks
    }

    fn chunk(&mut self, pace: &Pace) -> Vec<Item> {
        let (mut chunk, mut bytes, mut most) = (Vec::new(), 0, pace.documents());
        while let Some(item) = self.items.front() {
            bytes += item.document.json.len();
            most = most.min(item.limit);
            if !chunk.is_empty() && (chunk.len() >= most || bytes > pace.bytes()) {
                break;
            }
            chunk.extend(self.items.pop_front());
        }
        chunk
    }

    /// Puts documents back that have to be sent again.
    pub(super) fn back(&mut self, items: impl IntoIterator<Item = Item>) {
        self.items.extend(items);
    }

    /// Puts back a chunk that was refused as a whole, to be sent in halves; one document alone becomes what `bury` makes of it.
    pub(super) fn halve(&mut self, mut chunk: Vec<Item>, bury: impl FnOnce(Item) -> Item) {
        match chunk.len() {
            0 => {}
            1 => self.items.extend(chunk.pop().map(bury)),
            count => self.back(chunk.into_iter().map(|item| Item { limit: count.div_ceil(2), attempts: item.attempts + 1, ..item })),
        }
    }

    /// Puts what was put back where it was.
    pub(super) fn in_order(&mut self) {
        self.items.make_contiguous().sort_by_key(|item| item.document.sequence);
    }

    /// Those that may have been taken.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.is_doubtful)
    }

    /// Takes out what is there already, of those that may have been taken, and has no doubt about the others; answers how many were there, and how many
    /// of these are dead letters.
    pub(super) fn settle_doubts(&mut self, is_there: impl Fn(&Item) -> bool) -> (u64, u64) {
        let (mut found, mut dead) = (0, 0);
        self.items.retain_mut(|item| {
            let is_found = std::mem::take(&mut item.is_doubtful) && is_there(item);
            found += u64::from(is_found);
            dead += u64::from(is_found && item.is_dead());
            !is_found
        });
        (found, dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sequence: u64, bytes: usize) -> Item {
        let document = Document { stream: Stream::App, id: sequence.to_string(), at: 0, sequence, json: vec![b'x'; bytes] };
        Item::new(document, false)
    }

    fn sequences(chunks: &[Vec<Item>]) -> Vec<Vec<u64>> {
        chunks.iter().map(|chunk| chunk.iter().map(|item| item.document.sequence).collect()).collect()
    }

    #[test]
    fn chunks_are_bounded_by_documents_bytes_and_requests() {
        let pace = Pace::fixed(3, 100, 2);
        let mut parcel = Parcel::new((1..=8).map(|sequence| item(sequence, if sequence == 4 { 500 } else { 40 })).collect());
        assert_eq!(sequences(&parcel.chunks(&pace)), [vec![1, 2], vec![3]]);
        assert_eq!(sequences(&parcel.chunks(&pace)), [vec![4], vec![5, 6]], "one that is too large goes alone");
        assert_eq!(sequences(&parcel.chunks(&pace)), [vec![7, 8]]);
    }

    #[test]
    fn a_refused_chunk_is_halved_down_to_one_document() {
        let pace = Pace::fixed(100, 10_000, 1);
        let mut parcel = Parcel::new((1..=4).map(|sequence| item(sequence, 10)).collect());
        let mut sizes = Vec::new();
        // Number 3 is what makes a request too large.
        while !parcel.is_empty() {
            let chunk = parcel.chunks(&pace).remove(0);
            sizes.push(chunk.len());
            if chunk.iter().any(|item| item.document.sequence == 3) {
                parcel.halve(chunk, |item| Item { document: Document { sequence: 33, ..item.document }, ..item });
                parcel.in_order();
            }
        }
        assert_eq!(sizes, [4, 2, 2, 1, 1, 1]);
    }

    #[test]
    fn what_is_found_is_taken_out_and_the_others_are_sent() {
        let doubtful = |sequence| Item { is_doubtful: true, ..item(sequence, 1) };
        let mut parcel = Parcel::new([doubtful(1), item(2, 1), doubtful(3)].into());
        assert_eq!(parcel.settle_doubts(|item| item.document.sequence < 3), (1, 0));
        assert_eq!(
            parcel.items.iter().map(|item| (item.document.sequence, item.is_doubtful)).collect::<Vec<_>>(),
            [(2, false), (3, false)]
        );
    }
}
