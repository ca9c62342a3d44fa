//! Apache's combined log format, for tools that read nothing else: `%h %l %u %t "%r" %>s %b "%{Referer}i"
//! "%{User-Agent}i"`, with `%D` appended on demand. Source: Apache httpd, mod_log_config.
//!
//! What the record does not hold is `-`: the user always (an authorization header is masked), referer and user agent
//! unless `capture.headers` names them.

use crate::encoder::{Encoder, EncoderError, EncoderOptions};
use crate::json::{protocol_name, push_address};
use crate::record::{Message, Record, Side};
use crate::wall_time::{push_digits, push_offset, WallClock};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Encoder of the format `combined`.
#[derive(Debug)]
pub struct CombinedEncoder {
    clock: WallClock,
    has_micros: bool,
}

impl CombinedEncoder {
    /// Uses `zone` and `micros` of the options.
    pub fn new(options: &EncoderOptions) -> Result<CombinedEncoder, EncoderError> {
        Ok(CombinedEncoder { clock: WallClock::named(options.zone.as_deref())?, has_micros: options.micros })
    }
}

impl Encoder for CombinedEncoder {
    fn encode(&mut self, record: &Record, out: &mut Vec<u8>) {
        // %h is who asked, whichever end was observed.
        let client = if record.side == Side::Server { &record.remote } else { &record.local };
        if client.is_known() {
            push_address(out, client.address);
        } else {
            out.push(b'-');
        }
        out.extend_from_slice(b" - - [");
        self.push_time(out, record.id.wall_ns);
        out.extend_from_slice(b"] \"");
        push_request_line(out, record);
        out.extend_from_slice(b"\" ");
        push_or_dash(out, record.status.map(u64::from));
        out.push(b' ');
        // %b writes a dash for zero bytes (%B would write 0).
        push_or_dash(out, record.response.body_bytes.filter(|bytes| *bytes > 0));
        push_header(out, &record.request, "referer");
        push_header(out, &record.request, "user-agent");
        if self.has_micros {
            out.push(b' ');
            push_or_dash(out, record.duration_ns.map(|ns| ns / 1000));
        }
        out.push(b'\n');
    }
}

impl CombinedEncoder {
    fn push_time(&mut self, out: &mut Vec<u8>, wall_ns: u64) {
        let time = self.clock.at(wall_ns);
        let civil = time.civil;
        push_digits(out, u32::from(civil.day().unsigned_abs()), 2);
        out.push(b'/');
        let month = usize::from(civil.month().unsigned_abs()).saturating_sub(1);
        out.extend_from_slice(MONTHS.get(month).copied().unwrap_or(b"---"));
        out.push(b'/');
        push_digits(out, u32::from(civil.year().unsigned_abs()), 4);
        for part in [civil.hour(), civil.minute(), civil.second()] {
            out.push(b':');
            push_digits(out, u32::from(part.unsigned_abs()), 2);
        }
        out.push(b' ');
        push_offset(out, time.offset, b"");
    }
}

/// `%r` put together from its parts; a request that nobody saw is a dash.
fn push_request_line(out: &mut Vec<u8>, record: &Record) {
    let Some(method) = &record.method else {
        out.push(b'-');
        return;
    };
    push_escaped(out, method);
    out.push(b' ');
    match (&record.path, &record.host) {
        (Some(path), host) => {
            // A scheme was sent only in the absolute form (HTTP/2 has it always, and logs the path alone).
            if let (Some(scheme), Some(host), false) =
                (&record.scheme, host, protocol_name(record.protocol) == "HTTP/2")
            {
                push_escaped(out, scheme);
                out.extend_from_slice(b"://");
                push_escaped(out, host);
            }
            push_escaped(out, path);
        }
        // CONNECT names an authority and no path.
        (None, Some(host)) => push_escaped(out, host),
        (None, None) => out.push(b'-'),
    }
    if let Some(query) = &record.query {
        out.push(b'?');
        push_escaped(out, query);
    }
    out.push(b' ');
    out.extend_from_slice(protocol_name(record.protocol).as_bytes());
}

fn push_or_dash(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        None => out.push(b'-'),
    }
}

fn push_header(out: &mut Vec<u8>, message: &Message, name: &str) {
    out.extend_from_slice(b" \"");
    match message.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, value)) => push_escaped(out, value),
        None => out.push(b'-'),
    }
    out.push(b'"');
}

/// As Apache's `ap_escape_logitem`: quote and backslash with a backslash, C escapes where there are, every other byte
/// that is not printable ASCII as `\xhh`.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        let letter = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b' '..=b'~' => {
                out.push(byte);
                continue;
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::Protocol;
    use crate::samples;

    fn line(record: &Record, micros: bool, zone: &str) -> String {
        let options = EncoderOptions { micros, zone: Some(zone.to_owned()), ..EncoderOptions::default() };
        let mut out = Vec::new();
        CombinedEncoder::new(&options).unwrap().encode(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_gives_the_line_apache_would_write() {
        let mut record = samples::exchange();
        record.request.headers.push(("user-agent".into(), "curl/8.5 \"x\"".into()));
        assert_eq!(
            line(&record, false, "UTC"),
            "fd00::3 - - [21/Nov/2026:11:46:15 +0000] \"GET /item/1?q=* HTTP/1.1\" 200 62 \"-\" \"curl/8.5 \\\"x\\\"\"\n"
        );
        assert!(line(&record, true, "America/St_Johns").contains("[21/Nov/2026:08:16:15 -0330]"));
        assert!(line(&record, true, "UTC").ends_with(" 1500\n"));
    }

    #[test]
    fn what_is_unknown_is_a_dash() {
        let fields = " - - [21/Nov/2026:11:46:15 +0000] \"-\" - - \"-\" \"-\" -\n";
        assert_eq!(line(&samples::unknown(), true, "UTC"), format!("fd00::3{fields}"));
    }

    #[test]
    fn the_client_comes_first_on_either_side() {
        let mut record = samples::exchange();
        record.side = Side::Client;
        assert!(line(&record, false, "UTC").starts_with("10.9.0.2 "));
    }

    #[test]
    fn targets_are_written_in_the_form_they_were_sent() {
        let mut record = samples::exchange();
        record.query = None;
        record.scheme = Some("http".into());
        assert!(line(&record, false, "UTC").contains("\"GET http://shop.local/item/1 HTTP/1.1\""));
        record.protocol = Protocol::Http2;
        assert!(line(&record, false, "UTC").contains("\"GET /item/1 HTTP/2\""));
        record.scheme = None;
        record.protocol = Protocol::Http10;
        record.method = Some("CONNECT".into());
        record.path = None;
        record.host = Some("db:5432".into());
        assert!(line(&record, false, "UTC").contains("\"CONNECT db:5432 HTTP/1.0\""));
    }

    #[test]
    fn no_byte_of_a_request_can_forge_a_line() {
        let mut record = samples::exchange();
        record.path = Some("/a\"\\\n\r\t\u{b}\u{8}\u{1b}\u{7f}é".into());
        assert!(line(&record, false, "UTC").contains(r#"/a\"\\\n\r\t\v\b\x1b\x7f\xc3\xa9?q=*"#));
    }
}
