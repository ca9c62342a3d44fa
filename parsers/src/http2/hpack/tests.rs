//! The examples of RFC 7541 appendix C, and what an observer must make of tables it does not know.

use super::*;

/// All names are asked for, so that whole lists can be compared.
struct Seen(Vec<(String, String)>, KeepHeaders);

impl Fields for Seen {
    fn field(&mut self, name: Name, value: Value<'_>) {
        let name = name.kept.and_then(|position| self.1.at(position)).map(|(name, _)| name.to_string());
        self.0.push((name.unwrap_or_default(), value.text().to_string()));
    }

    fn unknown_field(&mut self) {
        self.0.push(("?".into(), "?".into()));
    }
}

const NAMES: [&str; 15] = [
    ":method",
    ":scheme",
    ":path",
    ":authority",
    ":status",
    "custom-key",
    "password",
    "cache-control",
    "date",
    "location",
    "content-encoding",
    "set-cookie",
    "x-a",
    "x-b",
    "x-c",
];

fn decode(decoder: &mut Decoder, hex: &str) -> (Vec<(String, String)>, End) {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = |pair: &[u8]| String::from_utf8_lossy(pair).into_owned();
    let block: Vec<u8> = digits.chunks(2).filter_map(|pair| u8::from_str_radix(&text(pair), 16).ok()).collect();
    assert_eq!(block.len() * 2, digits.len());
    let mut seen = Seen(Vec::new(), KeepHeaders::new(NAMES));
    let end = decoder.decode(&block, &KeepHeaders::new(NAMES), &mut seen);
    (seen.0, end)
}

fn check(decoder: &mut Decoder, hex: &str, expected: &[(&str, &str)], table_bytes: u32) {
    let (seen, end) = decode(decoder, hex);
    let seen: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!((&seen[..], end), (expected, End::Whole), "{hex}");
    assert_eq!(decoder.table.bytes(), table_bytes, "{hex}");
}

fn text(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 7541 §C.2: the four representations.
#[test]
fn representations_of_the_rfc() {
    let custom = format!("400a {} 0d {}", text("custom-key"), text("custom-header"));
    check(&mut Decoder::new(), &custom, &[("custom-key", "custom-header")], 55);
    check(&mut Decoder::new(), &format!("040c {}", text("/sample/path")), &[(":path", "/sample/path")], 0);
    let password = format!("1008 {} 06 {}", text("password"), text("secret"));
    check(&mut Decoder::new(), &password, &[("password", "secret")], 0);
    check(&mut Decoder::new(), "82", &[(":method", "GET")], 0);
}

const REQUESTS: [(&[(&str, &str)], u32); 3] = [
    (&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")], 57),
    (
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        110,
    ),
    (
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
        164,
    ),
];

/// RFC 7541 §C.3 and §C.4.
#[test]
fn requests_of_the_rfc() {
    let plain = [
        format!("8286 8441 0f{}", text("www.example.com")),
        format!("8286 84be 5808{}", text("no-cache")),
        format!("8287 85bf 400a{}0c{}", text("custom-key"), text("custom-value")),
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]
    .map(String::from);
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        for (block, (expected, bytes)) in blocks.iter().zip(REQUESTS) {
            check(&mut decoder, block, expected, bytes);
        }
    }
}

const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const FIRST: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const LATER: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const PLACE: (&str, &str) = ("location", "https://www.example.com");

/// RFC 7541 §C.5 and §C.6: a table of 256 bytes, so that entries are evicted.
#[test]
fn responses_of_the_rfc() {
    let plain = [
        format!("4803{}5807{}611d{}6e17{}", text("302"), text("private"), text(FIRST), text(PLACE.1)),
        format!("4803{}c1c0bf", text("307")),
        format!("88c1611d{}c05a04{}7738{}", text(LATER), text("gzip"), text(COOKIE)),
    ];
    let huffman = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]
    .map(String::from);
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        decoder.table.resize(256);
        let mut responses = blocks.iter();
        let mut next = |expected: &[(&str, &str)], bytes| {
            let block = responses.next().map_or("", String::as_str);
            check(&mut decoder, block, expected, bytes);
        };
        let (private, first) = (("cache-control", "private"), ("date", FIRST));
        next(&[(":status", "302"), private, first, PLACE], 222);
        next(&[(":status", "307"), private, first, PLACE], 222);
        let gzip = ("content-encoding", "gzip");
        next(&[(":status", "200"), private, ("date", LATER), PLACE, gzip, ("set-cookie", COOKIE)], 215);
    }
}

/// Entries count from the newest: those added since we know the table are known, the others are not.
#[test]
fn only_entries_added_since_are_known() {
    let mut decoder = Decoder::new();
    decoder.forget();
    let added = format!("be 4003{}0131 4003{}0132 be bf c0", text("x-a"), text("x-b"));
    let expected = [("?", "?"), ("x-a", "1"), ("x-b", "2"), ("x-b", "2"), ("x-a", "1"), ("?", "?")];
    check(&mut decoder, &added, &expected, 72);
    // A literal whose name is unknown: so is the field, and the entry it makes.
    check(&mut decoder, "7f01 0133 be bf", &[("?", "?"), ("?", "?"), ("x-b", "2")], 72 + 33);
    check(&mut decoder, "0f31 0134", &[("x-a", "4")], 72 + 33);
    // No room for anything older, and then room again.
    check(&mut decoder, &format!("20 3fe1 1f 4003{}0133 be", text("x-c")), &[("x-c", "3"), ("x-c", "3")], 36);
    assert_eq!(decode(&mut decoder, "bf").1, End::Malformed);
    assert_eq!(decode(&mut decoder, "bf").0, [("?".into(), "?".into())]);
}

/// RFC 7541 §4.2: size updates come first; §2.3.3: indexes beyond the table are errors.
#[test]
fn what_no_encoder_writes_ends_the_block() {
    for (block, end) in [
        ("20", End::Malformed),
        ("80", End::Malformed),
        ("be", End::Malformed),
        ("ff ffffffff ff", End::Malformed),
        ("0081 06", End::Malformed),
        ("40", End::Cut),
        ("4003 61", End::Cut),
        ("4001 61 05 62", End::Cut),
        ("3f", End::Malformed),
    ] {
        let mut decoder = Decoder::new();
        let (seen, found) = decode(&mut decoder, &format!("84 {block}"));
        assert_eq!((seen.len(), found), (1, end), "{block}");
        assert_eq!(decode(&mut decoder, "be").1, End::Whole, "the table is unknown");
    }
}

/// Fields as `?` where they are unknown.
fn fields(decoder: &mut Decoder, hex: &str) -> Vec<String> {
    decode(decoder, hex).0.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
    digits.chunks(2).filter_map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok()).collect()
}

fn tell(decoder: &mut Decoder, block: &str, entries: &[(&str, &str)]) -> bool {
    let entries: Vec<(&[u8], &[u8])> =
        entries.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    decoder.tell(&bytes(block), &entries, &KeepHeaders::new(NAMES))
}

fn joined() -> Decoder {
    let mut decoder = Decoder::new();
    decoder.forget();
    // From the first block on that lacks something blocks are remembered.
    assert_eq!(fields(&mut decoder, "be"), ["?: ?"]);
    decoder
}

const OLD: [(&str, &str); 3] = [(":path", "/b"), ("x-a", "1"), (":path", "/a")];

#[test]
fn a_table_that_was_told_counts_from_the_next_block_on() {
    let mut decoder = joined();
    assert_eq!(fields(&mut decoder, "be c0"), ["?: ?", "?: ?"]);
    assert!(tell(&mut decoder, "be c0", &OLD));
    assert_eq!(fields(&mut decoder, "be c0 bf c1"), [":path: /b", ":path: /a", "x-a: 1", "?: ?"]);
    let added = format!("4003{}0132 be bf c1", text("x-b"));
    assert_eq!(fields(&mut decoder, &added), ["x-b: 2", "x-b: 2", ":path: /b", ":path: /a"]);
}

/// What was added after the block stays in front; what was added before it must be among what was told.
#[test]
fn a_table_that_was_told_is_put_where_its_block_was() {
    let added = format!("4003{}0132", text("x-b"));
    let mut decoder = joined();
    fields(&mut decoder, "c0");
    fields(&mut decoder, &added);
    assert!(tell(&mut decoder, "c0", &OLD));
    assert_eq!(fields(&mut decoder, "be bf c1"), ["x-b: 2", ":path: /b", ":path: /a"]);
    let mut decoder = joined();
    fields(&mut decoder, &added);
    fields(&mut decoder, "c0");
    assert!(tell(&mut decoder, "c0", &[&[("x-b", "2")], &OLD[..]].concat()));
    assert_eq!(fields(&mut decoder, "be bf c1"), ["x-b: 2", ":path: /b", ":path: /a"]);
}

#[test]
fn a_table_of_which_the_place_is_not_certain_is_not_believed() {
    let added = |value: &str| format!("4003{}01{}", text("x-b"), text(value));
    // No such block.
    assert!(!tell(&mut joined(), "bf", &OLD));
    // The block came before the entry that is in the table, or after one that is not.
    let mut decoder = joined();
    fields(&mut decoder, "c0");
    fields(&mut decoder, &added("2"));
    assert!(!tell(&mut decoder, "c0", &[&[("x-b", "2")], &OLD[..]].concat()));
    fields(&mut decoder, "c1");
    assert!(!tell(&mut decoder, "c1", &OLD));
    // Another value of the same length.
    assert!(!tell(&mut decoder, "c1", &[&[("x-b", "3")], &OLD[..]].concat()));
    // The same entry twice: once seen, once before our time, or both seen.
    let twice = [&[("x-b", "2"), ("x-b", "2")], &OLD[..]].concat();
    fields(&mut decoder, &added("2"));
    fields(&mut decoder, "c2");
    assert!(!tell(&mut decoder, "c2", &twice));
    // A header that nobody asks for is compared as well.
    let mut decoder = joined();
    fields(&mut decoder, &format!("4003{}0132 c0", text("y-n")));
    fields(&mut decoder, "c0");
    assert!(!tell(&mut decoder, "c0", &[&[("y-n", "3")], &OLD[..]].concat()));
    assert!(tell(&mut decoder, "c0", &[&[("y-n", "2")], &OLD[..]].concat()));
}

/// A gap behind the block says that what was told may be of a block that was missed.
#[test]
fn a_table_that_was_told_before_a_gap_is_forgotten() {
    let mut decoder = joined();
    fields(&mut decoder, "c0");
    assert!(tell(&mut decoder, "c0", &OLD));
    decoder.forget();
    assert_eq!(fields(&mut decoder, "c0"), ["?: ?"]);
    let mut decoder = Decoder::new();
    assert!(!tell(&mut decoder, "82", &OLD), "a table that is whole is told nothing");
}
