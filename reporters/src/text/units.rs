//! Durations and sizes as people read them: three significant digits and the unit.

/// `412 ns`, `3.20 ms`, `1.04 s`, `16.7 min`, `2.78 h`.
pub fn duration_text(ns: u64) -> String {
    scaled(
        ns,
        &[
            ("ns", 1),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("min", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ],
    )
}

/// `0 B`, `512 B`, `12.4 KiB`, `1.00 MiB`.
pub fn bytes_text(bytes: u64) -> String {
    scaled(bytes, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)])
}

/// The largest unit that `value` reaches once rounded to three digits: 999.6 µs is `1.00 ms`.
fn scaled(value: u64, units: &[(&str, u64)]) -> String {
    let mut best = String::new();
    for (name, size) in units {
        let in_unit = value as f64 / *size as f64;
        if !best.is_empty() && in_unit < 0.9995 {
            break;
        }
        best = match in_unit {
            _ if *size == 1 => format!("{value} {name}"),
            small if small < 9.995 => format!("{small:.2} {name}"),
            medium if medium < 99.95 => format!("{medium:.1} {name}"),
            large => format!("{large:.0} {name}"),
        };
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let table = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (412_000, "412 µs"),
            (3_200_000, "3.20 ms"),
            (9_994_999, "9.99 ms"),
            (9_995_000, "10.0 ms"),
            (99_960_000, "100 ms"),
            (999_600_000, "1.00 s"),
            (1_040_000_000, "1.04 s"),
            (59_900_000_000, "59.9 s"),
            (1_000_000_000_000, "16.7 min"),
            (10_000_000_000_000, "2.78 h"),
        ];
        for (ns, text) in table {
            assert_eq!(duration_text(ns), text);
        }
    }

    #[test]
    fn sizes_are_binary() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (512, "512 B"),
            (12_698, "12.4 KiB"),
            (1 << 20, "1.00 MiB"),
            (u64::MAX, "16777216 TiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
