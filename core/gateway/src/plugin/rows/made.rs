//! Rows that are made up: four numbers, of which two go together, and two categories that mostly agree. Anomalous rows lie far outside in some
//! of the numbers, part what goes together, and have categories that never agree.

use super::Rows;

const NORMAL: usize = 512;
const ANOMALOUS: usize = 32;
/// Categories that occur; one more stands for all others.
const KINDS: u32 = 3;

pub(super) fn rows() -> Rows {
    let mut random = Random(0x5eed);
    let numbers = ["level", "rate", "load", "age"].map(|name| (name.to_owned(), 0));
    let features = numbers.into_iter().chain(["site", "zone"].map(|name| (name.to_owned(), KINDS + 1))).collect();
    let normal = (0..NORMAL).flat_map(|_| normal(&mut random)).collect();
    let anomalous = (0..ANOMALOUS).flat_map(|row| anomalous(&mut random, row)).collect();
    Rows { from: format!("{NORMAL} normal rows and {ANOMALOUS} anomalous ones that are made up"), features, normal, anomalous }
}

fn normal(random: &mut Random) -> [f64; 6] {
    let level = 10.0 + 2.0 * random.normal();
    let site = (random.uniform() * f64::from(KINDS)).floor();
    let zone = if random.uniform() < 0.05 { (site + 1.0) % f64::from(KINDS) } else { site };
    [level, 3.0 * level + random.normal(), random.normal(), 50.0 + 10.0 * random.normal(), site, zone]
}

fn anomalous(random: &mut Random, row: usize) -> [f64; 6] {
    let mut values = normal(random);
    let far = (10.0 + 4.0 * random.uniform()) * if row.is_multiple_of(2) { 1.0 } else { -1.0 };
    values[0] += 2.0 * far;
    values[1] -= 6.0 * far;
    values[2] += far;
    values[5] = (values[4] + 2.0) % f64::from(KINDS);
    values
}

/// Splitmix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: a sum of uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
