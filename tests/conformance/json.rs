//! Owns how JSON and MessagePack values stand for each other in `conformance-client`: as they are, except for bytes,
//! which are `{"bytes": "<base64>"}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value as Packed;
use serde_json::{Map, Number, Value as Json, json};
use traitwire::{Metadata, Value};

/// A JSON value as MessagePack.
///
/// # Errors
///
/// When bytes are not base64, or a number is neither an integer of 64 bits nor a float.
pub fn from_json(json: &Json) -> Result<Packed, String> {
    Ok(match json {
        Json::Null => Packed::Nil,
        Json::Bool(bool) => Packed::Boolean(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => Packed::from(int),
            (_, Some(int), _) => Packed::from(int),
            // An integer beyond 64 bits would become another number.
            (.., Some(float)) if number.as_str().contains(['.', 'e', 'E']) => Packed::from(float),
            _ => return Err(format!("{number} is no number of 64 bits")),
        },
        Json::String(text) => Packed::from(text.as_str()),
        Json::Array(items) => Packed::Array(items.iter().map(from_json).collect::<Result<_, _>>()?),
        Json::Object(entries) => match bytes(entries)? {
            Some(bytes) => Packed::Binary(bytes),
            None => {
                let entry =
                    |(key, value): (&String, &Json)| Ok((Packed::from(key.as_str()), from_json(value)?));
                Packed::Map(entries.iter().map(entry).collect::<Result<_, String>>()?)
            }
        },
    })
}

/// A MessagePack value as JSON. Keys that are no text are written as text.
pub fn to_json(packed: &Packed) -> Json {
    match packed {
        Packed::Nil => Json::Null,
        Packed::Boolean(bool) => json!(bool),
        Packed::Integer(int) => int.as_i64().map_or_else(|| json!(int.as_u64()), |int| json!(int)),
        Packed::F32(float) => Number::from_f64(f64::from(*float)).map_or(Json::Null, Json::Number),
        Packed::F64(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
        Packed::String(text) => json!(text.as_str()),
        Packed::Binary(bytes) => json!({ "bytes": STANDARD.encode(bytes) }),
        Packed::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Packed::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (name(key), to_json(value))).collect())
        }
        Packed::Ext(kind, bytes) => json!({ "ext": kind, "bytes": STANDARD.encode(bytes) }),
    }
}

/// Metadata from a JSON object: texts, and bytes.
///
/// # Errors
///
/// When a value is neither, or a key is not well formed.
pub fn metadata_from_json(json: &Json) -> Result<Metadata, String> {
    let mut metadata = Metadata::new();
    let Json::Object(entries) = json else { return Err("`metadata` is not an object".to_owned()) };
    for (key, value) in entries {
        let value = match value {
            Json::String(text) => Value::Text(text.clone()),
            Json::Object(object) => Value::Binary(bytes(object)?.ok_or("metadata is a text or bytes")?),
            _ => return Err(format!("metadata `{key}` is neither a text nor bytes")),
        };
        metadata.set(key.clone(), value).map_err(|error| error.to_string())?;
    }
    Ok(metadata)
}

fn bytes(entries: &Map<String, Json>) -> Result<Option<Vec<u8>>, String> {
    match (entries.len(), entries.get("bytes")) {
        (1, Some(Json::String(text))) => STANDARD.decode(text).map(Some).map_err(|error| error.to_string()),
        _ => Ok(None),
    }
}

fn name(key: &Packed) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}
