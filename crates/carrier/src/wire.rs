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
