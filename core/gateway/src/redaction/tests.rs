use super::*;
use std::io::Write as _;

/// Numbers that issuers publish for tests, with what is left of them.
const CARDS: [(&str, &str); 21] = [
    ("4111111111111111", "************1111"),
    ("4222222222222", "*********2222"),
    ("4000000000000000006", "***************0006"),
    ("5555555555554444", "************4444"),
    ("2223003122003222", "************3222"),
    ("378282246310005", "***********0005"),
    ("30569309025904", "**********5904"),
    ("36227206271667", "**********1667"),
    ("6011111111111117", "************1117"),
    ("3566002020360505", "************0505"),
    ("6200000000000005", "************0005"),
    ("6205500000000000004", "***************0004"),
    ("2200000000000053", "************0053"),
    ("6759649826438453", "************8453"),
    ("4111 1111 1111 1111", "**** **** **** 1111"),
    ("4111-1111-1111-1111", "****-****-****-1111"),
    ("4111.1111.1111.1111", "****.****.****.1111"),
    ("3782 822463 10005", "**** ****** *0005"),
    ("3056 930902 5904", "**** ****** 5904"),
    ("41 11 11 11 11 11 11 11", "** ** ** ** ** ** 11 11"),
    ("6205 500000000000004", "**** ***********0004"),
];

#[test]
fn card_numbers_end_behind_stars_wherever_they_stand() {
    for (card, left) in CARDS {
        for (before, behind) in [
            ("", ""),
            ("card ", ", please"),
            ("pan=", "&cvv=123"),
            ("/0/", ""),
            ("unknown field `", "`, expected one of"),
            ("card", ""),
            ("id", ""),
            ("ä", "ä"),
            (";", "=2512101"),
            ("%B", "^DOE/J^"),
            ("two at once: 7 ", ""),
            ("(", ")."),
            ("", ".0"),
            ("amount 100, ", " EUR"),
        ] {
            // Digits that stand apart by the same separator may belong to it, or not: either way it must not be left.
            let text = format!("{before}{card}{behind}");
            let redacted = redacted(&text);
            assert!(!redacted.contains(card) && redacted.contains(&left[left.len() - 4..]), "{text} → {redacted}");
            if !before.ends_with("7 ") {
                assert_eq!(redacted, format!("{before}{left}{behind}"));
            }
        }
    }
    assert_eq!(redacted("4111111111111111 4111111111111111"), "************1111 ************1111");
    assert_eq!(redacted("4111111111111111 100"), "************1111 100");
    assert_eq!(redacted("1 4111111111111111 100 2"), "1 ************1111 100 2");
}

#[test]
fn other_numbers_stay() {
    for text in [
        "4111111111111112",
        "41111111111111111111",
        "0.4111111111111111",
        "-12.378282246310005",
        "1795694534000000",
        "1795694534000000000",
        "1795694534000",
        "2026-11-26 12:02:14.123456",
        "20261126-120214-123456",
        "0198a1b2-4111-1111-8111-111111111111",
        "01987654-1234-7123-8123-123456789012",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "a4111111111111111f",
        "0f4111111111111111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "192.168.100.200",
        "4111, 1111, 1111, 1111",
        "4111  1111  1111  1111",
        "411111111111",
        "+49 30 1234567",
        "",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn credentials_are_left_out() {
    let key = format!("synod_{}_{}_{}", "0123456789abcdef", "00ff".repeat(16), "89abcdef");
    let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2ln-bmF0_dXJl";
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----";
    let table = [
        (format!("the key {key} is old"), "the key [redacted] is old".to_owned()),
        (key.to_uppercase(), "[redacted]".into()),
        (key[..30].to_owned(), "[redacted]".into()),
        (format!("token={jwt}&x=1"), "token=[redacted]&x=1".into()),
        (format!("\\n{jwt}"), "\\n[redacted]".into()),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.".into(), "[redacted]".into()),
        ("eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn".into(), "[redacted]".into()),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIi…".into(), "[redacted]…".into()),
        ("Authorization: Bearer abc".into(), "Authorization: Bearer [redacted]".into()),
        ("bearer  mF_9.B5f-4.1JqM==,".into(), "bearer  [redacted],".into()),
        ("Basic dXNlcjpwYXNzd29yZA==".into(), "Basic [redacted]".into()),
        ("BASIC dXNl".into(), "BASIC dXNl".replace("dXNl", "[redacted]")),
        (format!("key: {pem} and more"), "key: [redacted] and more".into()),
        (pem[..50].to_owned(), "[redacted]".into()),
        ("-----BEGIN PRIVATE KEY-----\\nMIGH".into(), "[redacted]".into()),
    ];
    for (text, expected) in table {
        assert_eq!(redacted(&text), expected);
    }
    for text in [
        "synod_http_request_duration_seconds_bucket",
        "synod_gateway::command::serve",
        "synod_2",
        "send a credential: `Authorization: Bearer` with an API key or an access token",
        "basic functionality and basic words",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "eyJhIjoxfQ==",
        "eyJ",
        "key.eyJ",
        "Bearer",
        "----------",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn lines_of_json_stay_json() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIA==";
    let line = serde_json::json!({
        "a": "x \u{7}4111111111111111", "4111111111111111": 1, "n": 4_111_111_111_111_111_u64, "m": -4_111_111_111_111_111_i64, "f": 4_111_111_111_111_111.0,
        "list": [4_111_111_111_111_111_u64, "Bearer abc\"def\"", 7], "pem": format!("say \"{pem}\" twice {pem}"), "q": "\\\"4111 1111 1111 1111\"",
        "escaped": "\u{1b}4111111111111111\u{10}4111111111111111", "score": 0.411_111_111_111_111_1, "nested": "{\"pan\": 4111111111111111}"
    });
    let redacted = redacted_line(line.to_string().as_bytes()).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&redacted).unwrap();
    let expected = serde_json::json!({
        "a": "x \u{7}************1111", "************1111": 1, "n": "************1111", "m": "-************1111", "f": "************1111.0",
        "list": ["************1111", "Bearer [redacted]\"def\"", 7], "pem": "say \"[redacted]\" twice [redacted]", "q": "\\\"**** **** **** 1111\"",
        "escaped": "\u{1b}************1111\u{10}************1111", "score": 0.411_111_111_111_111_1, "nested": "{\"pan\": ************1111}"
    });
    assert_eq!(read, expected);
    assert_eq!(redacted_line(br#"{"level":"INFO","duration_us":1795694534000000}"#), None);
}

#[test]
fn what_is_no_json_is_redacted_as_text() {
    assert_eq!(redacted_line(b"pan 4111111111111111, \"4111111111111111\"\n").unwrap(), b"pan ************1111, \"************1111\"\n");
    assert_eq!(redacted_line(b"\xff4111111111111111\xfe").unwrap(), b"\xff************1111\xfe");
}

/// The same lines with the net and without it: that nothing is found behind it is the net's doing.
#[test]
fn the_writer_is_what_keeps_a_card_number_out() {
    let line = "{\"message\":\"unknown field `4111111111111111`\"}\n";
    let (mut with, mut without) = (Redacting(Vec::new()), Vec::new());
    with.write_all(line.as_bytes()).unwrap();
    without.write_all(line.as_bytes()).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(16).any(|part| part == b"4111111111111111");
    assert!(holds(&without) && !holds(&with.0));
    assert_eq!(with.0, b"{\"message\":\"unknown field `************1111`\"}\n");
}

/// A small generator, so that what is found is the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.rotate_left(31)
    }
}

/// How often something is taken for a card number that is none, in what log lines are full of.
#[test]
fn ids_digests_times_and_scores_are_seldom_taken_for_card_numbers() {
    let mut random = Random(5);
    type Make = fn(&mut Random) -> String;
    let kinds: [(&str, usize, Make); 7] = [
        ("uuid", 0, |random| {
            let [a, b] = [random.next(), random.next()];
            uuid::Uuid::from_u64_pair(a, b).to_string()
        }),
        ("digest", 0, |random| (0..4).map(|_| format!("{:016x}", random.next())).collect()),
        ("span id", 20, |random| format!("{:016x}", random.next())),
        ("microseconds", 0, |random| (1_795_694_534_000_000 + random.next() % 100_000_000_000_000).to_string()),
        ("nanoseconds", 0, |random| (1_795_694_534_000_000_000 + random.next() % 100_000_000_000_000_000).to_string()),
        ("milliseconds", 0, |random| (1_795_694_534_000 + random.next() % 100_000_000_000).to_string()),
        ("score", 0, |random| (random.next() as f64 / u64::MAX as f64).to_string()),
    ];
    for (kind, most, make) in kinds {
        let taken = (0..100_000).filter(|_| matches!(redacted(&make(&mut random)), Cow::Owned(_))).count();
        println!("{kind}: {taken} of 100,000");
        assert!(taken <= most, "{kind}: {taken}");
    }
    // Any 16 digits are taken in one case of thirty: one of ten passes the check, one of three begins as an issuer's.
    let taken =
        (0..100_000).filter(|_| matches!(redacted(&format!("{:016}", random.next() % 10_000_000_000_000_000)), Cow::Owned(_))).count();
    println!("sixteen random digits: {taken} of 100,000");
    assert!(taken < 5_000, "{taken}");
}

/// Whatever bytes come, it ends, it changes nothing twice, and JSON stays JSON.
#[test]
fn any_text_can_be_redacted() {
    let mut random = Random(9);
    let pieces = [
        "4111111111111111",
        "4111",
        " ",
        "-",
        ".",
        "\"",
        "\\",
        "\\u00",
        "{",
        "eyJ",
        "synod_",
        "Bearer ",
        "basic ",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----END ",
        "ä",
        "0",
        "a",
        "\n",
        "\u{1b}",
        ":",
        ",",
    ];
    for _ in 0..20_000 {
        let text: String = (0..random.next() % 12).map(|_| pieces[(random.next() % pieces.len() as u64) as usize]).collect();
        let once = redacted(&text).into_owned();
        assert_eq!(redacted(&once), once, "{text}");
        let line = serde_json::json!({ text.clone(): [text.clone(), 4_111_111_111_111_111_u64] }).to_string();
        let line = redacted_line(line.as_bytes()).unwrap_or_default();
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok(), "{}", String::from_utf8_lossy(&line));
    }
}
