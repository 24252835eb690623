//! Who may use the web services, from where, and for what. Methods are names that this file only
//! compares: the front ends know what they mean.

use std::net::IpAddr;

use crate::network::Network;
use crate::{Account, Timestamp};

/// Most entries of one allow-list.
pub const ALLOWED_MAX: usize = 64;
/// Longest name of a method, in bytes.
const METHOD_BYTES_MAX: usize = 64;
/// Between two entries where a list is kept as text.
const SEPARATOR: &str = ",";

/// From where and for what something may be used; an empty list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<Network>,
    methods: Vec<String>,
}

impl Allowed {
    /// Only `networks` and only `methods`. `None` when a list has more than [`ALLOWED_MAX`]
    /// entries or a method is no name of ASCII letters and digits.
    pub fn new(networks: Vec<Network>, methods: Vec<String>) -> Option<Self> {
        let is_name = |name: &String| {
            (1..=METHOD_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let fits = networks.len() <= ALLOWED_MAX
            && methods.len() <= ALLOWED_MAX
            && methods.iter().all(is_name);
        fits.then_some(Self { networks, methods })
    }

    /// The ranges of addresses; empty for all.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The names of methods; empty for all.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// These addresses with the methods of `other`.
    #[must_use]
    pub fn with_methods_of(self, other: Self) -> Self {
        Self { methods: other.methods, ..self }
    }

    /// Both lists as texts to be kept; `None` for an empty one.
    pub fn texts(&self) -> (Option<String>, Option<String>) {
        let networks: Vec<String> = self.networks.iter().map(Network::to_string).collect();
        let text = |list: &[String]| (!list.is_empty()).then(|| list.join(SEPARATOR));
        (text(&networks), text(&self.methods))
    }

    /// Reads what [`Self::texts`] made.
    pub fn from_texts(networks: Option<&str>, methods: Option<&str>) -> Option<Self> {
        let networks = networks.into_iter().flat_map(|text| text.split(SEPARATOR));
        let methods = methods.into_iter().flat_map(|text| text.split(SEPARATOR));
        let networks: Option<Vec<Network>> = networks.map(Network::parse).collect();
        Self::new(networks?, methods.map(str::to_owned).collect())
    }

    /// An unknown address is in no list.
    fn has_address(&self, address: Option<IpAddr>) -> bool {
        let listed = |address| self.networks.iter().any(|network| network.contains(address));
        self.networks.is_empty() || address.is_some_and(listed)
    }

    fn has_method(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|known| known == method)
    }
}

/// What an account may do with the web services, beside paying for it. The default allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountAccess {
    /// Since when the customer's mobile waits to be verified.
    pub mobile_unverified_at: Option<Timestamp>,
    /// Since when the account has no permission for the web services.
    pub denied_at: Option<Timestamp>,
    /// Since when its use of the web services is blocked.
    pub blocked_at: Option<Timestamp>,
    /// Since when it must come by HTTPS.
    pub https_only_at: Option<Timestamp>,
    /// From where and for which methods.
    pub allowed: Allowed,
}

/// A web-service token as the rules see it; the secret itself is only stored hashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenState {
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
    /// From where and for which methods it works.
    pub allowed: Allowed,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The client's address; `None` when nobody can say.
    pub address: Option<IpAddr>,
    /// Whether it was encrypted on its way.
    pub https: bool,
    /// What it asks for.
    pub method: &'a str,
}

/// Why a caller may not use the web services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRefusal {
    /// The operator switched the web services off.
    SystemDisabled,
    /// No token was given, or there is none like it.
    WrongToken,
    /// What was given cannot be a token: too long, or with characters that none has.
    UnreadableToken,
    /// No account has this user name and this password.
    WrongPassword,
    /// The token is switched off.
    TokenDisabled,
    /// The token's time is over.
    TokenExpired,
    /// The account is switched off.
    AccountDisabled,
    /// The subscription is over.
    AccountExpired,
    /// The account has no permission for the web services.
    ServiceNotPermitted,
    /// The account's use of the web services is blocked.
    ServiceBlocked,
    /// The customer's mobile is not verified.
    MobileNotVerified,
    /// The account must come by HTTPS.
    PlainHttpNotPermitted,
    /// The token does not work from this address.
    TokenAddressNotAllowed,
    /// The account may not come from this address.
    AddressNotAllowed,
    /// The token is not for this method.
    TokenMethodNotAllowed,
    /// The account may not use this method.
    MethodNotAllowed,
}

impl AccessRefusal {
    /// Every refusal, in the order in which they are told: is anybody served, who is it, how did
    /// the request come, what is it for. Within each, what the token says comes first.
    pub const ALL: [Self; 16] = [
        Self::SystemDisabled,
        Self::WrongToken,
        Self::UnreadableToken,
        Self::WrongPassword,
        Self::TokenDisabled,
        Self::TokenExpired,
        Self::AccountDisabled,
        Self::AccountExpired,
        Self::ServiceNotPermitted,
        Self::ServiceBlocked,
        Self::MobileNotVerified,
        Self::PlainHttpNotPermitted,
        Self::TokenAddressNotAllowed,
        Self::AddressNotAllowed,
        Self::TokenMethodNotAllowed,
        Self::MethodNotAllowed,
    ];
}

/// Judges a known token, its account and how the request came, at `now`. Who came by user name and
/// password has a token that forbids nothing.
///
/// # Errors
/// The first reason of [`AccessRefusal::ALL`] that forbids access.
pub fn admit_caller(
    token: &TokenState,
    account: &Account,
    access: &AccountAccess,
    arrival: &Arrival<'_>,
    now: Timestamp,
) -> Result<(), AccessRefusal> {
    let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
    let (address, method) = (arrival.address, arrival.method);
    let rules = [
        (token.disabled_at.is_some(), AccessRefusal::TokenDisabled),
        (over(token.expires_at), AccessRefusal::TokenExpired),
        (account.disabled_at.is_some(), AccessRefusal::AccountDisabled),
        (over(account.expires_at), AccessRefusal::AccountExpired),
        (access.denied_at.is_some(), AccessRefusal::ServiceNotPermitted),
        (access.blocked_at.is_some(), AccessRefusal::ServiceBlocked),
        (access.mobile_unverified_at.is_some(), AccessRefusal::MobileNotVerified),
        (access.https_only_at.is_some() && !arrival.https, AccessRefusal::PlainHttpNotPermitted),
        (!token.allowed.has_address(address), AccessRefusal::TokenAddressNotAllowed),
        (!access.allowed.has_address(address), AccessRefusal::AddressNotAllowed),
        (!token.allowed.has_method(method), AccessRefusal::TokenMethodNotAllowed),
        (!access.allowed.has_method(method), AccessRefusal::MethodNotAllowed),
    ];
    let broken = rules.into_iter().find_map(|(broken, refusal)| broken.then_some(refusal));
    broken.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Rials};

    const NOW: Timestamp = Timestamp(100);
    const PAST: Option<Timestamp> = Some(Timestamp(100));

    fn account() -> Account {
        Account {
            id: AccountId(1),
            name: String::from("A"),
            mobile: String::from("09120000001"),
            balance: Rials(1000),
            reserved: Rials(0),
            debt_limit: Rials(0),
            expires_at: None,
            disabled_at: None,
            approves_own_messages: true,
            records_callees: false,
            places_secure_calls: false,
            calls_regions: false,
            sandbox_of: None,
        }
    }

    fn only(network: &str, method: &str) -> Allowed {
        let network = Network::parse(network).unwrap();
        Allowed::new(vec![network], vec![method.to_owned()]).unwrap()
    }

    /// From nowhere known, in the open, for a method that nobody may use.
    const BAD: Arrival<'_> = Arrival { address: None, https: false, method: "Other" };
    const GOOD: Arrival<'_> = Arrival {
        address: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
        https: true,
        method: "Send",
    };

    /// Everything is wrong at first, and is put right one after the other.
    #[test]
    fn the_first_reason_of_the_list_is_told() {
        let mut token = TokenState {
            expires_at: PAST,
            disabled_at: PAST,
            allowed: only("192.0.2.0/24", "Send"),
        };
        let mut account = Account { expires_at: PAST, disabled_at: PAST, ..account() };
        let mut access = AccountAccess {
            mobile_unverified_at: PAST,
            denied_at: PAST,
            blocked_at: PAST,
            https_only_at: PAST,
            allowed: only("192.0.2.7", "Send"),
        };
        let mut arrival = BAD;
        // Whether anybody is served and who it is, is asked before.
        for expected in &AccessRefusal::ALL[4..] {
            let judged = admit_caller(&token, &account, &access, &arrival, NOW);
            assert_eq!(judged, Err(*expected));
            match expected {
                AccessRefusal::SystemDisabled
                | AccessRefusal::WrongToken
                | AccessRefusal::UnreadableToken
                | AccessRefusal::WrongPassword => unreachable!(),
                AccessRefusal::TokenDisabled => token.disabled_at = None,
                AccessRefusal::TokenExpired => token.expires_at = Some(Timestamp(101)),
                AccessRefusal::AccountDisabled => account.disabled_at = None,
                AccessRefusal::AccountExpired => account.expires_at = Some(Timestamp(101)),
                AccessRefusal::ServiceNotPermitted => access.denied_at = None,
                AccessRefusal::ServiceBlocked => access.blocked_at = None,
                AccessRefusal::MobileNotVerified => access.mobile_unverified_at = None,
                AccessRefusal::PlainHttpNotPermitted => arrival.https = true,
                AccessRefusal::TokenAddressNotAllowed => {
                    arrival.address = Some("192.0.2.8".parse().unwrap());
                }
                AccessRefusal::AddressNotAllowed => arrival.address = GOOD.address,
                AccessRefusal::TokenMethodNotAllowed => {
                    token.allowed = only("192.0.2.0/24", "Other");
                }
                AccessRefusal::MethodNotAllowed => {
                    arrival.method = "Send";
                    token.allowed = Allowed::default();
                }
            }
        }
        assert_eq!(admit_caller(&token, &account, &access, &arrival, NOW), Ok(()));
    }

    #[test]
    fn who_is_not_restricted_may_come_from_anywhere() {
        let (token, access) = (TokenState::default(), AccountAccess::default());
        assert_eq!(admit_caller(&token, &account(), &access, &BAD, NOW), Ok(()));
    }

    #[test]
    fn lists_are_read_as_they_are_kept() {
        let networks = ["192.0.2.0/24", "2001:db8::1"].map(|text| Network::parse(text).unwrap());
        let methods = vec![String::from("Send"), String::from("Get2")];
        let allowed = Allowed::new(networks.to_vec(), methods).unwrap();
        let (networks, methods) = allowed.texts();
        assert_eq!(networks.as_deref(), Some("192.0.2.0/24,2001:db8::1"));
        assert_eq!(methods.as_deref(), Some("Send,Get2"));
        let read = Allowed::from_texts(networks.as_deref(), methods.as_deref());
        assert_eq!(read, Some(allowed));
        assert_eq!(Allowed::default().texts(), (None, None));
        assert_eq!(Allowed::from_texts(None, None), Some(Allowed::default()));
        for (networks, methods) in [("", "Send"), ("192.0.2.1,", "Send"), ("192.0.2.1", "")] {
            assert_eq!(Allowed::from_texts(Some(networks), Some(methods)), None);
        }
    }

    #[test]
    fn lists_have_a_limit() {
        let network = Network::parse("192.0.2.1").unwrap();
        let name = |length: usize| "a".repeat(length);
        assert!(Allowed::new(vec![network; 64], vec![name(64); 64]).is_some());
        assert!(Allowed::new(vec![network; 65], Vec::new()).is_none());
        assert!(Allowed::new(Vec::new(), vec![name(1); 65]).is_none());
        for wrong in [name(65), name(0), String::from("a,b"), String::from("a b")] {
            assert!(Allowed::new(Vec::new(), vec![wrong]).is_none());
        }
    }
}
