//! Rows kept, merged, thinned, written and read.

use super::*;
use crate::settings::Count;
use crate::testing::rows;
use ndarray::{Axis, array, concatenate};

fn settings(neighbours: f64) -> Settings {
    Settings {
        neighbours: Count::Number(neighbours),
        auto: |rows| rows,
        metric: Metric::Euclidean,
        p: 2.0,
        duplicates: Duplicates::Merge,
        novelty: true,
        max_rows: 1_000,
    }
}

fn build(rows: &ndarray::Array2<f64>, settings: &Settings) -> Reference {
    Reference::build(rows.view(), settings, 5).unwrap()
}

fn bytes(reference: &Reference) -> Vec<u8> {
    let mut writer = Writer::new(1);
    reference.write(&mut writer);
    writer.finish()
}

#[test]
fn equal_rows_are_one_neighbour_or_many() {
    let training = concatenate![Axis(0), rows(30, 2), rows(10, 2), rows(5, 2)];
    let merged = build(&training, &settings(4.0));
    assert_eq!(merged.rows(), 30);
    let mut counts: Vec<u32> = (0..30).map(|position| merged.count(position)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [vec![1; 20], vec![2; 5], vec![3; 5]].concat());
    let kept = build(&training, &Settings { duplicates: Duplicates::Keep, ..settings(4.0) });
    assert!(kept.rows() == 45 && (0..45).all(|position| kept.count(position) == 1));
}

#[test]
fn a_known_row_is_left_out_of_its_own_neighbours_without_novelty() {
    let training = rows(200, 3);
    for metric in Metric::ALL {
        let known = build(&training, &Settings { novelty: false, metric, p: 3.0, ..settings(7.0) });
        let (mut search, mut other) = (known.search(), known.search());
        for row in training.rows() {
            let found = known.neighbours_of(&row.to_vec(), &mut search);
            let own = found.own.unwrap();
            assert_eq!(found.neighbours, known.neighbours_at(own, &mut other));
            for near in found.neighbours {
                assert_eq!(known.distance(own, near.position).to_bits(), near.distance.to_bits(), "{metric:?}");
            }
        }
        let found = known.neighbours_of(&[0.5, 0.25, 3.0], &mut search);
        assert!(found.own.is_none() && found.neighbours.len() == 7);
    }
}

#[test]
fn a_row_without_direction_is_one_from_all_others() {
    let cosine = build(&array![[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]], &Settings { metric: Metric::Cosine, ..settings(2.0) });
    let mut search = cosine.search();
    let mut distances =
        |row: [f64; 2]| cosine.neighbours_of(&row, &mut search).neighbours.iter().map(|near| near.distance).collect::<Vec<_>>();
    assert_eq!(distances([0.0, 0.0]), [1.0, 1.0]);
    assert_eq!(distances([9.0, 0.0]), [0.0, 1.0]);
    let zeros = build(&array![[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], &Settings { metric: Metric::Cosine, ..settings(2.0) });
    let mut search = zeros.search();
    let near = zeros.neighbours_of(&[0.0, 0.0], &mut search).neighbours.to_vec();
    assert_eq!(near.iter().map(|near| near.distance).collect::<Vec<_>>(), [0.0, 1.0]);
    assert_eq!(zeros.shares(&[0.0, 0.0], &near), [1.0, 0.0], "the direction [1, 0] differs in the first feature");
}

#[test]
fn any_damage_is_found() {
    type Damage = fn(&mut Reference);
    let damages: [(&str, Damage); 7] = [
        ("no neighbours", |reference| reference.neighbours = 0),
        ("as many neighbours as rows", |reference| reference.neighbours = 60),
        ("no exponent", |reference| reference.p = f64::NAN),
        ("an exponent below one", |reference| reference.p = 0.5),
        ("a row that never occurs", |reference| reference.counts[4] = 0),
        ("too few counts", |reference| reference.counts.truncate(59)),
        ("a row twice", |reference| {
            let mut order = reference.tree.order().to_vec();
            order[1] = order[0];
            reference.tree = Tree::from_sorted(3, order, reference.tree.rows().to_vec(), true);
        }),
    ];
    let whole = || build(&rows(60, 3), &settings(4.0));
    let read = |bytes: &[u8]| Reference::read(&mut Reader::new(1, bytes).unwrap());
    assert_eq!(bytes(&read(&bytes(&whole())).unwrap()), bytes(&whole()));
    for (what, damage) in damages {
        let mut damaged = whole();
        damage(&mut damaged);
        assert!(matches!(read(&bytes(&damaged)), Err(Error::Model(_))), "{what}");
    }
}
