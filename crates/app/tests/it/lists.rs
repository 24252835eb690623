//! Lists of numbers as files: tables of text, workbooks, and what hostile ones come to.

use std::io::Write as _;
use std::sync::Arc;

use app::campaign::{self, Added, List, ListRefusal, NewCampaign, Unreadable, Wanted, WrittenPlan};
use domain::{AccountId, CampaignId, MessageClass};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::refusal;
use crate::world::World;

/// A draft without numbers.
async fn draft(world: &World) -> (AccountId, CampaignId) {
    let (caller, _) = world.customer(100_000).await;
    let plan = WrittenPlan {
        title: String::from("t"),
        start: String::from("2026-11-22 08:00:00"),
        end: String::from("2026-11-24 20:00:00"),
        max_tries: 1,
        minutes_between_tries: 10,
        vote: false,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
    };
    let message = world.message(&caller, 4000).await.id.into();
    let new =
        NewCampaign { message, numbers: None, sms: None, plan, auto_start: false, request: None };
    let made = campaign::create(&world.app, &caller, new).await.unwrap();
    assert_eq!(made.added.accepted, 0);
    (caller.account.id, made.id)
}

const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>
 <sheet name="برگه" sheetId="1" r:id="rId1"/><sheet name="دوم" sheetId="2" r:id="rId2"/>
 </sheets></workbook>"#;
const START: &str = r#"<Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Id="rId1" Target="xl/workbook.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>
 </Relationships>"#;
const RELATIONS: &str = r#"<Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
 <Relationship Id="rId1" Target="worksheets/sheet1.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>
 <Relationship Id="rId2" Target="worksheets/sheet2.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>
 <Relationship Id="rId3" Target="sharedStrings.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"/>
 </Relationships>"#;

/// A workbook of two sheets with these rows, and these shared texts.
fn workbook(first: &str, second: &str, shared: &str) -> Vec<u8> {
    let sheet = |rows: &str| {
        let space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        format!("<worksheet xmlns=\"{space}\"><sheetData>{rows}</sheetData></worksheet>")
    };
    let space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [
        ("_rels/.rels", START.to_owned()),
        ("xl/workbook.xml", WORKBOOK.to_owned()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.to_owned()),
        ("xl/sharedStrings.xml", format!("<sst xmlns=\"{space}\">{shared}</sst>")),
        ("xl/worksheets/sheet1.xml", sheet(first)),
        ("xl/worksheets/sheet2.xml", sheet(second)),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook as Excel keeps numbers: as numbers that lost their zeros, as texts, with gaps.
fn ordinary() -> Vec<u8> {
    let first =
        "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"C1\" t=\"s\"><v>1</v></c></row>
        <row r=\"2\"><c r=\"A2\" t=\"s\"><v>2</v></c><c r=\"C2\"><v>9121234567</v></c></row>
        <row r=\"4\"><c r=\"C4\" t=\"s\"><v>3</v></c></row>
        <row r=\"5\"><c r=\"C5\" t=\"inlineStr\"><is><t>0912 123 4567</t></is></c></row>
        <row r=\"7\"><c r=\"A7\" t=\"s\"><v>2</v></c><c r=\"C7\"><v>9.12E+9</v></c></row>
        <row r=\"9\"><c r=\"A9\" t=\"s\"><v>2</v></c></row>
        <row r=\"12\"><c r=\"C12\"><v>12.5</v></c></row>";
    let second = "<row r=\"1\"><c r=\"A1\"><v>2122345678</v></c></row>";
    let texts = ["نام", "شماره", "علی", "۰۹۳۵۱۱۱۲۲۳۳"];
    let shared = texts.map(|text| format!("<si><t>{text}</t></si>")).concat();
    workbook(first, second, &shared)
}

fn book(bytes: Vec<u8>) -> List {
    List::Workbook { bytes: bytes.into(), sheet: None, column: Wanted::Any }
}

fn table(text: &str) -> List {
    List::csv(Arc::from(text.as_bytes()), Wanted::Any)
}

fn told(added: &Added) -> (u32, u64, Vec<(u64, &str)>) {
    let rows = added.rest.invalid_rows.iter();
    let rows = rows.map(|row| (row.row, row.excerpt.as_str())).collect();
    (added.accepted, added.rest.duplicates, rows)
}

/// Goal: what Excel makes of numbers is undone, and each bad row is told by its number.
#[tokio::test]
async fn a_workbook_is_read_as_people_see_it() {
    let world = World::new().await;
    let (app, (account, id)) = (&world.app, draft(&world).await);
    let foretold = campaign::look_through(app, account, id, book(ordinary())).await.unwrap();
    // 9.12E+9 is a number with all of its digits.
    assert_eq!(told(&foretold), (3, 1, vec![(9, ""), (12, "12.5")]));
    let added = campaign::add_numbers(app, account, id, book(ordinary())).await.unwrap();
    assert_eq!(told(&added), told(&foretold));
    let found = campaign::recipients(app, account, id, 0, 10).await.unwrap().unwrap();
    let numbers: Vec<&str> = found.iter().map(|one| one.stored.number.as_str()).collect();
    assert_eq!(numbers, ["09121234567", "09351112233", "09120000000"]);
    let of_sheet = |sheet: &str, column| List::Workbook {
        bytes: ordinary().into(),
        sheet: Some(sheet.to_owned()),
        column,
    };
    let second = campaign::look_through(app, account, id, of_sheet("دوم", Wanted::Any)).await;
    assert_eq!(told(&second.unwrap()), (1, 0, vec![]));
    let refused = campaign::add_numbers(app, account, id, of_sheet("سوم", Wanted::Any)).await;
    assert_eq!(refusal(refused), ListRefusal::Unreadable(Unreadable::NoSuchSheet));
    let refused =
        campaign::add_numbers(app, account, id, of_sheet("دوم", Wanted::parse("x"))).await;
    assert_eq!(refusal(refused), ListRefusal::Unreadable(Unreadable::NoSuchColumn));
}

/// Goal: whoever sends a file that unpacks to gigabytes, spans millions of columns, or is none, is
/// refused or bounded, and never an affair of ours.
#[tokio::test]
async fn a_hostile_workbook_is_bounded() {
    let world = World::new().await;
    let (app, (account, id)) = (&world.app, draft(&world).await);
    let add = async |list| campaign::add_numbers(app, account, id, list).await;
    let bomb = workbook(&" ".repeat(200 * 1024 * 1024), "", "");
    assert!(bomb.len() < 2 * 1024 * 1024);
    assert_eq!(refusal(add(book(bomb)).await), ListRefusal::Unreadable(Unreadable::TooLarge));
    let corners = "<row r=\"1\"><c r=\"A1\"><v>9121234567</v></c></row>
        <row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c><c r=\"B1048576\"><v>9</v></c></row>";
    let added = add(book(workbook(corners, "", ""))).await.unwrap();
    assert_eq!(told(&added), (1, 0, vec![(1_048_576, "9")]));
    for bytes in [Vec::new(), b"PK\x03\x04".to_vec(), b"\xd0\xcf\x11\xe0".repeat(200)] {
        let refused = refusal(add(book(bytes)).await);
        assert_eq!(refused, ListRefusal::Unreadable(Unreadable::Broken));
    }
    // One byte after the other is spoilt: whatever comes of it, it is told.
    let whole = ordinary();
    for place in (0..whole.len()).step_by(7) {
        let mut spoilt = whole.clone();
        spoilt[place] ^= 0x55;
        match campaign::look_through(app, account, id, book(spoilt)).await {
            Ok(_) | Err(app::Error::Refused(ListRefusal::Unreadable(_))) => {}
            Err(other) => panic!("{place}: {other:?}"),
        }
    }
}

/// Goal: a table of a million rows is gone through; one with an open quotation mark is not taken by
/// half; a failing disk is our affair.
#[tokio::test]
async fn tables_of_text() {
    let world = World::new().await;
    let (app, (account, id)) = (&world.app, draft(&world).await);
    let mut million = String::from("name,mobile\n");
    for n in 0..1_000_000 {
        use std::fmt::Write as _;
        writeln!(million, "\"n, {n}\",0912{:07}", n % 900_000).unwrap();
    }
    let gone = campaign::look_through(app, account, id, table(&million)).await.unwrap();
    assert_eq!(told(&gone), (900_000, 100_000, vec![]));
    let open = table("mobile,note\n09121234567,\"a\n09121234568,b\n");
    let refused = refusal(campaign::add_numbers(app, account, id, open).await);
    assert_eq!(refused, ListRefusal::Unreadable(Unreadable::OpenQuote(2)));
    let gone =
        List::Csv { open: Box::new(|| Err(std::io::Error::other("no disk"))), column: Wanted::Any };
    let failed = campaign::add_numbers(app, account, id, gone).await;
    assert!(matches!(failed, Err(app::Error::Failed(_))));
    let added = campaign::add_numbers(app, account, id, table("09121234567;9121234568\n")).await;
    assert_eq!(told(&added.unwrap()), (2, 0, vec![]));
}
