//! What the trees have seen: the last full window of rows, and the beginning of the next.

use crate::space::{Space, leaf};
use synod_sdk::{Error, Reader, Writer};

/// Windows of rows, each row as the leaves to which it comes, one for each tree: what a node holds is how many of these are below it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Stream {
    /// Of the last full window: so many leaves of each tree, in ascending order. Empty if no window has been full.
    pub(crate) reference: Vec<u32>,
    /// Of the rows since: the leaves of each row, one after the other.
    pub(crate) latest: Vec<u32>,
}

impl Stream {
    /// Lets the rows pass in their order. Whenever a window is full, it becomes the reference; windows that a later one replaces are not
    /// looked at.
    pub(crate) fn pass<S: Space>(&mut self, space: &S, trees: u32, height: u32, window: usize, rows: &[&[f64]]) {
        let waiting = self.latest.len() / trees as usize;
        let whole = waiting + rows.len() - (waiting + rows.len()) % window;
        // Counted from the first row that waits; all that wait are before it if any is.
        let begin = whole.saturating_sub(window);
        if begin > 0 {
            self.latest.clear();
        }
        for row in &rows[begin.saturating_sub(waiting)..] {
            self.latest.extend((0..trees).map(|tree| leaf(space, tree, height, row)));
            if self.latest.len() == window * trees as usize {
                self.reference = by_tree(&self.latest, trees as usize);
                self.latest.clear();
            }
        }
    }

    /// The rows to compare with, as sorted leaves of each tree: those of the last full window, or all there were if none has been full.
    pub(crate) fn compared(&self, trees: u32) -> Vec<u32> {
        if self.reference.is_empty() { by_tree(&self.latest, trees as usize) } else { self.reference.clone() }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.numbers(&self.reference).numbers(&self.latest);
    }

    /// The inverse of [`Stream::write`].
    ///
    /// # Errors
    /// When the bytes are not such windows.
    pub(crate) fn read(reader: &mut Reader<'_>, trees: u32, height: u32, window: usize) -> Result<Self, Error> {
        let stream = Self { reference: reader.numbers()?, latest: reader.numbers()? };
        let (trees, full) = (trees as usize, window * trees as usize);
        let counted = (stream.reference.is_empty() || stream.reference.len() == full)
            && stream.latest.len() < full
            && stream.latest.len().is_multiple_of(trees)
            && !(stream.reference.is_empty() && stream.latest.is_empty());
        let ordered = stream.reference.chunks_exact(window).all(<[u32]>::is_sorted);
        let known = stream.reference.iter().chain(&stream.latest).all(|leaf| *leaf < 1 << height);
        if counted && ordered && known { Ok(stream) } else { Err(Error::Model("the model's windows cannot be: fit it again".into())) }
    }
}

/// Leaves of rows as sorted leaves of each tree.
fn by_tree(rows: &[u32], trees: usize) -> Vec<u32> {
    let column = |tree: usize| {
        let mut leaves: Vec<u32> = rows.iter().skip(tree).step_by(trees).copied().collect();
        leaves.sort_unstable();
        leaves
    };
    (0..trees).flat_map(column).collect()
}
