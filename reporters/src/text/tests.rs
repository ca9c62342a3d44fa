#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::record::{Grpc, Identity};
use crate::samples;

fn line(record: &Record, width: Option<u16>, color: bool) -> String {
    let options = EncoderOptions { color, width, zone: Some("UTC".to_owned()), ..EncoderOptions::default() };
    let mut out = Vec::new();
    TextEncoder::new(&options).unwrap().encode(record, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_at_80_columns() {
    assert_eq!(
        line(&samples::exchange(), Some(80), false),
        "11:46:15.678 200 GET     shop.local/item/1?q=*     1.50 ms ng…80 ← fd…:3 gap old\n"
    );
}

#[test]
fn a_wide_line_has_zone_size_and_ports() {
    assert_eq!(
        line(&samples::exchange(), Some(132), false),
        "11:46:15.678+00:00 200 GET     shop.local/item/1?q=*                             62 B  1.50 ms nginx:80 ← [fd00::3]:59970 gap old\n"
    );
}

#[test]
fn a_call_is_told_with_the_status_of_grpc() {
    let mut record = samples::exchange();
    record.flags = Default::default();
    for (status, text) in [(Some(0), "OK"), (Some(5), "NOT_FOUND"), (Some(99), "99"), (None, "–")] {
        record.grpc =
            Some(Grpc { service: None, method: None, status, request_messages: None, response_messages: None });
        assert!(line(&record, None, false).ends_with(&format!(" grpc:{text}\n")));
    }
}

#[test]
fn a_client_names_itself_first() {
    let mut record = samples::exchange();
    record.side = Side::Client;
    record.flags = Default::default();
    let text = line(&record, None, false);
    assert!(text.ends_with("nginx:80 → [fd00::3]:59970\n"), "{text}");
}

#[test]
fn unknown_values_are_a_dash_not_zero() {
    let text = line(&samples::unknown(), Some(80), false);
    assert!(text.starts_with("11:46:15.678   – –       –                  "), "{text}");
    assert!(!text.contains(" 0 "), "{text}");
}

/// Whatever a peer sends: one line, no wider than asked, no control character but the line end.
#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut record = samples::exchange();
    record.method = Some("PROPPATCHPROPPATCH\u{1b}[2J".into());
    record.path = Some(format!("/{}\u{1b}]0;x\u{7}日本{}", "a".repeat(300), "b/".repeat(90)).into());
    record.remote.address = "2001:db8:1111:2222:3333:4444:5555:6666".parse::<IpAddr>().unwrap();
    record.local.identity = Some(Arc::new(Identity { service: Some("s\n".repeat(60)), ..Identity::default() }));
    for flags in [0, 1, u16::MAX] {
        record.flags.0 = flags;
        for width in 60..240u16 {
            let text = line(&record, Some(width), false);
            let body = text.strip_suffix('\n').unwrap();
            assert!(!body.chars().any(char::is_control), "{text:?}");
            assert!(width_of(body) <= usize::from(width), "{width}: {text}");
        }
    }
}

#[test]
fn colours_only_repeat_what_the_text_says() {
    let mut record = samples::exchange();
    for (status, code) in [(200, ""), (304, "\x1b[2m"), (404, "\x1b[33m"), (503, "\x1b[31m")] {
        record.status = Some(status);
        let colored = line(&record, Some(80), true);
        assert!(colored.contains(&format!(" {code}{status}")), "{colored:?}");
        let mut plain = colored;
        for code in ["\x1b[2m", "\x1b[33m", "\x1b[31m", "\x1b[35m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, line(&record, Some(80), false));
    }
}

#[test]
fn a_pipe_gets_everything_uncut() {
    let mut record = samples::exchange();
    let path = format!("/{}", "x".repeat(500));
    record.path = Some(path.as_str().into());
    assert!(line(&record, None, false).contains(&path));
}

#[test]
fn layers_adds_a_bar_under_each_line_and_the_legend_once() {
    let options = EncoderOptions { width: Some(80), layers: true, ..EncoderOptions::default() };
    let mut encoder = TextEncoder::new(&options).unwrap();
    let mut out = Vec::new();
    encoder.encode(&samples::exchange(), &mut out);
    encoder.encode(&samples::unknown(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [legend, rest, first, bar, second, unknown]: [&str; 6] = lines.clone().try_into().unwrap();
    assert!(legend.starts_with("  █ application") && rest.ends_with("· wait"), "{text}");
    assert!(first.contains(" 200 GET ") && second.contains(" – –"), "{text}");
    assert_eq!(bar, format!("  {}", "█".repeat(73)));
    assert_eq!(unknown, "  – no response was seen");
    assert!(lines.iter().all(|line| width_of(line) <= 80), "{text}");
}
