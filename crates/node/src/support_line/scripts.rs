//! What a caller of the support line hears and what is rung for them, as scripts.

use std::sync::Arc;

use engine::{Bridge, Clip, Gather, KeySet, Label, Play, Script, SecondLeg, Step};

/// The keys of the line: a number, the star for the one that was sent, the square at the end.
const KEYS: &str = "0123456789*#";
/// How long music plays at a stretch, milliseconds: longer than any call.
const MUSIC_MS: u32 = 4 * 60 * 60 * 1_000;
/// How long an expert and a customer may talk, milliseconds.
pub(super) const TALK_MS: u32 = 2 * 60 * 60 * 1_000;
/// After a prompt there is silence for so long, for who begins to type, milliseconds.
const FIRST_KEY_MS: u32 = 4_000;
/// Who types is not disturbed for so long after each key, milliseconds.
pub(super) const NEXT_KEY_MS: u32 = 10_000;
/// The longest number, with what stands before it.
pub(super) const NUMBER_MAX: u8 = 20;

/// Clips, then music until something else is to be done. Whoever may register is listened to.
pub(super) fn waiting(clips: Vec<Arc<Clip>>, music: Arc<Clip>, listens: bool) -> Arc<Script> {
    let barge_in = if listens { keys() } else { KeySet::NONE };
    let first = Step::Play(Play { clips, barge_in });
    let steps = std::iter::once(first).chain(music_and_keys(music, 1, listens)).collect();
    script(steps)
}

/// Rings an expert while `hold` plays; when that comes to nothing, the music goes on.
pub(super) fn connecting(
    leg: SecondLeg,
    hold: Arc<Clip>,
    music: Arc<Clip>,
    listens: bool,
) -> Arc<Script> {
    let bridge = Step::Bridge(Bridge {
        leg: Arc::new(leg),
        hold,
        max_ms: TALK_MS,
        leave: KeySet::NONE,
        record: false,
        on_ended: Some(Label(1)),
        on_failed: Some(Label(2)),
    });
    let steps = [bridge, Step::HangUp];
    script(steps.into_iter().chain(music_and_keys(music, 2, listens)).collect())
}

/// Clips, and the call is over.
pub(super) fn saying(clips: Vec<Arc<Clip>>) -> Arc<Script> {
    script(vec![Step::Play(Play { clips, barge_in: KeySet::NONE })])
}

/// What the script of an expert's leg is: joined at once.
pub(super) fn expert() -> Arc<Script> {
    script(vec![Step::Join])
}

/// Music that stops for who types, from step `at` on. The keys themselves are told to the line.
fn music_and_keys(music: Arc<Clip>, at: u8, listens: bool) -> Vec<Step> {
    if !listens {
        return vec![Step::Loop { clip: music, for_ms: MUSIC_MS, barge_in: KeySet::NONE }];
    }
    let typing = Step::Gather(Gather {
        prompt: Play { clips: Vec::new(), barge_in: KeySet::NONE },
        accept: KeySet::DIGITS,
        min: 0,
        max: NUMBER_MAX,
        terminators: KeySet::of("*#").expect("they are keys"),
        first_ms: FIRST_KEY_MS,
        between_ms: NEXT_KEY_MS,
        repeats: 0,
        branches: Vec::new(),
        on_timeout: None,
        on_invalid: None,
        vote: false,
    });
    vec![
        typing,
        Step::Loop { clip: music, for_ms: MUSIC_MS, barge_in: keys() },
        Step::GoTo(Label(at)),
    ]
}

fn keys() -> KeySet {
    KeySet::of(KEYS).expect("they are keys")
}

fn script(steps: Vec<Step>) -> Arc<Script> {
    Arc::new(Script::new(steps).expect("a few steps that end are a script"))
}
