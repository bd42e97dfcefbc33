//! Model bytes. Small models are JSON behind a version ([`encode`], [`decode`]); large ones are arrays of numbers, little-endian, written
//! with [`Writer`] and read back with [`Reader`], which checks every length before it allocates.

use crate::Error;
use serde::{Serialize, de::DeserializeOwned};

/// A model as a version and JSON. For models of a few kilobytes.
pub fn encode<T: Serialize>(version: u32, model: &T) -> Vec<u8> {
    let mut bytes = version.to_le_bytes().to_vec();
    serde_json::to_writer(&mut bytes, model).expect("a model is plain data, and memory takes every write");
    bytes
}

/// The inverse of [`encode`].
///
/// # Errors
/// When the version is another or the JSON is not a `T`.
pub fn decode<T: DeserializeOwned>(version: u32, bytes: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::new(version, bytes)?;
    serde_json::from_slice(reader.take(reader.left())?).map_err(|error| Error::Model(format!("the model cannot be read: {error}")))
}

/// Writes a model's numbers.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Starts a model of this format version.
    pub fn new(version: u32) -> Self {
        Self(version.to_le_bytes().to_vec())
    }

    /// One whole number.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// One real number.
    pub fn real(&mut self, value: f64) -> &mut Self {
        self.number(value.to_bits())
    }

    /// Real numbers, preceded by their count.
    pub fn reals(&mut self, values: &[f64]) -> &mut Self {
        self.number(values.len() as u64);
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    /// Whole numbers of 32 bits, preceded by their count.
    pub fn numbers(&mut self, values: &[u32]) -> &mut Self {
        self.number(values.len() as u64);
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    /// Bytes, preceded by their count.
    pub fn bytes(&mut self, values: &[u8]) -> &mut Self {
        self.number(values.len() as u64);
        self.0.extend_from_slice(values);
        self
    }

    /// The model.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote, and trusts none of it.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks the version.
    ///
    /// # Errors
    /// When the bytes are of another version.
    pub fn new(version: u32, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self(bytes);
        let found = u32::from_le_bytes(reader.array()?);
        if found == version {
            Ok(reader)
        } else {
            Err(Error::Model(format!("the model has format version {found}, this plugin reads version {version}: fit it again")))
        }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        if count > self.0.len() {
            return Err(Error::Model("the model is cut short".into()));
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    fn list<const N: usize>(&mut self) -> Result<impl Iterator<Item = [u8; N]> + use<'a, N>, Error> {
        let count = usize::try_from(self.number()?).ok().and_then(|count| count.checked_mul(N));
        let bytes = self.take(count.ok_or_else(|| Error::Model("the model has an impossible length".into()))?)?;
        Ok(bytes.chunks_exact(N).map(|chunk| chunk.try_into().expect("chunks are of this size")))
    }

    /// One whole number.
    ///
    /// # Errors
    /// At the end of the bytes; so for the others.
    pub fn number(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// One real number.
    ///
    /// # Errors
    /// At the end of the bytes.
    pub fn real(&mut self) -> Result<f64, Error> {
        Ok(f64::from_bits(self.number()?))
    }

    /// Real numbers.
    ///
    /// # Errors
    /// When there are fewer bytes than announced.
    pub fn reals(&mut self) -> Result<Vec<f64>, Error> {
        Ok(self.list()?.map(f64::from_le_bytes).collect())
    }

    /// Whole numbers of 32 bits.
    ///
    /// # Errors
    /// When there are fewer bytes than announced.
    pub fn numbers(&mut self) -> Result<Vec<u32>, Error> {
        Ok(self.list()?.map(u32::from_le_bytes).collect())
    }

    /// Bytes.
    ///
    /// # Errors
    /// When there are fewer bytes than announced.
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let count = self.number()?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When something is left.
    pub fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Model(format!("the model has {} bytes too many", self.0.len()))) }
    }
}
