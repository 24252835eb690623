//! Campaigns over REST: their exact bytes, and the code of every refusal.

use axum::http::StatusCode;
use domain::Disposition;

use crate::client::{get, post, router};
use crate::v1_calls;
use crate::world::World;

pub const START: (&str, &str) = ("StartDateTime", "2026-11-22 08:00:00");
pub const END: (&str, &str) = ("EndDateTime", "2026-11-24 20:00:00");
pub const NUMBERS: (&str, &str) = ("Numbers", "09121234567, 02112345678,+98 912 123 4567,x");
pub const TITLE: (&str, &str) = ("Title", "یادآوری");
pub const MESSAGE: (&str, &str) = ("MessageID", "1");
/// An SMS as the vendor's clients order it.
const SMS: &str = "[{\"SMSType\":\"Success\",\"MessageText\":\"شنیدید\",\
                   \"LineNumber\":\"public\",\"HasBackupLine\":false}]";

/// A world with a customer that has a message of four seconds.
pub async fn world(rials: i64) -> (World, String) {
    let world = World::new().await;
    let (caller, token) = world.customer(rials).await;
    world.message(&caller, 4000).await;
    (world, token)
}

#[tokio::test]
async fn a_campaign_is_made_looked_at_stopped_and_started_again() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let form = [TITLE, NUMBERS, MESSAGE, START, END, ("Vote", "True"), ("MaxTryCount", "2")];
    let made = post(&router, &token, "CreateCampaign", &form).await;
    assert_eq!((made.status, made.text()), (StatusCode::OK, "1"));
    let shown = get(&router, &token, "GetCampaign", &[("campaignid", "1")]).await;
    assert_eq!(
        shown.text(),
        "{\"Status\":\"Success\",\"CampaignID\":1,\"Id\":1,\"Title\":\"یادآوری\",\
         \"CampaignTitle\":\"یادآوری\",\"MessageId\":1,\"MessageTitle\":\"پیام\",\
         \"MaxTryCount\":2,\"MinuteBetweenTries\":10,\"TotalPrice\":0,\"InternalCount\":1,\
         \"ExternalCount\":1,\"Vote\":true,\"StatusId\":11,\"StartDate\":\"2026-11-22\",\
         \"StartTime\":\"08:00\",\"EndDate\":\"2026-11-24\",\"EndTime\":\"20:00\",\
         \"State\":\"running\",\"WaitingCount\":2,\"OpenCount\":0,\"RetryCount\":0,\"Results\":[]}"
    );
    let id = [("CampaignID", "1")];
    assert_eq!(post(&router, &token, "StopCampaign", &id).await.text(), "true");
    assert_eq!(post(&router, &token, "StopCampaign", &id).await.text(), "false");
    let stopped = post(&router, &token, "GetCampaign", &id).await.json();
    assert_eq!((&stopped["StatusId"], &stopped["State"]), (&27.into(), &"stopped".into()));
    let again = [id[0], ("StartDateTime", "1405/09/02 09:00"), ("EndDateTime", "1405/09/03")];
    assert_eq!(post(&router, &token, "StartCampaign", &again).await.text(), "1");
    let shown = post(&router, &token, "GetCampaign", &id).await.json();
    let seen = ["StatusId", "StartDate", "StartTime", "EndDate", "EndTime", "MaxTryCount"];
    let seen = seen.map(|name| shown[name].to_string());
    let expected = ["10", "\"2026-11-23\"", "\"09:00\"", "\"2026-11-24\"", "\"24:00\"", "1"];
    assert_eq!(seen, expected);
    for method in ["GetCampaign", "GetCampaignNumbersByCampaignID"] {
        assert_eq!(post(&router, &token, method, &[("CampaignID", "9")]).await.text(), "null");
    }
    assert_eq!(post(&router, &token, "StopCampaign", &[]).await.text(), "false");
}

/// Lets a campaign's numbers step into the line; the first is called, listens to the end and
/// presses 3 and #.
pub async fn first_is_called(world: &World) {
    let jobs = app::campaign::feed(&world.app, world.app.now()).await.unwrap();
    let attempt = v1_calls::begin(world, &jobs[0]).await;
    let record = v1_calls::answered(world, &jobs[0]);
    v1_calls::end(world, (&jobs[0], attempt), Disposition::Delivered, record).await;
}

#[tokio::test]
async fn the_numbers_of_a_campaign_tell_what_became_of_them() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    post(&router, &token, "CreateCampaign", &[TITLE, NUMBERS, MESSAGE, START, END]).await;
    first_is_called(&world).await;
    let id = [("CampaignID", "1")];
    let numbers = post(&router, &token, "GetCampaignNumbersByCampaignID", &id).await;
    assert_eq!(
        numbers.text(),
        "{\"Status\":\"Success\",\"Numbers\":[\
         {\"CampaignID\":1,\"Id\":16777217,\"Number\":\"09121234567\",\"Status\":10,\
         \"StatusLabel\":\"پیام تا پایان شنیده شد\",\"Duration\":4,\"Price\":225,\
         \"SendDate\":\"1405/09/01\",\"DeliverDate\":\"12:00:00\",\"TryCount\":1,\"Vote\":3,\
         \"IsMobile\":true,\"RequestId\":1},\
         {\"CampaignID\":1,\"Id\":16777218,\"Number\":\"02112345678\",\"Status\":0,\
         \"StatusLabel\":\"در صف ارسال\",\"Duration\":0,\"Price\":0,\"SendDate\":null,\
         \"DeliverDate\":null,\"TryCount\":0,\"Vote\":-1,\"IsMobile\":false,\"RequestId\":2}]}"
    );
    let part = [id[0], ("LastID", "16777217"), ("Count", "5")];
    let part = post(&router, &token, "GetCampaignNumbersByCampaignID", &part).await.json();
    assert_eq!(part["Numbers"].as_array().unwrap().len(), 1);
    let shown = post(&router, &token, "GetCampaign", &id).await.json();
    assert_eq!(shown["Results"][0]["Count"], 1, "{shown}");
    assert_eq!(shown["TotalPrice"], 225);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let (world, token) = world(449).await;
    let router = router(&world);
    let good = [TITLE, NUMBERS, MESSAGE, START, END];
    let with = |more: &[(&'static str, &'static str)]| [more, &good].concat();
    let cases = [
        ("-50", with(&[])),
        ("-60", with(&[("MessageID", "99")])),
        ("-60", with(&[("MessageID", "x")])),
        ("-70", with(&[("MaxTryCount", "0")])),
        ("-70", with(&[("MaxTryCount", "11")])),
        ("-70", with(&[("MaxTryCount", "many")])),
        ("-71", with(&[("RecordVoice", "true"), ("RecordVoiceDuration", "0")])),
        ("-72", with(&[("RecordVoice", "true")])),
        ("-75", with(&[("Numbers", "12, x")])),
        ("-75", with(&[("StartDateTime", "soon")])),
        ("-75", with(&[("MinuteBetweenTries", "-1")])),
        ("-76", with(&[("EndDateTime", "2026-11-21 20:00:00")])),
        ("-77", with(&[("EndDateTime", "2026-11-24 08:00:00")])),
        ("-80", with(&[("SMS", "true")])),
        ("-80", with(&[("SMS", "true"), ("SMSJSON", "[]")])),
        ("-75", with(&[("SMS", "true"), ("SMSJSON", "[{\"MessageText\":\"x\"}]")])),
        // No price for SMS, and none of those that are known.
        ("-75", with(&[("SMS", "true"), ("SMSJSON", SMS), ("AutoStart", "False")])),
        ("-75", with(&[("SMS", "true"), ("SMSJSON", "[{\"SMSType\":\"Success\"}]")])),
        ("1", with(&[("AutoStart", "False")])),
    ];
    for (expected, form) in cases {
        let answered = post(&router, &token, "CreateCampaign", &form).await;
        assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected), "{form:?}");
    }
    let draft = post(&router, &token, "GetCampaign", &[("CampaignID", "1")]).await.json();
    assert_eq!((&draft["StatusId"], &draft["State"]), (&9.into(), &"draft".into()));
    let start = |id, end| [("CampaignID", id), START, ("EndDateTime", end)];
    for (expected, form) in [
        ("-50", start("1", END.1)),
        ("-30", start("1", "2026-11-20")),
        ("-30", start("9", END.1)),
        ("-30", start("", END.1)),
    ] {
        let answered = post(&router, &token, "StartCampaign", &form).await;
        assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected), "{form:?}");
    }
    post(&router, &token, "DeleteMessage", &[MESSAGE]).await;
    let answered = post(&router, &token, "StartCampaign", &start("1", END.1)).await;
    assert_eq!(answered.text(), "-60");
}

#[tokio::test]
async fn codes_of_messages_that_wait_or_were_rejected() {
    let world = World::new().await;
    let (caller, token) =
        world.customer_like(10_000, |new| new.approves_own_messages = false).await;
    let message = world.message(&caller, 4000).await.id;
    let router = router(&world);
    let form = [TITLE, NUMBERS, MESSAGE, START, END];
    assert_eq!(post(&router, &token, "CreateCampaign", &form).await.text(), "-61");
    let refused =
        domain::message::Reason::new("advertising").map(domain::message::Decision::Refuse);
    app::message::decide(&world.app, message, &refused.unwrap()).await.unwrap();
    assert_eq!(post(&router, &token, "CreateCampaign", &form).await.text(), "-62");
}

#[tokio::test]
async fn the_gallery_is_told_in_pages() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let text = [("Text", crate::rest::TEXT), ("Title", "دوم")];
    post(&router, &token, "GenerateTTS", &text).await;
    let spoken = [("Text", crate::rest::TEXT), ("Number", "09121234567")];
    post(&router, &token, "QuickSendWithTTS", &spoken).await;
    let all = post(&router, &token, "GetMessages", &[]).await.json();
    assert_eq!((&all["Status"], &all["TotalCount"]), (&"Success".into(), &2.into()));
    let titles = |told: &serde_json::Value| -> Vec<String> {
        let messages = told["Messages"].as_array().unwrap().iter();
        messages.map(|one| one["Title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(&all), ["دوم", "پیام"], "what was spoken for one send is not in it");
    assert_eq!(all["Messages"][1]["Lenght"], 4);
    let page = get(&router, &token, "GetMessages", &[("Skip", "1"), ("Take", "5")]).await.json();
    assert_eq!((titles(&page), &page["TotalCount"]), (vec![String::from("پیام")], &2.into()));
}

#[tokio::test]
async fn statistics_are_told_by_day() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let send = [MESSAGE, ("Number", "09121234567")];
    post(&router, &token, "QuickSend", &send).await;
    world.clock.advance_ms(86_400_000);
    post(&router, &token, "QuickSend", &send).await;
    post(&router, &token, "CreateCampaign", &[TITLE, NUMBERS, MESSAGE, START, END]).await;
    app::campaign::feed(&world.app, world.app.now()).await.unwrap();
    let period = [("StartDateTime", "2026-11-22"), ("EndDateTime", "2026-11-23T23:59:59")];
    let told = post(&router, &token, "GetQuickSendStatistics", &period).await;
    assert_eq!(
        told.text(),
        "{\"Status\":\"Success\",\"TotalSent\":2,\"TotalDelivered\":0,\"TotalFailed\":0,\
         \"TotalPrice\":0,\"Statistics\":[\
         {\"Date\":\"2026-11-22\",\"Sent\":1,\"Delivered\":0,\"Failed\":0,\"Price\":0},\
         {\"Date\":\"2026-11-23\",\"Sent\":1,\"Delivered\":0,\"Failed\":0,\"Price\":0}]}"
    );
    let none = [("StartDateTime", "2026-11-22")];
    assert_eq!(post(&router, &token, "GetQuickSendStatistics", &none).await.text(), "null");
}

/// Goal: an SMS as the vendor's clients order it follows the call that was heard.
#[tokio::test]
async fn an_sms_follows_a_call_of_a_campaign() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    crate::v1_sms::priced(&world).await;
    let sms = [("SMS", "True"), ("SMSJSON", SMS)];
    let form = [&[TITLE, NUMBERS, MESSAGE, START, END][..], &sms].concat();
    assert_eq!(post(&router, &token, "CreateCampaign", &form).await.text(), "1");
    first_is_called(&world).await;
    app::sms::send_due(&world.app).await.unwrap();
    let taken = world.sms.taken.lock().unwrap().clone();
    let taken: Vec<(&str, &str)> = taken.iter().map(|(_, to, text)| (&**to, &**text)).collect();
    assert_eq!(taken, [("09121234567", "شنیدید")]);
}
