//! What only the SOAP reference has, over REST and by SOAP: reports of numbers, campaigns, money.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::campaign::{END, MESSAGE, NUMBERS, START, TITLE, first_is_called, world};
use crate::client::{answer, encoded, get, post, router};
use crate::world::World;

/// The identities of the two numbers of the first campaign.
const FIRST: i64 = 16_777_217;
const SECOND: i64 = 16_777_218;
const DAY: [(&str, &str); 2] = [("FromDate", "2026-11-22"), ("ToDate", "1405/09/01")];

/// A customer whose campaign has called one of its two numbers, for 225 rials.
async fn called() -> (World, String) {
    let (world, token) = world(10_000).await;
    let form = [TITLE, NUMBERS, MESSAGE, START, END];
    assert_eq!(post(&router(&world), &token, "CreateCampaign", &form).await.text(), "1");
    first_is_called(&world).await;
    (world, token)
}

/// Asks for these identities.
fn list(text: &str) -> [(&str, &str); 1] {
    [("CampaignNumberIds", text)]
}

async fn asked(world: &World, token: &str, method: &str, form: &[(&str, &str)]) -> Value {
    let answered = post(&router(world), token, method, form).await;
    let again = get(&router(world), token, &method.to_lowercase(), form).await;
    assert_eq!(answered.text(), again.text(), "{method}");
    answered.json()
}

fn ids(answered: &Value) -> Vec<i64> {
    answered["Numbers"].as_array().unwrap().iter().map(|one| one["Id"].as_i64().unwrap()).collect()
}

/// Goal: the same number is found by its campaign's message, its day, its call and its identity,
/// and says the same each time; a stranger finds nothing.
#[tokio::test]
async fn a_number_is_found_in_every_way() {
    let (world, token) = called().await;
    let ask = async |method: &str, form: &[(&str, &str)]| asked(&world, &token, method, form).await;
    let by_message = ask("GetCampaignNumbersByMessageId", &[MESSAGE]).await;
    assert_eq!(ids(&by_message), [FIRST, SECOND]);
    let first = &by_message["Numbers"][0];
    assert_eq!(
        (&first["Status"], &first["Price"], &first["Vote"]),
        (&json!(10), &json!(225), &json!(3))
    );
    let part = [MESSAGE, ("lastid", "16777217"), ("count", "9")];
    assert_eq!(ids(&ask("GetCampaignNumbersByMessageId", &part).await), [SECOND]);
    let part = [MESSAGE, ("lastid", "0"), ("count", "1")];
    assert_eq!(ids(&ask("GetCampaignNumbersByMessageId", &part).await), [FIRST]);
    let by_day = ask("GetCampaignNumbersBySendDate", &DAY).await;
    assert_eq!(by_day, by_message);
    let other_day = [("FromDate", "2026-11-23"), ("ToDate", "2026-11-23")];
    assert!(ids(&ask("GetCampaignNumbersBySendDate", &other_day).await).is_empty());
    let by_call = ask("GetCampaignNumbersBySubscribeId", &[("SubscribeId", "1")]).await;
    assert_eq!(&by_call["Number"], first);
    let list = ("CampaignNumberIds", "16777218, 1,x,۱۶۷۷۷۲۱۷,");
    let by_id = ask("GetCampaignNumbersDataByIds", &[list]).await;
    assert_eq!(ids(&by_id), [SECOND, FIRST]);
    assert_eq!(ask("GetCampaignNumbersStatusByIds", &[list]).await, json!([0, -1, -1, 10]));
    let one = ("CampaignNumberId", "16777217");
    assert_eq!(ask("GetCampaignNumberStatusById", &[one]).await, json!(10));

    let (_, stranger) = world.customer(5).await;
    let ask =
        async |method: &str, form: &[(&str, &str)]| asked(&world, &stranger, method, form).await;
    assert!(ids(&ask("GetCampaignNumbersByMessageId", &[MESSAGE]).await).is_empty());
    assert!(ids(&ask("GetCampaignNumbersBySendDate", &DAY).await).is_empty());
    assert!(ids(&ask("GetCampaignNumbersDataByIds", &[list]).await).is_empty());
    assert!(ask("GetCampaignNumbersBySubscribeId", &[("SubscribeId", "1")]).await.is_null());
    assert!(ask("GetCampaignNumberStatusById", &[one]).await.is_null());
    assert_eq!(ask("GetCampaignNumbersStatusByIds", &[list]).await, json!([-1, -1, -1, -1]));
}

/// Goal: what is no date, no identity or too much is refused in the method's own way.
#[tokio::test]
async fn what_cannot_be_reported_is_refused() {
    let (world, token) = called().await;
    let ask = async |method: &str, form: &[(&str, &str)]| asked(&world, &token, method, form).await;
    let many = |count: usize| vec!["16777217"; count].join(",");
    let (fits, more, most) = (many(100), many(101), many(1_001));
    let (fits, more, most) = (list(&fits), list(&more), list(&most));
    let told = ask("GetCampaignNumbersStatusByIds", &fits).await;
    assert_eq!(told.as_array().unwrap().len(), 100);
    assert_eq!(ask("GetCampaignNumbersStatusByIds", &more).await, json!([-10]));
    assert_eq!(ids(&ask("GetCampaignNumbersDataByIds", &more).await).len(), 101);
    assert!(ask("GetCampaignNumbersDataByIds", &most).await.is_null());
    let backwards = [("FromDate", "2026-11-23"), ("ToDate", "2026-11-22")];
    for dates in [&backwards[..], &[("FromDate", "tomorrow"), DAY[1]], &[]] {
        assert_eq!(ask("GetTotalCostByDate", dates).await, json!(-76));
        assert!(ask("GetCampaignsByDate", dates).await.is_null());
        assert!(ask("GetCampaignNumbersBySendDate", dates).await.is_null());
    }
    assert!(ask("GetCampaignNumbersByMessageId", &[]).await.is_null());
    let call = [("srcNumber", "09121234567"), ("dstNumber", "02112345678"), ("holdMessageId", "1")];
    assert_eq!(ask("MakeSecureCall", &call).await, json!(-5));
}

/// Goal: campaigns of some days and what they cost.
#[tokio::test]
async fn campaigns_of_a_day_and_their_cost() {
    let (world, token) = called().await;
    let ask = async |method: &str, form: &[(&str, &str)]| asked(&world, &token, method, form).await;
    let later = [TITLE, NUMBERS, MESSAGE, ("StartDateTime", "2026-11-23 08:00"), END];
    post(&router(&world), &token, "CreateCampaign", &later).await;
    let found = ask("GetCampaignsByDate", &DAY).await;
    let alone = ask("GetCampaign", &[("CampaignID", "1")]).await;
    assert_eq!(found["Campaigns"], json!([alone]));
    assert_eq!(ask("GetCampaigns", &DAY).await, found, "which is its other name");
    let both = [DAY[0], ("ToDate", "2026-11-23")];
    let found = ask("GetCampaignsByDate", &both).await;
    let order: Vec<&Value> =
        found["Campaigns"].as_array().unwrap().iter().map(|c| &c["Id"]).collect();
    assert_eq!(order, [&json!(2), &json!(1)], "the newest first");
    assert_eq!(ask("GetTotalCostByDate", &DAY).await, json!(225));
    let before = [("FromDate", "2026-11-01"), ("ToDate", "2026-11-21")];
    assert_eq!(ask("GetTotalCostByDate", &before).await, json!(0));
}

/// Goal: every rial that moved is told, in seconds too, and they add up to the balance.
#[tokio::test]
async fn the_transactions_add_up() {
    let (world, token) = called().await;
    let speech = [("Text", crate::rest::TEXT), ("Title", "a")];
    post(&router(&world), &token, "GenerateTTS", &speech).await;
    let told = asked(&world, &token, "GetTransactions", &[]).await;
    let lines = told["Transactions"].as_array().unwrap();
    let sum: i64 = lines.iter().map(|line| line["Rials"].as_i64().unwrap()).sum();
    let status = asked(&world, &token, "AccountStatus", &[]).await;
    // The number that waits in line holds the price of its call.
    assert_eq!(sum, status["RemaindCredit"].as_i64().unwrap() + 225);
    let call = lines.iter().find(|line| line["Rials"] == -225).unwrap();
    assert_eq!(call["Amount"], -5);
    assert_eq!(call["Description"], "تماس 1 با 09121234567");
    assert_eq!(call["CreateDate"], "2026-11-22 12:00:00");
    assert!(lines.iter().any(|line| line["Description"] == "ساخت گفتار"), "{told}");
    let prices = asked(&world, &token, "GetPrices", &[]).await;
    let seen = ["ExternalSecondPrice", "PulseDuration", "TTSSecondPrice", "MaximumDebt"];
    assert_eq!(seen.map(|name| prices[name].as_i64()), [45, 5, 10, 0].map(Some));
    let lent = domain::Rials(5_000_000);
    app::account::set_debt_limit(&world.app, domain::AccountId(1), lent).await.unwrap();
    let prices = asked(&world, &token, "GetPrices", &[]).await;
    assert_eq!(prices["MaximumDebt"], 5_000_000);
}

/// Goal: the gallery in pages, with and without what is kept, in either order.
#[tokio::test]
async fn the_gallery_in_pages_of_any_order() {
    let (world, token) = world(10_000).await;
    let wav = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(crate::world::tone(4000))
    };
    for title in ["b", "c"] {
        let form = [("Title", title), ("Base64", &wav), ("Persist", "true")];
        post(&router(&world), &token, "UploadMessageBase64", &form).await;
    }
    let page = async |form: &[(&str, &str)]| {
        let told = asked(&world, &token, "GetMessagesByPage", form).await;
        let of = told["Messages"].as_array().unwrap().iter();
        (of.map(|one| one["Id"].as_i64().unwrap()).collect::<Vec<_>>(), told["TotalCount"].clone())
    };
    let all = ("showPersist", "true");
    assert_eq!(page(&[all, ("order", "desc")]).await, (vec![3, 2, 1], json!(3)));
    assert_eq!(page(&[all, ("order", "ASC"), ("count", "2")]).await, (vec![1, 2], json!(3)));
    let second = [all, ("order", "asc"), ("count", "2"), ("currentpage", "1")];
    assert_eq!(page(&second).await, (vec![3], json!(3)));
    assert_eq!(page(&[("showPersist", "false")]).await, (vec![1], json!(1)));
    assert_eq!(page(&[all, ("count", "2"), ("currentpage", "99999999999")]).await.0, [0; 0]);
}

/// Goal: who has a user name sees it in the profile; numbers, none and lists have their XML.
#[tokio::test]
async fn profile_and_numbers_by_the_other_bindings() {
    let (world, token) = called().await;
    let id = domain::AccountId(1);
    let password = app::account::set_password(&world.app, id, "shop", None).await.unwrap();
    let profile = asked(&world, &token, "GetProfile", &[]).await;
    assert_eq!((&profile["Result"], &profile["UserName"]), (&json!(0), &json!("shop")));
    assert_eq!(profile["ExpireDate"], "1500/01/01");
    let by_get = async |method: &str, more: (&str, &str)| {
        let form = [("userName", "shop"), ("password", &password), more];
        let path = format!("/webservice3.asmx/{method}?{}", encoded(&form));
        let answered =
            answer(&router(&world), Request::get(path).body(Body::empty()).unwrap()).await;
        let (_, root) = answered.text().split_once("?>").unwrap();
        root.to_owned()
    };
    let statuses =
        by_get("GetCampaignNumbersStatusByIds", ("campaignNumberIds", "16777217,5")).await;
    assert!(statuses.starts_with("<ArrayOfInt "), "{statuses}");
    assert!(statuses.ends_with("<int>10</int><int>-1</int></ArrayOfInt>"), "{statuses}");
    let status = by_get("GetCampaignNumberStatusById", ("campaignNumberId", "16777217")).await;
    assert_eq!(status, "<int xmlns=\"http://tempuri.org/\">10</int>");
    let none = by_get("GetCampaignNumberStatusById", ("campaignNumberId", "5")).await;
    assert!(none.starts_with("<int ") && none.contains("xsi:nil=\"true\""), "{none}");
}
