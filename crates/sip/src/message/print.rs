//! Message to bytes. [`Writer`] writes straight into one buffer; Content-Length is always ours.

use super::{Message, Name, Request, Response};

/// One message being written: start line, fields, then [`Writer::finish`] with the body.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn request(method: &[u8], uri: &[u8]) -> Self {
        let mut writer = Self { bytes: Vec::with_capacity(1024) };
        writer.raw(&[method, b" ", uri, b" SIP/2.0\r\n"]);
        writer
    }

    pub(crate) fn response(code: u16, reason: &[u8]) -> Self {
        let mut writer = Self { bytes: Vec::with_capacity(1024) };
        writer.raw(&[b"SIP/2.0 "]);
        writer.number(u64::from(code));
        writer.raw(&[b" ", reason, b"\r\n"]);
        writer
    }

    /// Appends bytes as they are.
    pub(crate) fn raw(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    pub(crate) fn number(&mut self, mut value: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(value % 10).expect("a remainder by ten is one digit");
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[at..]);
    }

    /// Appends one field of one line.
    pub(crate) fn field(&mut self, name: Name, value: &[u8]) {
        self.raw(&[name.text().as_bytes(), b": ", value, b"\r\n"]);
    }

    pub(crate) fn named(&mut self, name: &[u8], value: &[u8]) {
        self.raw(&[name, b": ", value, b"\r\n"]);
    }

    pub(crate) fn numeric(&mut self, name: Name, value: u64) {
        self.raw(&[name.text().as_bytes(), b": "]);
        self.number(value);
        self.raw(&[b"\r\n"]);
    }

    /// Appends why a call is ended: a cause of Q.850, when there is one (RFC 3326).
    pub(crate) fn reason(&mut self, q850: Option<u8>) {
        if let Some(cause) = q850 {
            self.raw(&[b"Reason: Q.850;cause="]);
            self.number(u64::from(cause));
            self.raw(&[b"\r\n"]);
        }
    }

    /// Appends every field of a list, but not Content-Length, which `finish` writes.
    pub(crate) fn fields(&mut self, headers: &super::Headers) {
        for (name, value) in headers.iter() {
            if Name::parse(name) != Name::ContentLength {
                self.named(name, value);
            }
        }
    }

    pub(crate) fn finish(mut self, body: &[u8]) -> Vec<u8> {
        self.numeric(Name::ContentLength, body.len() as u64);
        self.raw(&[b"\r\n", body]);
        self.bytes
    }

    /// Ends a body that is a session description, or none.
    pub(crate) fn finish_sdp(mut self, sdp: &[u8]) -> Vec<u8> {
        if !sdp.is_empty() {
            self.field(Name::ContentType, b"application/sdp");
        }
        self.finish(sdp)
    }
}

impl Request {
    /// The request as it goes on the wire. No value breaks a line: those in [`super::Headers`]
    /// hold no line ends.
    pub fn print(&self) -> Vec<u8> {
        let mut writer = Writer::request(self.method.as_bytes(), self.uri.as_bytes());
        writer.fields(&self.headers);
        writer.finish(&self.body)
    }
}

impl Response {
    /// The response as it goes on the wire, line ends in the phrase left out.
    pub fn print(&self) -> Vec<u8> {
        let line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let reason: Vec<u8> = self.reason.iter().copied().filter(|b| !line_end(b)).collect();
        let mut writer = Writer::response(self.code, &reason);
        writer.fields(&self.headers);
        writer.finish(&self.body)
    }
}

impl Message {
    /// The message as it goes on the wire.
    pub fn print(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.print(),
            Self::Response(response) => response.print(),
        }
    }
}
