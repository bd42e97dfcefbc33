//! What the values of a Parquet column mean as cells.

use crate::table::Cell;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescriptor;

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;
/// Decimals of 38 digits, the largest that other programs write, fit in so many bytes.
const WIDEST_DECIMAL: usize = 16;

/// How a column's stored values are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Booleans, signed integers and floating point numbers, as they are stored.
    Plain,
    /// An unsigned integer in the bits of a signed one.
    Unsigned,
    Text,
    /// Days since 1970.
    Date,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// An integer to be divided by ten to this power.
    Decimal {
        scale: i32,
    },
}

impl Meaning {
    /// What a flat column's values mean; none if a cell cannot hold them.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Self> {
        let converted = match column.logical_type_ref() {
            Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS => {
                return (column.physical_type() == Type::INT64).then_some(Self::Nanoseconds);
            }
            // These have no older name, and would look like plain bytes.
            Some(LogicalType::Uuid | LogicalType::Float16 | LogicalType::Time(_) | LogicalType::Bson) => return None,
            Some(LogicalType::Variant(_) | LogicalType::Geometry(_) | LogicalType::Geography(_)) => return None,
            Some(logical) => ConvertedType::from(Some(logical.clone())),
            None => column.converted_type(),
        };
        Self::of_types(column.physical_type(), converted, column.type_scale())
    }

    fn of_types(physical: Type, converted: ConvertedType, scale: i32) -> Option<Self> {
        use ConvertedType as C;
        Some(match (physical, converted) {
            (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, C::NONE) => Self::Plain,
            (Type::INT32, C::NONE | C::INT_8 | C::INT_16 | C::INT_32) | (Type::INT64, C::NONE | C::INT_64) => Self::Plain,
            (Type::INT32, C::UINT_8 | C::UINT_16 | C::UINT_32) | (Type::INT64, C::UINT_64) => Self::Unsigned,
            (Type::INT32, C::DATE) => Self::Date,
            (Type::INT64, C::TIMESTAMP_MILLIS) => Self::Milliseconds,
            (Type::INT64, C::TIMESTAMP_MICROS) => Self::Microseconds,
            (Type::INT96, _) => Self::Nanoseconds,
            (Type::INT32 | Type::INT64 | Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, C::DECIMAL) => Self::Decimal { scale },
            // Older writers leave the name away.
            (Type::BYTE_ARRAY, C::NONE | C::UTF8 | C::ENUM | C::JSON) => Self::Text,
            _ => return None,
        })
    }

    /// A stored integer. `bits` is how wide it is stored.
    ///
    /// # Errors
    /// When a cell cannot hold it; the text continues "the value is". So for the others.
    pub(super) fn integer(self, value: i64, bits: u32) -> Result<Cell, String> {
        let too_early_or_late = || format!("{value}, a time that is out of range");
        match self {
            Self::Unsigned if bits == 32 => Ok(Cell::Integer(value & 0xffff_ffff)),
            Self::Unsigned => match u64::try_from(value) {
                Ok(_) => Ok(Cell::Integer(value)),
                Err(_) => Err(format!("{}, an integer of more than 63 bits: store it as text, or as a double", value.cast_unsigned())),
            },
            Self::Date => Ok(Cell::Time(value.checked_mul(MICROSECONDS_A_DAY).ok_or_else(too_early_or_late)?)),
            Self::Milliseconds => Ok(Cell::Time(value.checked_mul(1000).ok_or_else(too_early_or_late)?)),
            Self::Microseconds => Ok(Cell::Time(value)),
            Self::Nanoseconds => Ok(Cell::Time(value.div_euclid(1000))),
            Self::Decimal { scale } => Ok(decimal(value.into(), scale)),
            Self::Plain | Self::Text => Ok(Cell::Integer(value)),
        }
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Result<Cell, String> {
        match self {
            Self::Decimal { scale } => match big_endian(bytes) {
                Some(unscaled) => Ok(decimal(unscaled, scale)),
                None => Err(format!("a decimal of {} bytes; at most {WIDEST_DECIMAL} can be read", bytes.len())),
            },
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cell::Text(text.to_owned())),
                Err(_) => Err("not UTF-8".to_owned()),
            },
        }
    }
}

/// A stored double. NaN is what some programs write for a missing value.
pub(super) fn number(value: f64) -> Cell {
    if value.is_nan() { Cell::Missing } else { Cell::Number(value) }
}

/// A timestamp in the form that was used before there were logical types: nanoseconds of a Julian day.
pub(super) fn time_of_int96(value: &Int96) -> Cell {
    Cell::Time(value.to_micros())
}

/// The double nearest to `unscaled / 10^scale`.
fn decimal(unscaled: i128, scale: i32) -> Cell {
    // Dividing two doubles that are exact gives the nearest one (Clinger 1990); else the parser has to find it.
    const EXACT_POWER: i32 = 22;
    if unscaled.unsigned_abs() <= 1 << 53 && (0..=EXACT_POWER).contains(&scale) {
        return Cell::Number(unscaled as f64 / 10_f64.powi(scale));
    }
    let text = format!("{unscaled}e{}", -i64::from(scale));
    number(text.parse().unwrap_or(f64::NAN))
}

/// Two's complement of any width up to 16 bytes.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let mut wide = [if bytes.first()? & 0x80 == 0 { 0 } else { 0xff }; WIDEST_DECIMAL];
    let start = WIDEST_DECIMAL.checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_nearest_double() {
        for (unscaled, scale, expected) in [
            (12_345, 2, 123.45),
            (-1, 1, -0.1),
            (0, 10, 0.0),
            (7, 0, 7.0),
            (7, -2, 700.0),
            (99_999_999_999_999_999_999_999_999_999_999_999_999, 2, 1e36),
            (9_007_199_254_740_993, 3, 9_007_199_254_740.993),
            (3, 23, 3e-23),
        ] {
            assert_eq!(decimal(unscaled, scale), Cell::Number(expected), "{unscaled} / 10^{scale}");
        }
    }

    #[test]
    fn powers_of_ten_are_exact() {
        for power in 0..=22 {
            assert_eq!(10_f64.powi(power), format!("1e{power}").parse::<f64>().unwrap(), "{power}");
        }
    }

    #[test]
    fn bytes_are_sign_extended() {
        assert_eq!(big_endian(&[0xff]), Some(-1));
        assert_eq!(big_endian(&[0x00, 0xff]), Some(255));
        assert_eq!(big_endian(&[0x80; 16]), Some(i128::from_be_bytes([0x80; 16])));
        assert_eq!(big_endian(&[]), None);
        assert_eq!(big_endian(&[0; 17]), None);
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(Meaning::Unsigned.integer(-1, 32), Ok(Cell::Integer(4_294_967_295)));
        assert_eq!(Meaning::Unsigned.integer(i64::MAX, 64), Ok(Cell::Integer(i64::MAX)));
        assert!(Meaning::Unsigned.integer(-1, 64).unwrap_err().starts_with("18446744073709551615"));
        assert_eq!(Meaning::Nanoseconds.integer(-1, 64), Ok(Cell::Time(-1)), "times before 1970 round down as well");
        assert_eq!(Meaning::Date.integer(-1, 32), Ok(Cell::Time(-MICROSECONDS_A_DAY)));
        assert!(Meaning::Milliseconds.integer(i64::MAX, 64).is_err());
    }
}
