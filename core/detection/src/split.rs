//! Which rows a model learns from, and which are kept from it.

/// A part to learn from and a part to judge by; row numbers, each in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub training: Vec<usize>,
    /// Kept from it.
    pub held_out: Vec<usize>,
}

/// Holds out the latest rows. Rows of one time stay in the order in which they came.
pub fn latest(times: &[i64], rows: &[usize], share: f64) -> Split {
    let mut order = rows.to_vec();
    order.sort_by_key(|row| times[*row]);
    cut(order, share)
}

/// Holds out rows drawn by the seed.
pub fn random(rows: &[usize], share: f64, seed: u64) -> Split {
    cut(drawn(rows, seed), share)
}

/// Holds out rows drawn by the seed, the same share of the anomalies as of the others.
pub fn stratified(labels: &[bool], share: f64, seed: u64) -> Split {
    let part = |wanted: bool| random(&(0..labels.len()).filter(|row| labels[*row] == wanted).collect::<Vec<_>>(), share, seed);
    let (mut all, anomalies) = (part(false), part(true));
    all.training.extend(anomalies.training);
    all.held_out.extend(anomalies.held_out);
    all.training.sort_unstable();
    all.held_out.sort_unstable();
    all
}

/// Divides the rows into so many folds, drawn by the seed: each is held out of one split and learnt from in all others.
pub fn folds(rows: &[usize], count: usize, seed: u64) -> Vec<Split> {
    let order = drawn(rows, seed);
    let split = |fold: usize| {
        let place = |wanted: bool| {
            let mut rows: Vec<usize> =
                order.iter().enumerate().filter(|(place, _)| (place % count == fold) == wanted).map(|(_, row)| *row).collect();
            rows.sort_unstable();
            rows
        };
        Split { training: place(false), held_out: place(true) }
    };
    (0..count).map(split).collect()
}

/// At most so many of the rows, drawn by the seed, in ascending order.
pub fn sample(rows: &[usize], most: usize, seed: u64) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    let mut order = drawn(rows, seed);
    order.truncate(most);
    order.sort_unstable();
    order
}

/// At most so many of the rows, evenly spread.
pub fn thin(rows: &[usize], most: usize) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    (0..most).map(|index| rows[index * rows.len() / most]).collect()
}

/// The rows in an order that the seed draws; it depends on no other row.
fn drawn(rows: &[usize], seed: u64) -> Vec<usize> {
    let mut order = rows.to_vec();
    order.sort_by_key(|row| (draw(seed, *row as u64), *row));
    order
}

fn cut(mut order: Vec<usize>, share: f64) -> Split {
    let held = (order.len() as f64 * share).round() as usize;
    let mut held_out = order.split_off(order.len() - held.min(order.len()));
    order.sort_unstable();
    held_out.sort_unstable();
    Split { training: order, held_out }
}

/// A number that looks random, from the seed and a counter (SplitMix64; Steele, Lea and Flood 2014, figure 16).
fn draw(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93).wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_rows_are_held_out() {
        assert_eq!(latest(&[5, 1, 4, 2], &[0, 1, 2, 3], 0.5), Split { training: vec![1, 3], held_out: vec![0, 2] });
        assert_eq!(latest(&[7, 7, 7, 7], &[0, 1, 2, 3], 0.25).held_out, [3]);
    }

    #[test]
    fn a_draw_depends_on_its_seed_alone() {
        let rows: Vec<usize> = (0..1000).collect();
        let split = random(&rows, 0.3, 1);
        assert_eq!(split, random(&rows, 0.3, 1));
        assert_ne!(split, random(&rows, 0.3, 2));
        assert_eq!((split.training.len(), split.held_out.len()), (700, 300));
        let mean = split.held_out.iter().sum::<usize>() as f64 / 300.0;
        assert!((mean - 500.0).abs() < 60.0, "{mean}");
    }

    #[test]
    fn strata_keep_their_share() {
        let labels: Vec<bool> = (0..200).map(|row| row % 10 == 0).collect();
        let split = stratified(&labels, 0.3, 4);
        assert_eq!((split.held_out.len(), split.held_out.iter().filter(|row| labels[**row]).count()), (60, 6));
    }

    #[test]
    fn every_row_is_held_out_of_one_fold() {
        let rows: Vec<usize> = (5..58).collect();
        let folds = folds(&rows, 5, 3);
        let mut held_out: Vec<usize> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        held_out.sort_unstable();
        assert_eq!(held_out, rows);
        for fold in &folds {
            assert!(fold.held_out.len().abs_diff(10) <= 1 && fold.training.len() + fold.held_out.len() == rows.len());
            assert!(fold.training.iter().all(|row| !fold.held_out.contains(row)));
        }
    }

    #[test]
    fn a_sample_has_the_size_that_was_asked_for() {
        let rows: Vec<usize> = (0..1000).collect();
        let drawn = sample(&rows, 100, 1);
        assert!(drawn.len() == 100 && drawn.is_sorted_by(|one, next| one < next) && drawn != sample(&rows, 100, 2));
        assert_eq!(sample(&rows[..50], 100, 1), rows[..50]);
    }

    #[test]
    fn thinning_is_even() {
        assert_eq!(thin(&[1, 2, 3, 4, 5, 6], 3), [1, 3, 5]);
        assert_eq!(thin(&[1, 2], 3), [1, 2]);
    }
}
