//! SIP messages and URIs: what was read and printed reads the same again.

use sip::message::header::{Via, elements, params, unquote};
use sip::{Limits, Message, Name, NameAddr, Uri};

/// A datagram as a message. Reading, printing and reading again comes to the same message, and
/// what was printed once does not change any more.
pub fn sip_message(data: &[u8]) {
    let limits = Limits { message_bytes: 4 * 1024, ..Limits::default() };
    let Ok(message) = sip::message::parse(data, &limits) else { return };
    let printed = message.print();
    // Printing may write short names out; the bound is on what comes in.
    let again = sip::message::parse(&printed, &Limits::default());
    let again = again.expect("what we print can be read");
    assert_eq!(again.print(), printed, "printing is stable");
    let headers = match (&message, &again) {
        (Message::Request(first), Message::Request(second)) => {
            assert_eq!((&first.uri, &first.body), (&second.uri, &second.body));
            assert_eq!(first.sdp(), second.sdp());
            &first.headers
        }
        (Message::Response(first), Message::Response(second)) => {
            assert_eq!((first.code, &first.body), (second.code, &second.body));
            assert_eq!(first.sdp(), second.sdp());
            &first.headers
        }
        _ => panic!("a request and a response are different things"),
    };
    let named = headers.get(Name::Contact).map(|value| NameAddr::parse(value, Name::Contact));
    if let Some(Ok(contact)) = named {
        let mut written = Vec::new();
        contact.write(&mut written);
        let again = NameAddr::parse(&written, Name::Contact).expect("what we write can be read");
        assert_eq!(again.uri, contact.uri);
    }
}

/// The values that peers write: URIs, addresses with names, Via, lists and quoted strings.
pub fn sip_uri(data: &[u8]) {
    if let Ok(uri) = Uri::parse(data) {
        let again = Uri::parse(uri.as_bytes()).expect("a URI keeps its text");
        assert_eq!(again, uri);
        assert_eq!(
            (again.user(), again.host(), again.port()),
            (uri.user(), uri.host(), uri.port())
        );
        assert!(uri.user().len() + uri.host().len() <= data.len());
        assert_eq!(again.socket_addr(), uri.socket_addr());
    }
    if let Ok(named) = NameAddr::parse(data, Name::From) {
        let mut written = Vec::new();
        named.write(&mut written);
        let again = NameAddr::parse(&written, Name::From).expect("what we write can be read");
        assert_eq!((again.uri.as_bytes(), again.tag()), (named.uri.as_bytes(), named.tag()));
    }
    if let Ok(via) = Via::parse(data) {
        assert!(via.branch.len() <= data.len());
    }
    let pieces: usize = elements(data).map(<[u8]>::len).sum();
    assert!(pieces <= data.len(), "a list is not longer than its text");
    assert!(params(data, b';').count() <= data.len() + 1);
    assert!(unquote(data).len() <= data.len());
}
