//! Owns [`Reply`]: what came of a call, to be answered more than once and to be kept by others. Does not own its time.

use crate::call::{CallResult, Code, Delivery, Metadata, Payload, Response, RpcError};
use crate::limits;

/// What came of a call that has run.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer { body: Vec<u8>, is_app_error: bool, metadata: Metadata },
    Failed(RpcError),
}

impl Reply {
    /// What is to be remembered of the end of a call; `Err` if it has not run, which is to be told and forgotten.
    pub(super) fn of(result: CallResult, beside: Metadata) -> Result<Self, RpcError> {
        match result {
            Ok(response) => {
                let (body, is_app_error, mut metadata) = response.into_parts();
                for entry in beside.iter() {
                    metadata.put(entry.clone());
                }
                Ok(Self::Answer { body: body.bytes().to_vec(), is_app_error, metadata })
            }
            Err(error) if error.delivery().is_harmless() => Err(error.with_metadata(beside)),
            Err(error) => Ok(Self::Failed(error.with_metadata(beside).without_source())),
        }
    }

    /// The answer to one of those who asked.
    pub(super) fn result(&self) -> CallResult {
        match self {
            Self::Answer { body, is_app_error, metadata } => {
                let body = Payload::new(body.clone());
                let answer = if *is_app_error { Response::app_error } else { Response::value };
                let mut response = answer(body);
                *response.metadata_mut() = metadata.clone();
                Ok(response)
            }
            Self::Failed(error) => Err(error.clone()),
        }
    }

    /// What it takes, in bytes, with what it costs to remember anything.
    pub(super) fn cost(&self) -> usize {
        let (own, metadata) = match self {
            Self::Answer { body, metadata, .. } => (body.len(), metadata),
            Self::Failed(error) => (error.message().len(), error.metadata()),
        };
        let beside = metadata.iter().map(|entry| entry.key().len() + entry.value().as_bytes().len());
        own + beside.sum::<usize>() + limits::CACHE_OVERHEAD
    }

    // ===== as bytes =====
    //
    // One byte says what it is: 0 a value, 1 the service's own error, 2 a failure. The first two are followed by the body, the
    // third by the code in two bytes, big-endian, and the words. What went beside an answer is not shared.

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Answer { body, is_app_error, .. } => [&[u8::from(*is_app_error)], &body[..]].concat(),
            Self::Failed(error) => {
                let code = error.code().as_u16().to_be_bytes();
                [&[2], &code[..], error.message().as_bytes()].concat()
            }
        }
    }

    /// `None` for what no instance of this version writes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [kind @ (0 | 1), body @ ..] => {
                let is_app_error = *kind == 1;
                Some(Self::Answer { body: body.to_vec(), is_app_error, metadata: Metadata::new() })
            }
            [2, high, low, text @ ..] => {
                let code = Code::from_u16(u16::from_be_bytes([*high, *low]));
                let text = String::from_utf8_lossy(text).into_owned();
                Some(Self::Failed(RpcError::new(code, Delivery::Executed, text)))
            }
            _ => None,
        }
    }
}
