//! What a certificate says of its owner, for people who look for what is wrong. Verification is the
//! library's affair; this reads two fields of a certificate that it has verified (RFC 5280 §4.1).

use std::fmt;

/// Constructed SEQUENCE, and the context tag of the version.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// The object identifier of a common name: 2.5.4.3.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Whose a certificate is, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name of its subject, if it has one.
    pub subject: Option<String>,
    /// Its last moment, as `2027-01-31 12:00:00 UTC`.
    pub valid_until: String,
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or("(no common name)");
        write!(f, "{subject}, until {}", self.valid_until)
    }
}

impl Certificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = of_kind(der, SEQUENCE)?;
        let (mut to_be_signed, _) = of_kind(certificate, SEQUENCE)?;
        if to_be_signed.first() == Some(&VERSION) {
            (_, _, to_be_signed) = element(to_be_signed)?;
        }
        // Serial number, algorithm and issuer stand before the validity.
        for _ in 0..3 {
            (_, _, to_be_signed) = element(to_be_signed)?;
        }
        let (validity, rest) = of_kind(to_be_signed, SEQUENCE)?;
        let (_, _, not_after) = element(validity)?;
        let (kind, time, _) = element(not_after)?;
        let (subject, _) = of_kind(rest, SEQUENCE)?;
        Some(Self { subject: common_name(subject), valid_until: moment(kind, time)? })
    }
}

/// The first element: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = der.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
        rest = behind;
    }
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// The content of the first element, which must be of this kind, and what follows.
fn of_kind(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    (tag == kind).then_some((content, rest))
}

fn common_name(subject: &[u8]) -> Option<String> {
    let at = subject.windows(COMMON_NAME.len()).position(|window| window == COMMON_NAME)?;
    let (_, name, _) = element(subject.get(at + COMMON_NAME.len()..)?)?;
    let printable = String::from_utf8_lossy(name);
    Some(printable.chars().filter(|letter| !letter.is_control()).collect())
}

/// `YYMMDDHHMMSSZ` (the years until 2049) or `YYYYMMDDHHMMSSZ`.
fn moment(kind: u8, time: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(time).ok()?;
    let (century, digits) = match kind {
        0x17 if text < "50" => ("20", text),
        0x17 => ("19", text),
        0x18 => text.split_at_checked(2)?,
        _ => return None,
    };
    let digits = digits.strip_suffix('Z').filter(|digits| digits.len() == 12)?;
    let part = |at: usize| digits.get(at..at + 2);
    let (year, month, day) = (part(0)?, part(2)?, part(4)?);
    let (hour, minute, second) = (part(6)?, part(8)?, part(10)?);
    Some(format!("{century}{year}-{month}-{day} {hour}:{minute}:{second} UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: Option<&str>) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = name {
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
        }
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_until_when() {
        let read = Certificate::read(&made(Some("sip.carrier.example"))).unwrap();
        assert_eq!(read.to_string(), "sip.carrier.example, until 2031-02-03 00:00:00 UTC");
        assert_eq!(Certificate::read(&made(None)).unwrap().subject, None);
    }

    /// Goal: bytes of a hostile server are read or not, and never a panic.
    #[test]
    fn broken_certificates_are_not_read() {
        let good = made(Some("x"));
        for end in 0..good.len() {
            assert_eq!(Certificate::read(&good[..end]), None);
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Whatever it says now, it says it quietly.
                drop(Certificate::read(&bad));
            }
        }
    }
}
