//! What is asked for when a code is started, and the digits that it gets.

use domain::kept_code::{LENGTH, LIFE_SECONDS, LIFE_SECONDS_USUAL, Template};
use domain::one_time_code::{OneTimeCode, RANDOM_BYTES};

use super::{NewCode, SendRefusal};
use crate::{App, Caller};

/// The digits of every code in a sandbox, cut to its length.
const SANDBOX_DIGITS: &str = "12345678";

/// A code as it is asked for.
pub(super) struct Wanted {
    pub(super) digits: OneTimeCode,
    pub(super) life_seconds: u32,
    pub(super) template: Option<Template>,
}

/// Reads what is asked for.
pub(super) fn wanted(
    app: &App,
    caller: &Caller,
    new: &NewCode,
) -> std::result::Result<Wanted, SendRefusal> {
    let digits = made(app, new, caller.account.is_sandbox());
    let digits = digits.ok_or(SendRefusal::LengthNotAllowed)?;
    let life_seconds = new.life_seconds.unwrap_or(LIFE_SECONDS_USUAL);
    if !LIFE_SECONDS.contains(&life_seconds) {
        return Err(SendRefusal::LifeNotAllowed);
    }
    let template = new.template.as_deref().map(Template::parse);
    let template = template.map_or(Some(None), |parsed| parsed.map(Some));
    let template = template.ok_or(SendRefusal::WrongTemplate)?;
    Ok(Wanted { digits, life_seconds, template })
}

/// The customer's digits or new ones; in a sandbox always the same ones, so that a test can type
/// them.
fn made(app: &App, new: &NewCode, is_sandbox: bool) -> Option<OneTimeCode> {
    if let Some(own) = &new.own {
        return OneTimeCode::parse(own).filter(|_| new.length.is_none());
    }
    let length = new.length.map_or(Some(LENGTH), |length| usize::try_from(length).ok())?;
    if is_sandbox {
        return SANDBOX_DIGITS.get(..length).and_then(OneTimeCode::parse);
    }
    let mut random = [0; RANDOM_BYTES];
    app.rng().fill(&mut random);
    OneTimeCode::random(length, random)
}
