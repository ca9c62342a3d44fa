//! Attributes: `KeyValue` messages in a field of whatever has them. What is unknown is no attribute.

use crate::wire::{push_bytes, push_chosen_integer, push_message, push_text};

/// Fields of `AnyValue`.
const TEXT: u32 = 1;
const BOOLEAN: u32 = 2;
const INTEGER: u32 = 3;
const LIST: u32 = 5;

/// Appends attributes to the message that `out` ends with.
pub struct Attributes<'a> {
    out: &'a mut Vec<u8>,
    field: u32,
}

impl<'a> Attributes<'a> {
    /// `field`: where the message has its attributes.
    pub fn new(out: &'a mut Vec<u8>, field: u32) -> Attributes<'a> {
        Attributes { out, field }
    }

    fn push(&mut self, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
        push_message(self.out, self.field, |pair| {
            push_text(pair, 1, key);
            push_message(pair, 2, value);
        });
    }

    pub fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.push(key, |any| push_bytes(any, TEXT, value.as_bytes()));
        }
    }

    pub fn maybe_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub fn integer(&mut self, key: &str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.push(key, |any| push_chosen_integer(any, INTEGER, value));
    }

    pub fn maybe_integer(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.integer(key, value);
        }
    }

    pub fn truth(&mut self, key: &str) {
        self.push(key, |any| push_chosen_integer(any, BOOLEAN, 1));
    }

    /// A list of texts; an empty one is left out.
    pub fn texts<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        let mut values = values.peekable();
        if values.peek().is_some() {
            self.push(key, |any| {
                push_message(any, LIST, |list| {
                    values.for_each(|value| push_message(list, 1, |any| push_bytes(any, TEXT, value.as_bytes())));
                });
            });
        }
    }
}
