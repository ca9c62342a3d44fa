//! The one table of line encoders: a new format is a module with an [`Encoder`] and a line in [`ENCODERS`].

use std::fmt;

use serde::Deserialize;

use crate::combined::CombinedEncoder;
use crate::json::JsonEncoder;
use crate::record::Record;
use crate::text::TextEncoder;

/// Turns records into bytes of one format, one line each, the line end included.
///
/// An encoder may keep caches from record to record, so one of them serves one output.
pub trait Encoder: Send {
    /// Appends the record to `out`.
    fn encode(&mut self, record: &Record, out: &mut Vec<u8>);
}

/// What the formats can be told; a format leaves alone what does not concern it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderOptions {
    /// `text`: terminal colours.
    pub color: bool,
    /// `text`: columns of the terminal; absent (a pipe): nothing is cut.
    pub width: Option<u16>,
    /// `text`: under each line a bar of where its time went; the legend before the first.
    pub layers: bool,
    /// `combined`: append the duration in microseconds, as Apache's `%D`.
    pub micros: bool,
    /// `text`, `combined`: IANA time zone name; absent: the zone of the machine.
    pub zone: Option<String>,
}

type Constructor = fn(&EncoderOptions) -> Result<Box<dyn Encoder>, EncoderError>;

/// Every format by name.
pub const ENCODERS: [(&str, Constructor); 3] = [
    ("text", |options| Ok(Box::new(TextEncoder::new(options)?))),
    ("json", |_| Ok(Box::new(JsonEncoder::default()))),
    ("combined", |options| Ok(Box::new(CombinedEncoder::new(options)?))),
];

/// The encoder called `name`, set up from a JSON object of [`EncoderOptions`] (empty text: defaults).
///
/// # Errors
/// An unknown name, an options text that is not such an object, an unknown time zone.
pub fn by_name(name: &str, options_json: &str) -> Result<Box<dyn Encoder>, EncoderError> {
    let (_, construct) = ENCODERS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| EncoderError::UnknownFormat(name.to_owned()))?;
    let options = if options_json.trim().is_empty() {
        EncoderOptions::default()
    } else {
        serde_json::from_str(options_json).map_err(|error| EncoderError::Options(error.to_string()))?
    };
    construct(&options)
}

/// Why an encoder cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncoderError {
    UnknownFormat(String),
    Options(String),
    UnknownZone(String),
}

impl fmt::Display for EncoderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncoderError::UnknownFormat(name) => {
                let known: Vec<&str> = ENCODERS.iter().map(|(name, _)| *name).collect();
                write!(f, "unknown format {name:?}: it is one of {}", known.join(", "))
            }
            EncoderError::Options(reason) => write!(f, "encoder options: {reason}"),
            EncoderError::UnknownZone(zone) => write!(f, "unknown time zone {zone:?}"),
        }
    }
}

impl std::error::Error for EncoderError {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn every_format_gives_one_line_for_one_record() {
        for (name, _) in ENCODERS {
            let mut out = Vec::new();
            by_name(name, "").unwrap().encode(&samples::exchange(), &mut out);
            assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1, "{name}");
            assert_eq!(out.last(), Some(&b'\n'), "{name}");
        }
    }

    #[test]
    fn unknown_names_options_and_zones_are_errors() {
        assert!(matches!(by_name("xml", "").err().unwrap(), EncoderError::UnknownFormat(_)));
        assert!(matches!(by_name("text", "{\"colour\":true}").err().unwrap(), EncoderError::Options(_)));
        assert!(matches!(
            by_name("combined", "{\"zone\":\"Mars/Phobos\"}").err().unwrap(),
            EncoderError::UnknownZone(_)
        ));
    }
}
