//! Questions about many values at once.

/// Whether a value is of this kind, of which there is seldom one. Eight are asked before a branch is taken: in the sandbox every turn of a loop
/// looks at the clock.
#[inline(always)]
pub(crate) fn has(values: &[f64], kind: impl Fn(f64) -> bool) -> bool {
    let (chunks, rest) = values.as_chunks::<8>();
    chunks.iter().any(|chunk| chunk.iter().fold(false, |found, value| found | kind(*value))) || rest.iter().any(|value| kind(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_wherever_it_is() {
        for place in 0..19 {
            let mut values = [1.0; 19];
            assert!(!has(&values, f64::is_nan));
            values[place] = f64::NAN;
            assert!(has(&values, f64::is_nan) && !has(&values, f64::is_infinite));
        }
    }
}
