//! Text in terminal columns: what is safe to print, how wide it is, how to cut and pad it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Stands for what was cut out; one column.
const CUT: char = '…';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// The text with everything that a terminal would act on or hide written out: C0 and C1 controls, DEL, and the
/// characters without width that reorder, join or separate lines (bidirectional overrides among them).
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() && !character.is_ascii_control() {
            safe.push(character);
        } else if character.is_control() || is_invisible(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
        | 0xe0000..=0xe007f)
}

/// Columns that printable text takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// The text in at most `most` columns, its middle replaced by `…` if need be; the end, which tells more, keeps the
/// larger part.
pub fn cut_middle(text: &str, most: usize) -> String {
    if width_of(text) <= most {
        return text.to_owned();
    }
    let keep = most.saturating_sub(1);
    let mut front = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width > keep / 2 {
            break;
        }
        front.push(character);
        used += width;
    }
    let mut back = Vec::new();
    for character in text.chars().rev() {
        let width = character.width().unwrap_or(0);
        if used + width > keep {
            break;
        }
        back.push(character);
        used += width;
    }
    if most > 0 {
        front.push(CUT);
    }
    front.extend(back.into_iter().rev());
    front
}

/// The text filled with blanks to `width` columns; longer text stays as it is.
pub fn pad(text: &str, width: usize, align: Align) -> String {
    let blanks = " ".repeat(width.saturating_sub(width_of(text)));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_written_out() {
        assert_eq!(printable("/a\u{1b}[31m\r\n\t\0"), "/a\\u{1b}[31m\\r\\n\\t\\u{0}");
        assert_eq!(printable("\u{7f}\u{9b}2J\u{202e}x\u{200b}"), "\\u{7f}\\u{9b}2J\\u{202e}x\\u{200b}");
        assert_eq!(printable("/käse/日本\\"), "/käse/日本\\");
    }

    #[test]
    fn cut_text_keeps_both_ends_and_fits() {
        assert_eq!(cut_middle("/abcdefghij", 11), "/abcdefghij");
        assert_eq!(cut_middle("/abcdefghij", 8), "/ab…ghij");
        assert_eq!(cut_middle("/日本語日本語", 8), "/日…本語");
        assert_eq!((cut_middle("abc", 1), cut_middle("abc", 0)), ("…".to_owned(), String::new()));
        for most in 0..20 {
            assert!(width_of(&cut_middle("/日本語/x/y/日本語.html", most)) <= most);
        }
    }

    #[test]
    fn padding_counts_columns_not_bytes() {
        assert_eq!(pad("日", 4, Align::Left), "日  ");
        assert_eq!(pad("µs", 4, Align::Right), "  µs");
        assert_eq!(pad("long", 2, Align::Left), "long");
    }
}
