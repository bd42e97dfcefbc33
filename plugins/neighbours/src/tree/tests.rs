//! The search against plain sorting and against linfa-nn.

use super::*;
use crate::metric::{Cosine, Euclidean, Manhattan, Minkowski};
use crate::prepare::directions;
use crate::testing::rows;
use ndarray::Array2;
use proptest::prelude::*;

/// The numbers of all rows.
pub(crate) fn all(rows: &Array2<f64>) -> Vec<u32> {
    (0..rows.nrows() as u32).collect()
}

/// What every search must find: the sums of all rows, sorted, those of equal sums by their number.
fn by_sorting<D: Distance>(distance: D, rows: &Array2<f64>, query: &[f64], count: usize, except: Option<usize>) -> Vec<(u64, u32)> {
    let sum = |row: usize| rows.row(row).iter().zip(query).fold(0.0, |sum, (one, other)| sum + distance.part(one - other));
    let mut all: Vec<(f64, u32)> = (0..rows.nrows()).filter(|row| Some(*row) != except).map(|row| (sum(row), row as u32)).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    all.into_iter().take(count).map(|(sum, row)| (sum.to_bits(), row)).collect()
}

fn found(nearest: &mut Nearest) -> Vec<(u64, u32)> {
    nearest.take().iter().map(|near| (near.sum.to_bits(), near.index)).collect()
}

fn search<D: Distance>(tree: &Tree, distance: D, query: &[f64], except: Option<u32>, count: usize) -> Vec<(u64, u32)> {
    let mut nearest = Nearest::new(count);
    nearest.clear(count);
    tree.search(distance, query, &mut Shortlist::default(), except, &mut nearest);
    found(&mut nearest)
}

fn assert_exact<D: Distance>(distance: D, rows: &Array2<f64>, count: usize) {
    let (exact, tree) = (Tree::build(rows.view(), &all(rows), false), Tree::build(rows.view(), &all(rows), true));
    for position in (0..rows.nrows()).step_by(1 + rows.nrows() / 12) {
        let row = tree.row(position).to_vec();
        let between: Vec<f64> = row.iter().map(|value| value + 0.5).collect();
        let number = tree.order()[position] as usize;
        for (query, except) in [(&row, Some(number)), (&row, None), (&between, None)] {
            let expected = by_sorting(distance, rows, query, count, except);
            let except = except.map(|_| position as u32);
            let what = format!("{:?}, {count} of row {number}, {except:?}", rows.dim());
            assert_eq!(search(&tree, distance, query, except, count), expected, "{what}");
            assert_eq!(search(&exact, distance, query, except, count), expected, "{what}, without a coarse copy");
            let mut nearest = Nearest::new(count);
            tree.offer(distance, query, 0..tree.shape.groups, except, &mut nearest);
            assert_eq!(found(&mut nearest), expected, "all rows searched");
        }
    }
}

#[test]
fn the_nearest_are_found_bit_for_bit_and_ties_by_their_number() {
    for count in [2, 8, 9, 33, 64, 65, 257, 1_000] {
        for width in [1, 3, 8, 50] {
            // Whole numbers up to 4 are often equally far from each other, and often equal.
            for rows in [rows(count, width), rows(count, width).mapv(|value| value.round().clamp(-2.0, 2.0))] {
                for wanted in [1, 7, 40] {
                    let wanted = wanted.min(count - 1);
                    assert_exact(Euclidean, &rows, wanted);
                    assert_exact(Manhattan, &rows, wanted);
                    assert_exact(Minkowski(2.5), &rows, wanted);
                }
            }
        }
    }
}

#[test]
fn a_model_of_rows_in_any_order_finds_the_same() {
    let rows = rows(500, 4);
    let shuffled: Vec<u32> = (0..500).map(|row| row * 77 % 500).collect();
    let values: Vec<f64> = shuffled.iter().flat_map(|row| rows.row(*row as usize).to_vec()).collect();
    let (tree, other) = (Tree::build(rows.view(), &all(&rows), true), Tree::from_sorted(4, shuffled, values, true));
    for row in rows.rows() {
        assert_eq!(search(&tree, Euclidean, &row.to_vec(), None, 9), search(&other, Euclidean, &row.to_vec(), None, 9));
    }
}

#[test]
fn the_nearest_are_those_of_linfa() {
    use linfa_nn::{KdTree, NearestNeighbour, distance::L2Dist};
    let (rows, queries) = (rows(3_000, 6), rows(3_200, 6));
    // linfa-nn takes rows of the ndarray that it was built with.
    let theirs = linfa_ndarray::Array2::from_shape_vec(rows.dim(), rows.iter().copied().collect()).unwrap();
    let index = KdTree::new().from_batch(&theirs, L2Dist).unwrap();
    let tree = Tree::build(rows.view(), &all(&rows), true);
    for query in queries.rows().into_iter().skip(3_000) {
        let own: Vec<usize> = search(&tree, Euclidean, &query.to_vec(), None, 20).iter().map(|(_, row)| *row as usize).collect();
        let query = linfa_ndarray::Array1::from(query.to_vec());
        let expected: Vec<usize> = index.k_nearest(query.view(), 20).unwrap().into_iter().map(|(_, row)| row).collect();
        assert_eq!(own, expected);
    }
}

/// What rows can be like: shares from 0 to 1 become values. Most of these are hard for a coarse copy.
const KINDS: [fn(f64, usize) -> f64; 10] = [
    |share, _| share - 0.5,
    // Ties, and equal rows.
    |share, _| (share * 4.0).floor(),
    // Features that are constant, large and small beside each other.
    |share, feature| [7.0, share, share * 1e6, share * 1e-6][feature % 4],
    // One in a hundred far out, so far that squares overflow.
    |share, _| if share < 0.01 { 1e300 * (share - 0.005) } else { share },
    |share, _| if share < 0.01 { 1e150 } else { share },
    // So near that squares vanish, and fewer digits than numbers have.
    |share, _| share * 1e-160,
    |share, _| share * 1e-310,
    // Most rows much nearer to each other than the others.
    |share, _| (share * 60.0).exp(),
    |share, _| if share < 0.9 { share * 1e-9 } else { share },
    |_, _| -3.25,
];

/// Rows of a kind, and rows to search with: some of them, rows beside and between them, and far ones.
fn cases(kind: usize, count: usize, width: usize, seed: u64) -> (Array2<f64>, Vec<Vec<f64>>) {
    let shares = synod_sdk::measuring::noise(count + 8, width, seed).mapv(|value| (value / 9.0 + 0.4).clamp(0.0, 1.0));
    let values = Array2::from_shape_fn(shares.dim(), |(row, feature)| KINDS[kind](shares[[row, feature]], feature));
    let rows = values.slice(ndarray::s![..count, ..]).to_owned();
    let mut queries: Vec<Vec<f64>> = values.rows().into_iter().skip(count - 1).map(|row| row.to_vec()).collect();
    for far in [1.5, 40.0, 1e9, 1e200] {
        queries.push(rows.row(count / 2).iter().map(|value| value * far).collect());
        queries.push(rows.row(0).iter().enumerate().map(|(feature, value)| if feature == 0 { far } else { *value }).collect());
    }
    (rows, queries)
}

fn assert_same<D: Distance>(distance: D, rows: &Array2<f64>, queries: &[Vec<f64>], wanted: usize) {
    let (exact, coarse) = (Tree::build(rows.view(), &all(rows), false), Tree::build(rows.view(), &all(rows), true));
    for query in queries {
        let wanted = wanted.min(rows.nrows() - 1);
        for except in [None, Some(0)] {
            let (one, other) = (search(&exact, distance, query, except, wanted), search(&coarse, distance, query, except, wanted));
            assert_eq!(one, other, "{:?}, {wanted} of {query:?}", rows.dim());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_coarse_copy_changes_nothing(
        (kind, count, width, seed, wanted) in (0..KINDS.len(), 2_usize..700, 1_usize..60, any::<u64>(), 1_usize..50)
    ) {
        let (rows, queries) = cases(kind, count, width, seed);
        assert_same(Euclidean, &rows, &queries, wanted);
        assert_same(Manhattan, &rows, &queries, wanted);
        let direct = |row: &Vec<f64>| directions(ArrayView2::from_shape((1, width), row).unwrap()).into_raw_vec_and_offset().0;
        assert_same(Cosine, &directions(rows.view()), &queries.iter().map(direct).collect::<Vec<_>>(), wanted);
    }
}
