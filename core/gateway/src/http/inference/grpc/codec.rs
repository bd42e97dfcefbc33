//! Messages as the generated service reads and writes them. What cannot be read is the sender's mistake; and no message becomes much larger
//! by being read.

use prost::Message;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Fields of a message, those of its messages not counted. Two bytes are enough for an input that takes hundreds when it was read.
const MOST_FIELDS: usize = 4096;

/// Reads `U`, writes `T`.
#[derive(Debug)]
pub(super) struct Strict<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Strict<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Send + 'static, U: Message + Default + Send + 'static> Codec for Strict<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Reading<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Reading<U> {
        Reading(PhantomData)
    }
}

/// Reads `U`.
#[derive(Debug)]
pub(super) struct Reading<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for Reading<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        read(buffer.copy_to_bytes(buffer.remaining())).map(Some)
    }
}

fn read<U: Message + Default>(bytes: Bytes) -> Result<U, Status> {
    let unreadable = |error: prost::DecodeError| Status::invalid_argument(format!("the message cannot be read: {error}"));
    if fields(bytes.clone()).map_err(unreadable)? > MOST_FIELDS {
        return Err(Status::invalid_argument(format!("the message has more than {MOST_FIELDS} inputs, outputs and other fields")));
    }
    U::decode(bytes).map_err(unreadable)
}

/// How many fields a message has; counted no further than to one too many.
fn fields(mut bytes: Bytes) -> Result<usize, prost::DecodeError> {
    let mut fields = 0;
    while bytes.has_remaining() && fields <= MOST_FIELDS {
        let (tag, wire_type) = decode_key(&mut bytes)?;
        skip_field(wire_type, tag, &mut bytes, DecodeContext::default())?;
        fields += 1;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::super::generated::ModelInferRequest;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_of_many_inputs_is_refused_before_it_is_read() {
        let inputs = |count: usize| Bytes::from([0x2a, 0].repeat(count));
        assert_eq!(read::<ModelInferRequest>(inputs(MOST_FIELDS)).unwrap().inputs.len(), MOST_FIELDS);
        let status = read::<ModelInferRequest>(inputs(2 << 20)).unwrap_err();
        assert!(status.message().contains("more than 4096"), "{status}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_message_or_the_senders_mistake(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Err(status) = read::<ModelInferRequest>(bytes.into()) {
                prop_assert_eq!(status.code(), tonic::Code::InvalidArgument);
            }
        }
    }
}
