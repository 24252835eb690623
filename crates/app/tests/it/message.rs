//! Voice messages: uploads and speech, and what they cost.

use std::sync::atomic::Ordering;

use app::message::{self, NewSpeech, NewUpload, SpeechRefusal, UploadRefusal};
use app::ports::Speaker;
use app::{Error, Settings, billing};
use audio::Clip;
use domain::{Approval, MessageId, Rials};

use crate::refusal;
use crate::world::{MS_PER_CHAR, NOON, World, tone};

fn new_upload(bytes: Vec<u8>) -> NewUpload {
    NewUpload { title: String::from("پیام"), bytes, persistent: true, call_from_mobile: None }
}

fn new_speech(text: &str) -> NewSpeech {
    NewSpeech {
        title: String::from("پیام"),
        text: text.to_owned(),
        speaker: Speaker::Male,
        call_from_mobile: None,
    }
}

/// A text of 40 letters: six seconds of the test voice.
const TEXT: &str = "سلام این پیام آزمایشی برای شما است دوستم";

#[tokio::test]
async fn an_upload_becomes_a_message_that_can_be_downloaded_and_deleted() {
    let world = World::new().await;
    let (caller, _) = world.customer(0).await;
    let made = message::upload(&world.app, &caller, new_upload(tone(5000))).await.unwrap();
    assert_eq!(made.approval, Approval::Approved);
    assert!((4900..=5000).contains(&made.length_ms), "{}", made.length_ms);
    let found = message::find(&world.app, &caller, made.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&made));
    let prices = message::prices(&world.app, &made).await.unwrap();
    assert_eq!((prices.internal, prices.external), (Rials(225), Rials(225)));
    let wav = message::download(&world.app, &caller, made.id).await.unwrap().unwrap();
    assert_eq!(Clip::from_wav(&wav).unwrap().duration_ms(), u64::from(made.length_ms));
    assert!(message::delete(&world.app, &caller, made.id).await.unwrap());
    assert!(!message::delete(&world.app, &caller, made.id).await.unwrap());
    assert_eq!(message::find(&world.app, &caller, made.id).await.unwrap(), None);
    assert_eq!(message::download(&world.app, &caller, made.id).await.unwrap(), None);
}

#[tokio::test]
async fn nobody_sees_the_messages_of_another() {
    let world = World::new().await;
    let (owner, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let made = world.message(&owner, 4000).await;
    assert_eq!(message::find(&world.app, &other, made.id).await.unwrap(), None);
    assert_eq!(message::download(&world.app, &other, made.id).await.unwrap(), None);
    assert!(!message::delete(&world.app, &other, made.id).await.unwrap());
    assert_eq!(message::find(&world.app, &owner, MessageId(-1)).await.unwrap(), None);
}

#[tokio::test]
async fn messages_of_some_accounts_wait_for_approval() {
    let world = World::new().await;
    let (caller, _) = world.customer_like(0, |new| new.approves_own_messages = false).await;
    assert_eq!(world.message(&caller, 4000).await.approval, Approval::Waiting);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_has_its_reason() {
    let settings = Settings { upload_bytes_max: 200_000, ..Settings::default() };
    let world = World::with(settings).await;
    let (caller, _) = world.customer(0).await;
    let silence = Clip::from_samples(vec![0; 40_000]).to_wav();
    let mut cut = tone(10_000);
    cut.truncate(20_000);
    let cases = [
        (UploadRefusal::NotAudio, Vec::new()),
        (UploadRefusal::NotAudio, b"<html>not audio</html>".repeat(100)),
        (UploadRefusal::TooLarge, tone(13_000)),
        (UploadRefusal::TooShort, tone(2_500)),
        (UploadRefusal::TooShort, silence),
        (UploadRefusal::Broken, cut),
    ];
    for (expected, bytes) in cases {
        let len = bytes.len();
        let made = message::upload(&world.app, &caller, new_upload(bytes)).await;
        assert_eq!(refusal(made), expected, "{len} bytes");
    }
    let title = NewUpload { title: "ن".repeat(201), ..new_upload(tone(4000)) };
    let made = message::upload(&world.app, &caller, title).await;
    assert_eq!(refusal(made), UploadRefusal::TitleTooLong);
    assert!(world.blobs.files.lock().unwrap().is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn decoding_has_a_deadline() {
    let world = World::with(Settings { decode_ms_max: 0, ..Settings::default() }).await;
    let (caller, _) = world.customer(0).await;
    let made = message::upload(&world.app, &caller, new_upload(tone(4000))).await;
    assert_eq!(refusal(made), UploadRefusal::OutOfTime);
}

#[tokio::test]
async fn a_number_is_spoken_after_an_upload_and_paid_for() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    let with_number = |number: &str| NewUpload {
        call_from_mobile: Some(number.to_owned()),
        ..new_upload(tone(4000))
    };
    let made = message::upload(&world.app, &caller, with_number("۰۹۱۲۱۲۳۴۵۶۷")).await.unwrap();
    assert!(made.length_ms > 8000, "{}", made.length_ms);
    let balance = world.refreshed(&caller).await.account.balance;
    assert!(balance < Rials(10_000), "{balance}");
    let wrong = message::upload(&world.app, &caller, with_number("12")).await;
    assert_eq!(refusal(wrong), UploadRefusal::WrongMobile);

    let (poor, _) = world.customer(5).await;
    let files = world.blobs.files.lock().unwrap().len();
    let unpaid = message::upload(&world.app, &poor, with_number("09121234567")).await;
    assert_eq!(refusal(unpaid), UploadRefusal::InsufficientCredit);
    assert_eq!(world.blobs.files.lock().unwrap().len(), files, "nothing is left behind");
}

#[tokio::test]
async fn speech_is_charged_each_time_and_spoken_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let first = message::generate(&world.app, &caller, new_speech(TEXT)).await.unwrap();
    let again = message::generate(&world.app, &caller, new_speech(TEXT)).await.unwrap();
    assert_ne!(first.id, again.id);
    assert_eq!((&first.blob, first.length_ms), (&again.blob, again.length_ms));
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 1);
    let expected = TEXT.chars().count() * MS_PER_CHAR;
    assert!(usize::try_from(first.length_ms).unwrap().abs_diff(expected) < 300);
    let seconds = i64::from(first.length_ms.div_ceil(1000));
    let left = world.refreshed(&caller).await.account.balance;
    assert_eq!(left, Rials(1000 - 2 * seconds * 10));
    let lines = billing::statement(&world.app, caller.account.id, NOON, NOON.plus_ms(1), 10);
    assert_eq!(lines.await.unwrap().iter().filter(|line| line.kind == "speech").count(), 2);

    let her = NewSpeech { speaker: Speaker::Female, ..new_speech(TEXT) };
    message::generate(&world.app, &caller, her).await.unwrap();
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 2, "another voice is another speech");
}

#[tokio::test]
async fn a_number_can_follow_the_speech() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    let plain = message::generate(&world.app, &caller, new_speech(TEXT)).await.unwrap();
    let new = NewSpeech { call_from_mobile: Some(String::from("09121234567")), ..new_speech(TEXT) };
    let longer = message::generate(&world.app, &caller, new.clone()).await.unwrap();
    assert!(longer.length_ms > plain.length_ms + 3000);
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 2, "the text was known");
    let again = message::generate(&world.app, &caller, new).await.unwrap();
    assert_eq!(again.length_ms, longer.length_ms);
    assert_ne!(again.blob, longer.blob);
    assert_eq!(world.voice.spoken.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_text_that_cannot_be_used_has_its_reason() {
    let world = World::new().await;
    let (caller, _) = world.customer(1000).await;
    let cases = [
        (SpeechRefusal::EmptyText, String::from(" \n")),
        (SpeechRefusal::TextTooLong, "س ".repeat(501)),
        (SpeechRefusal::NotSpoken, String::from("!!! ... ؟")),
        (SpeechRefusal::NotSpoken, String::from("این متن سکوت است و شنیده نمی‌شود")),
        (SpeechRefusal::TooShort, String::from("سلام")),
    ];
    for (expected, text) in cases {
        let made = message::generate(&world.app, &caller, new_speech(&text)).await;
        assert_eq!(refusal(made), expected, "{text}");
    }
    let title = NewSpeech { title: "ن".repeat(201), ..new_speech(TEXT) };
    let made = message::generate(&world.app, &caller, title).await;
    assert_eq!(refusal(made), SpeechRefusal::TitleTooLong);
    let number = NewSpeech { call_from_mobile: Some(String::from("x")), ..new_speech(TEXT) };
    let made = message::generate(&world.app, &caller, number).await;
    assert_eq!(refusal(made), SpeechRefusal::WrongMobile);
    let (poor, _) = world.customer(10).await;
    let made = message::generate(&world.app, &poor, new_speech(TEXT)).await;
    assert_eq!(refusal(made), SpeechRefusal::InsufficientCredit);
    let failed =
        message::generate(&world.app, &caller, new_speech("این موتور خراب است و بس")).await;
    assert!(matches!(failed, Err(Error::Failed(_))), "{failed:?}");
    assert_eq!(world.refreshed(&caller).await.account.balance, Rials(1000), "nothing was charged");
}

/// When nobody can know whether the message was kept, its audio stays: a file too many harms
/// nobody, a message without its audio does.
#[tokio::test]
async fn the_audio_of_a_message_that_may_exist_stays() {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    *world.blobs.after_put.lock().unwrap() = Some(world.db.clone());
    let made = message::upload(&world.app, &caller, new_upload(tone(4000))).await;
    assert!(matches!(made, Err(Error::Failed(_))), "{made:?}");
    assert_eq!(world.blobs.files.lock().unwrap().len(), 1);
    world.books_are_away();
}
