//! That the copy is of use. That it changes nothing is tested with the tree.

use super::*;
use crate::metric::Euclidean;
use crate::nearest::Nearest;
use crate::testing::rows;
use crate::tree::Tree;
use crate::tree::tests::all;
use ndarray::{Array2, s};

/// The rows of a tree in its order, their copy, and the rest of the rows.
fn copied(rows: &Array2<f64>, count: usize) -> (Tree, Coarse, Array2<f64>) {
    let training = rows.slice(s![..count, ..]).to_owned();
    let tree = Tree::build(training.view(), &all(&training), false);
    let coarse = Coarse::new(rows.ncols(), tree.rows(), Shape::new(count), true);
    (tree, coarse, rows.slice(s![count.., ..]).to_owned())
}

#[test]
fn few_rows_are_listed_and_all_that_are_near() {
    for width in [2, 5, 8, 16] {
        let (tree, coarse, queries) = copied(&rows(20_100, width), 20_000);
        let (mut list, mut nearest, mut listed) = (Shortlist::default(), Nearest::new(20), 0);
        for query in queries.rows() {
            let query = query.to_vec();
            assert!(coarse.list::<Squares>(&query, 20, None, &mut list));
            nearest.clear(20);
            tree.search(Euclidean, &query, &mut Shortlist::default(), None, &mut nearest);
            assert!(nearest.take().iter().all(|near| list.positions().any(|position| position == near.position)), "{width} features");
            listed += list.positions().count();
        }
        assert!(listed < 28 * queries.nrows(), "{listed} rows for {} of {width} features", queries.nrows());
    }
}

#[test]
fn a_row_is_searched_without_where_that_is_better() {
    let mut rows = rows(3_000, 3);
    let (_, coarse, _) = copied(&rows, 3_000);
    let mut list = Shortlist::default();
    assert!(coarse.list::<Squares>(&[0.0, 0.0, 3.0], 9, None, &mut list));
    assert!(!coarse.list::<Squares>(&[0.0, 0.0, 3e9], 9, None, &mut list), "out of reach");
    // Nine of ten rows lie within a step.
    rows.rows_mut().into_iter().enumerate().filter(|(row, _)| row % 10 > 0).for_each(|(_, mut row)| row *= 1e-12);
    let (_, coarse, _) = copied(&rows, 3_000);
    assert!(!coarse.list::<Squares>(&[0.0, 0.0, 0.0], 9, None, &mut list), "all of them could be the nearest");
    assert!(coarse.list::<Squares>(&[0.0, 0.0, 3.0], 9, None, &mut list));
}

#[test]
fn numbers_reach_beyond_most_rows_and_their_sums_do_not_overflow() {
    for width in [1, 2, 3, 8, 59, 1_000] {
        let rows = rows(900, width);
        let scale = Scale::of(width, rows.as_slice().unwrap(), Shape::new(900));
        assert!(rows.rows().into_iter().all(|row| scale.numbers(row.to_slice().unwrap(), &mut vec![0; width])), "{width}");
        let most = 2.0 * scale.most;
        assert!(most <= 32_767.0 && most * most * width.max(2) as f64 <= f64::from(i32::MAX));
        assert!(most * most * width as f64 > f64::from(i32::MAX) / 5.0);
        assert_eq!([-1e9, 1e9].map(|steps| f64::from(scale.number(steps))), [-scale.most, scale.most]);
    }
}

#[test]
fn a_row_far_out_does_not_make_the_steps_longer() {
    let mut rows = rows(5_000, 4);
    let step = |rows: &Array2<f64>| 1.0 / Scale::of(4, rows.as_slice().unwrap(), Shape::new(5_000)).per_step;
    let before = step(&rows);
    rows.row_mut(17).fill(1e12);
    assert!(step(&rows) < 1.1 * before);
}

#[test]
fn rows_beyond_the_numbers_do_not_pass_for_near_ones() {
    // The last rows are so far out that they have the same number as a query at the end of the numbers, which is much nearer to the others.
    let mut rows = rows(3_000, 2);
    rows.slice_mut(s![2_985.., 0]).fill(1e6);
    let (exact, coarse, _) = copied(&rows, 3_000);
    let end = coarse.scale.middles[0] + 0.999 * coarse.scale.most / coarse.scale.per_step;
    assert!(end < 1e3, "{end}");
    let tree = Tree::build(rows.view(), &all(&rows), true);
    let nearest_in = |tree: &Tree, value: f64| {
        let mut nearest = Nearest::new(9);
        tree.search(Euclidean, &[value, 0.0], &mut Shortlist::new(9), None, &mut nearest);
        nearest.take().iter().map(|near| near.index).collect::<Vec<_>>()
    };
    assert!(nearest_in(&exact, end).iter().all(|row| *row < 2_985));
    for value in [end, -end, 1.1 * end, 3.0 * end, 4e5, 6e5, 1e6] {
        assert_eq!(nearest_in(&tree, value), nearest_in(&exact, value), "{value}");
    }
}
