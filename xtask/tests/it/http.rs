//! Goal: the tiny HTTP client reads and writes what HTTP/1.1 says.

use xtask::http::{encode, split};

#[test]
fn reserved_and_persian_characters_are_encoded() {
    assert_eq!(encode("a b&c=d/e"), "a%20b%26c%3Dd%2Fe");
    assert_eq!(encode("سلام"), "%D8%B3%D9%84%D8%A7%D9%85");
    assert_eq!(encode("A-z_0.9~"), "A-z_0.9~");
}

#[test]
fn a_body_comes_plain_or_in_chunks() {
    let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(split(plain).unwrap(), (200, b"{}".to_vec()));
    let chunked = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(split(chunked).unwrap(), (503, b"abc0123456789".to_vec()));
}

#[test]
fn a_broken_answer_is_an_error() {
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc";
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", chunks] {
        assert!(split(answer).is_err(), "{answer:?}");
    }
}
