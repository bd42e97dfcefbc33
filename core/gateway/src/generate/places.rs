//! Where transactions happen: cities, each in a part of the country, so that near and far have a meaning.

use super::random::Random;

/// An index into [`CITIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct City(u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    East,
    South,
    Middle,
    West,
}

use Region::{East, Middle, South, West};

#[rustfmt::skip]
const CITIES: [(&str, Region); 40] = [
    ("New York", East), ("Philadelphia", East), ("Boston", East), ("Washington", East), ("Baltimore", East), ("Virginia Beach", East),
    ("Raleigh", East), ("Charlotte", East), ("Buffalo", East), ("Pittsburgh", East),
    ("Houston", South), ("Dallas", South), ("Austin", South), ("San Antonio", South), ("Fort Worth", South), ("El Paso", South),
    ("Miami", South), ("Jacksonville", South), ("Atlanta", South), ("Memphis", South), ("Nashville", South), ("New Orleans", South),
    ("Chicago", Middle), ("Detroit", Middle), ("Columbus", Middle), ("Milwaukee", Middle), ("Indianapolis", Middle), ("Omaha", Middle),
    ("Kansas City", Middle), ("Louisville", Middle), ("Oklahoma City", Middle), ("Minneapolis", Middle),
    ("Los Angeles", West), ("San Diego", West), ("Phoenix", West), ("Seattle", West), ("Denver", West), ("Portland", West),
    ("Sacramento", West), ("Las Vegas", West),
];

impl City {
    pub(super) fn any(random: &mut Random) -> Self {
        Self(random.below(CITIES.len()) as u8)
    }

    pub(super) fn name(self) -> &'static str {
        CITIES[usize::from(self.0)].0
    }

    fn region(self) -> Region {
        CITIES[usize::from(self.0)].1
    }

    /// A city of the same part of the country, perhaps this one.
    pub(super) fn near(self, random: &mut Random) -> Self {
        Self::such_that(random, |city| city.region() == self.region())
    }

    /// A city of another part of the country.
    pub(super) fn far(self, random: &mut Random) -> Self {
        Self::such_that(random, |city| city.region() != self.region())
    }

    fn such_that(random: &mut Random, accept: impl Fn(Self) -> bool) -> Self {
        loop {
            let city = Self::any(random);
            if accept(city) {
                return city;
            }
        }
    }
}

/// An internet address, outside of the blocks that never occur in public traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address([u8; 4]);

impl Address {
    pub(super) fn any(random: &mut Random) -> Self {
        Self([random.whole(11, 99), random.whole(0, 255), random.whole(0, 255), random.whole(1, 254)].map(|octet| octet as u8))
    }

    /// Another address of the same provider.
    pub(super) fn near(self, random: &mut Random) -> Self {
        let [first, second, ..] = self.0;
        let [_, _, third, fourth] = Self::any(random).0;
        Self([first, second, third, fourth])
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [first, second, third, fourth] = self.0;
        write!(formatter, "{first}.{second}.{third}.{fourth}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_differ_by_region() {
        let mut random = Random::new(1);
        for _ in 0..200 {
            let city = City::any(&mut random);
            assert_eq!(city.near(&mut random).region(), city.region());
            assert_ne!(city.far(&mut random).region(), city.region());
        }
    }
}
