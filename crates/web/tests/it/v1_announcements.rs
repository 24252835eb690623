//! What everybody is told, as a customer's program reads it.

use app::Settings;
use app::announcement::Place;
use domain::agreement::maintenance::Channel;
use domain::announcement::Audience;
use serde_json::{Value, json};

use crate::client::{router, v1};
use crate::world::World;

/// Goal: an account reads what was told and where, page by page, without names of staff or what a
/// mail server said, and that it was shown something is noted for it alone.
#[tokio::test]
async fn what_everybody_is_told_is_read_page_by_page() {
    let place =
        |name: &str, proves| Place { name: name.to_owned(), audience: Audience::Public, proves };
    let (social, mail) = (place("bale", Some(Channel::Social)), place("mail", None));
    let places = vec![Place::first_page(), social, mail];
    let world = World::with(Settings { places, ..Settings::default() }).await;
    let (_, token) = world.customer(0).await;
    let (_, other) = world.customer(0).await;
    let router = router(&world);
    let until = world.app.now().plus_ms(3_600_000);
    for title in ["one", "two"] {
        app::announcement::announce(&world.app, (title, "text"), until, "Maryam").await.unwrap();
    }
    for place in ["bale", "mail"] {
        let job = app::announcement::due(&world.app, place).await.unwrap().unwrap();
        app::announcement::delivered(&world.app, &job, "ref 42").await.unwrap();
    }
    app::announcement::gone(&world.app, 1, "bale", "Maryam").await.unwrap();
    app::announcement::withdraw(&world.app, 2, "Maryam").await.unwrap();
    let get =
        async |token: &str, path: &str| v1(&router, token, "GET", path, None, &Value::Null).await;
    let page = get(&token, "/v1/announcements?limit=1").await.json();
    let newest = &page["data"][0];
    assert_eq!((&newest["title"], &newest["told"]), (&json!("two"), &json!([])));
    assert!(newest["withdrawn_at"].is_string() && newest["viewed_at"].is_null(), "{newest}");
    let next = format!("/v1/announcements?limit=1&after={}", page["next_page"].as_str().unwrap());
    let first = get(&token, &next).await.json()["data"][0].clone();
    let told = first["told"].as_array().unwrap();
    let shown: Vec<_> = told.iter().map(|way| (&way["place"], &way["reference"])).collect();
    let (bale, mail) = (json!("bale"), json!("mail"));
    assert_eq!(shown, [(&bale, &json!("ref 42")), (&mail, &Value::Null)]);
    assert!(told[0]["gone_at"].is_string() && told[1]["gone_at"].is_null(), "{first}");
    assert!(!first.to_string().contains("Maryam"), "{first}");
    let path = "/v1/announcements/1";
    assert_eq!(first, get(&token, path).await.json());
    let view = async |key| {
        v1(&router, &token, "POST", "/v1/announcements/1/view", key, &Value::Null).await.json()
    };
    let viewed = view(Some("a")).await;
    assert!(viewed["viewed_at"].is_string(), "{viewed}");
    world.clock.advance_ms(5_000);
    assert_eq!(view(None).await, viewed);
    assert_eq!(get(&token, path).await.json(), viewed);
    assert!(get(&other, path).await.json()["viewed_at"].is_null());
    for (path, code) in [
        ("/v1/announcements/9", "not_found"),
        ("/v1/announcements/x", "not_found"),
        ("/v1/announcements?after=x", "invalid_request"),
        ("/v1/announcements?limit=0", "invalid_request"),
    ] {
        assert_eq!(get(&token, path).await.json()["code"], code, "{path}");
    }
    let nowhere = v1(&router, &token, "POST", "/v1/announcements/9/view", None, &Value::Null).await;
    assert_eq!(nowhere.json()["code"], "not_found");
    assert_eq!(get("x", path).await.json()["code"], "unauthorized");
}
