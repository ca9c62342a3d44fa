//! Messages that are serialized already.

use bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::Status;

/// Sends bytes as they are and gives the answer's bytes back.
#[derive(Clone, Copy, Debug)]
pub struct Ready;

impl Codec for Ready {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Ready;
    type Decoder = Ready;

    fn encoder(&mut self) -> Ready {
        Ready
    }

    fn decoder(&mut self) -> Ready {
        Ready
    }
}

impl Encoder for Ready {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Ready {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
