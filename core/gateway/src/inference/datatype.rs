//! Types of tensors' values, and how a value of each is taken without loss.

use synod_detection::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

/// Beyond it a whole number has no exact double.
const EXACT: f64 = 9_007_199_254_740_992.0;
const BEYOND: Value<'static> = Value::Unusable("an integer beyond 2^63");

/// The type of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in the protocol")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

impl PartialSchema for Datatype {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::ALL.map(Self::name))).into()
    }
}

impl ToSchema for Datatype {}

impl Datatype {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp16,
        Self::Bf16,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The type of this name.
    ///
    /// # Errors
    /// When there is none: what there is.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            format!("has the datatype `{}`, which is none; there are {all}", super::shown(name))
        })
    }

    /// As the protocol names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp16 => "FP16",
            Self::Bf16 => "BF16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Bytes of a value; of BYTES each value has a length of its own.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }

    /// The value that these bytes are, in the order of little-endian machines. A NaN is missing.
    pub(super) fn unpacked(self, bytes: &[u8]) -> Value<'static> {
        match self {
            Self::Bool => match bytes {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                _ => Value::Unusable("a BOOL that is neither 0 nor 1"),
            },
            Self::Uint8 => Value::Integer(u8::from_le_bytes(array(bytes)).into()),
            Self::Uint16 => Value::Integer(u16::from_le_bytes(array(bytes)).into()),
            Self::Uint32 => Value::Integer(u32::from_le_bytes(array(bytes)).into()),
            Self::Uint64 => i64::try_from(u64::from_le_bytes(array(bytes))).map_or(BEYOND, Value::Integer),
            Self::Int8 => Value::Integer(i8::from_le_bytes(array(bytes)).into()),
            Self::Int16 => Value::Integer(i16::from_le_bytes(array(bytes)).into()),
            Self::Int32 => Value::Integer(i32::from_le_bytes(array(bytes)).into()),
            Self::Int64 => Value::Integer(i64::from_le_bytes(array(bytes))),
            Self::Fp16 => number(half(u16::from_le_bytes(array(bytes)))),
            Self::Bf16 => number(f32::from_bits(u32::from(u16::from_le_bytes(array(bytes))) << 16).into()),
            Self::Fp32 => number(f32::from_le_bytes(array(bytes)).into()),
            Self::Fp64 => number(f64::from_le_bytes(array(bytes))),
            Self::Bytes => Value::Unusable("bytes"),
        }
    }

    /// The value that a whole number is in a list of this type.
    ///
    /// # Errors
    /// When it is none of this type.
    pub fn whole(self, integer: i128) -> Result<Value<'static>, String> {
        let (low, high): (i128, i128) = match self {
            Self::Bool => (0, 1),
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Uint64 => (0, u64::MAX.into()),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN.into(), i64::MAX.into()),
            Self::Fp32 => return Ok(Value::Number(f64::from(integer as f32))),
            // As it is: the schema refuses what a double cannot hold, instead of rounding it.
            Self::Fp64 => return Ok(i64::try_from(integer).map_or(BEYOND, Value::Integer)),
            Self::Fp16 | Self::Bf16 => return Err(self.binary_only()),
            Self::Bytes => return Err("a BYTES tensor holds texts, not numbers".into()),
        };
        match integer {
            _ if !(low..=high).contains(&integer) => Err(format!("{integer} is no {}, which goes from {low} to {high}", self.name())),
            _ if self == Self::Bool => Ok(Value::Boolean(integer == 1)),
            _ => Ok(i64::try_from(integer).map_or(BEYOND, Value::Integer)),
        }
    }

    /// The value that a real number is in a list of this type. One of FP32 is rounded to it, as its sender says that it is one.
    ///
    /// # Errors
    /// When it is none of this type.
    pub fn real(self, real: f64) -> Result<Value<'static>, String> {
        match self {
            Self::Fp32 => Ok(number(f64::from(real as f32))),
            Self::Fp64 => Ok(number(real)),
            Self::Fp16 | Self::Bf16 => Err(self.binary_only()),
            _ if real.fract() == 0.0 && real.abs() <= EXACT => self.whole(real as i128),
            Self::Bytes => Err("a BYTES tensor holds texts, not numbers".into()),
            _ => Err(format!("{real} is no {}", self.name())),
        }
    }

    /// The value that `true` or `false` is in a list of this type.
    ///
    /// # Errors
    /// When it is none of this type.
    pub fn truth(self, truth: bool) -> Result<Value<'static>, String> {
        match self {
            Self::Bool => Ok(Value::Boolean(truth)),
            _ => Err(format!("{truth} is no {}", self.name())),
        }
    }

    fn binary_only(self) -> String {
        format!("{} is taken as binary data only: send FP32 or FP64 in JSON", self.name())
    }
}

fn number(number: f64) -> Value<'static> {
    if number.is_nan() { Value::Missing } else { Value::Number(number) }
}

/// The first bytes; zeros where there are fewer.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

/// A number of half precision, which every double holds.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (u64::from(bits >> 10 & 31), u64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction as f64 / f64::from(1 << 24),
        31 if fraction == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => f64::from_bits((exponent + 1023 - 15) << 52 | fraction << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read_exactly() {
        for (bits, number) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960464477539063e-8),
            (0x0400, 0.00006103515625),
            (0x3555, 0.333251953125),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), number, "{bits:#06x}");
        }
        assert_eq!(Datatype::Fp16.unpacked(&[0x00, 0x7e]), Value::Missing);
        assert_eq!(Datatype::Bf16.unpacked(&[0x80, 0x3f]), Value::Number(1.0));
    }

    #[test]
    fn bytes_are_the_numbers_of_little_endian_machines() {
        for (datatype, bytes, value) in [
            (Datatype::Bool, &[1][..], Value::Boolean(true)),
            (Datatype::Bool, &[2], Value::Unusable("a BOOL that is neither 0 nor 1")),
            (Datatype::Int8, &[0xff], Value::Integer(-1)),
            (Datatype::Uint8, &[0xff], Value::Integer(255)),
            (Datatype::Int16, &[0xfe, 0xff], Value::Integer(-2)),
            (Datatype::Uint16, &[0, 1], Value::Integer(256)),
            (Datatype::Int32, &[0, 0, 0, 0x80], Value::Integer(-2_147_483_648)),
            (Datatype::Uint32, &[0, 0, 0, 0x80], Value::Integer(2_147_483_648)),
            (Datatype::Int64, &[0xff; 8], Value::Integer(-1)),
            (Datatype::Uint64, &[0xff; 8], BEYOND),
            (Datatype::Fp32, &[0xcd, 0xcc, 0xcc, 0x3d], Value::Number(0.10000000149011612)),
            (Datatype::Fp64, &[0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f], Value::Number(0.1)),
            (Datatype::Fp64, &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f], Value::Missing),
        ] {
            assert_eq!(datatype.unpacked(bytes), value, "{datatype:?}");
            assert!(datatype.size() == Some(bytes.len()));
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        assert_eq!(Datatype::Int64.real(3.0), Ok(Value::Integer(3)));
        assert_eq!(Datatype::Int64.real(2.5), Err("2.5 is no INT64".into()));
        assert!(Datatype::Int8.whole(128).unwrap_err().contains("128 is no INT8, which goes from -128 to 127"));
        assert!(Datatype::Uint32.whole(-1).is_err() && Datatype::Uint64.real(1e20).is_err());
        assert_eq!(Datatype::Fp64.whole(9_007_199_254_740_993), Ok(Value::Integer(9_007_199_254_740_993)));
        assert_eq!(Datatype::Fp32.real(0.1), Ok(Value::Number(0.10000000149011612)));
        assert_eq!((Datatype::Bool.whole(1), Datatype::Bool.truth(false)), (Ok(Value::Boolean(true)), Ok(Value::Boolean(false))));
        assert!(Datatype::Fp64.truth(true).is_err() && Datatype::Bytes.whole(1).is_err() && Datatype::Fp16.real(1.0).is_err());
    }
}
