//! RSA moduli that can be factored whatever their length, because a widespread chip made their primes from powers of 65537 (CVE-2017-15361).
//!
//! Nemec, Sys, Svenda, Klinec, Matyas: The Return of Coppersmith's Attack, CCS 2017, section 2.2, for the fingerprint.

/// The number whose powers the primes were made from.
const GENERATOR: u32 = 65_537;

/// Small primes for which some residues are no power of the generator. A modulus of another origin passes for one of these chips' once in
/// about a hundred million.
const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a modulus, the highest byte first, is one of these.
pub(crate) fn is_factorable(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(residue(modulus, *prime), *prime))
}

fn residue(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

/// Whether a power of the generator leaves this residue. After as many steps as the prime is large, the powers repeat.
fn is_power(residue: u32, prime: u32) -> bool {
    (0..prime).scan(1, |power, _| Some(std::mem::replace(power, *power * (GENERATOR % prime) % prime))).any(|power| power == residue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn powers_of_the_generator_are_found() {
        // 65537^0, 65537^1 and 65537^2 are what they are modulo every prime.
        for number in [1_u64, 65_537, 65_537 * 65_537] {
            assert!(is_factorable(&number.to_be_bytes()), "{number}");
        }
        for number in [2_u64, 3, 65_539, 4_294_967_291] {
            assert!(!is_factorable(&number.to_be_bytes()), "{number}");
        }
    }

    #[test]
    fn other_moduli_do_not_pass_for_such() {
        for number in 0..2_000_u32 {
            let modulus: Vec<u8> = (0..8_u32).flat_map(|part| Sha256::digest([number, part].map(u32::to_be_bytes).concat())).collect();
            assert!(!is_factorable(&modulus), "{number}");
        }
    }
}
