//! The search against plain sorting and against linfa-nn.

use super::*;
use crate::metric::{Euclidean, Manhattan, Minkowski};
use crate::tests::{all, rows};
use ndarray::Array2;

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

fn assert_exact<D: Distance>(distance: D, rows: &Array2<f64>, count: usize) {
    let tree = Tree::build(rows.view(), &all(rows));
    let mut nearest = Nearest::new(count);
    for position in (0..rows.nrows()).step_by(1 + rows.nrows() / 12) {
        let row: Vec<f64> = tree.row(position).collect();
        let between: Vec<f64> = row.iter().map(|value| value + 0.5).collect();
        let number = tree.order()[position] as usize;
        for (query, except) in [(&row, Some(number)), (&row, None), (&between, None)] {
            let expected = by_sorting(distance, rows, query, count, except);
            let except = except.map(|_| position as u32);
            nearest.clear(count);
            tree.search(distance, query, except, &mut nearest);
            assert_eq!(found(&mut nearest), expected, "{:?}, {count} of row {number}, {except:?}", rows.dim());
            nearest.clear(count);
            tree.offer(distance, query, 0..tree.groups.len() / tree.width, except, &mut nearest);
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
    let (tree, other) = (Tree::build(rows.view(), &all(&rows)), Tree::from_sorted(4, shuffled, &values));
    let (mut one, mut two) = (Nearest::new(9), Nearest::new(9));
    for row in rows.rows() {
        one.clear(9);
        two.clear(9);
        tree.search(Euclidean, &row.to_vec(), None, &mut one);
        other.search(Euclidean, &row.to_vec(), None, &mut two);
        assert_eq!(found(&mut one), found(&mut two));
    }
}

#[test]
fn the_nearest_are_those_of_linfa() {
    use linfa_nn::{KdTree, NearestNeighbour, distance::L2Dist};
    let (rows, queries) = (rows(3_000, 6), rows(3_200, 6));
    // linfa-nn takes rows of the ndarray that it was built with.
    let theirs = linfa_ndarray::Array2::from_shape_vec(rows.dim(), rows.iter().copied().collect()).unwrap();
    let index = KdTree::new().from_batch(&theirs, L2Dist).unwrap();
    let tree = Tree::build(rows.view(), &all(&rows));
    let mut nearest = Nearest::new(20);
    for query in queries.rows().into_iter().skip(3_000) {
        nearest.clear(20);
        tree.search(Euclidean, &query.to_vec(), None, &mut nearest);
        let own: Vec<usize> = nearest.take().iter().map(|near| near.index as usize).collect();
        let query = linfa_ndarray::Array1::from(query.to_vec());
        let expected: Vec<usize> = index.k_nearest(query.view(), 20).unwrap().into_iter().map(|(_, row)| row).collect();
        assert_eq!(own, expected);
    }
}

#[test]
fn the_nodes_of_a_level_share_the_rows_out() {
    for rows in [1, 8, 33, 100, 257, 4_097, 2_000_000] {
        let shape = Shape::new(rows);
        for level in 0..=shape.leaves.ilog2() {
            let nodes = (1 << level)..(2 << level);
            let end = nodes.fold(0, |end, node| {
                let (first, next) = shape.rows(node);
                assert!(first == end && next > first, "{rows} rows, node {node}: {first}..{next}");
                next
            });
            assert_eq!(end, rows);
        }
    }
}
