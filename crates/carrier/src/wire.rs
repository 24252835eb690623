//! The two things that are read from a SIP datagram before the endpoint sees it: whom it asks
//! for, and which call it belongs to. Only numbers that lose datagrams on purpose need them.

/// The user part of the Request-URI; `None` for responses and for what is not SIP.
pub(crate) fn request_user(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\r' || byte == b'\n').next()?;
    let uri = line.split(|&byte| byte == b' ').nth(1)?;
    let colon = uri.iter().position(|&byte| byte == b':')?;
    let user = &uri[colon + 1..];
    let end = user.iter().position(|&byte| b"@;:?".contains(&byte)).unwrap_or(user.len());
    Some(&user[..end])
}

/// The value of Call-ID.
pub(crate) fn call_id(bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .split(|&byte| byte == b'\n')
        .skip(1)
        .map(<[u8]>::trim_ascii)
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = line[..colon].trim_ascii();
            let named = name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i");
            named.then(|| line[colon + 1..].trim_ascii())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_called_user_is_found_in_requests_only() {
        for (line, user) in [
            ("INVITE sip:+98999@carrier SIP/2.0\r\n", Some("+98999")),
            ("\r\n\r\nACK sip:0999:secret@carrier SIP/2.0\r\n", Some("0999")),
            ("INVITE tel:0999;phone-context=x SIP/2.0\r\n", Some("0999")),
            ("SIP/2.0 200 OK\r\n", None),
            ("INVITE", None),
            ("", None),
        ] {
            assert_eq!(request_user(line.as_bytes()), user.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn the_call_id_is_found_in_either_form_before_the_body() {
        for (text, id) in [
            ("BYE sip:a SIP/2.0\r\nVia: x\r\ncall-id : a@b \r\n\r\n", Some("a@b")),
            ("SIP/2.0 200 OK\r\ni:z\r\n", Some("z")),
            ("SIP/2.0 200 OK\r\nVia: x\r\n\r\nCall-ID: body\r\n", None),
        ] {
            assert_eq!(call_id(text.as_bytes()), id.map(str::as_bytes), "{text}");
        }
    }
}
