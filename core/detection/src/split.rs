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
    let mut order = rows.to_vec();
    order.sort_by_key(|row| (draw(seed, *row as u64), *row));
    cut(order, share)
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

/// At most so many of the rows, evenly spread.
pub fn thin(rows: &[usize], most: usize) -> Vec<usize> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    (0..most).map(|index| rows[index * rows.len() / most]).collect()
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
    fn thinning_is_even() {
        assert_eq!(thin(&[1, 2, 3, 4, 5, 6], 3), [1, 3, 5]);
        assert_eq!(thin(&[1, 2], 3), [1, 2]);
    }
}
