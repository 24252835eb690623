//! The one table of the SOAP services: what each method is called, what it takes under which names,
//! what it answers, and which method of the REST services does the work. Dispatch, WSDL, help
//! pages, the GET, POST and JSON bindings and docs/SOAP.md come from it. Spellings are the vendor's
//! (avanak-api §3.2, §3.3).

use app::campaign::Recipient;

use super::xml;
use crate::params::Params;
use crate::rest::{self, Method};

/// What a value is on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Int,
    /// A number, or none.
    MaybeInt,
    Long,
    Flag,
    Decimal,
    Text,
    Bytes,
    Object(&'static Object),
    List(&'static Object),
    /// Numbers.
    Ints,
}

/// A type of several fields.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its name, which its elements have in lists; no method's, since both are elements.
    pub(crate) name: &'static str,
    /// Its fields, in their order.
    pub(crate) fields: &'static [Named],
}

/// A field or parameter and what it is.
pub(crate) type Named = (&'static str, Kind);

/// A method.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it takes beside user name and password.
    pub(crate) parameters: &'static [Named],
    /// What it answers.
    pub(crate) result: Kind,
    /// What it writes into parameters that it takes by reference.
    pub(crate) out: &'static [Named],
    /// The method of the REST services that does the work.
    pub(crate) answers: Method,
    /// The field of its answer that is the result; empty for the whole answer.
    pub(crate) value: &'static str,
    /// The field of its refusal that is the result.
    pub(crate) code: &'static str,
    /// Renames the parameters to what that method calls them.
    pub(crate) read: fn(&mut Params),
}

impl Row {
    /// A method whose result and refusal are the whole answer of `answers`.
    const fn new(
        name: &'static str,
        answers: Method,
        parameters: &'static [Named],
        result: Kind,
    ) -> Self {
        let (value, code) = ("", "");
        Self { name, parameters, result, out: &[], answers, value, code, read: as_they_are }
    }

    /// The result is one field of the answer, whether it is a value or a code.
    const fn at(self, field: &'static str) -> Self {
        Self { value: field, code: field, ..self }
    }

    /// The result is one field of the answer, and another one of a refusal.
    const fn at_or(self, value: &'static str, code: &'static str) -> Self {
        Self { value, code, ..self }
    }

    /// The parameters are called otherwise here.
    const fn reading(self, read: fn(&mut Params)) -> Self {
        Self { read, ..self }
    }
}

/// The method of a name in any case.
pub(crate) fn named(name: &str) -> Option<&'static Row> {
    METHODS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

/// What every method takes first.
pub(crate) const CREDENTIALS: [Named; 2] = [("userName", Kind::Text), ("password", Kind::Text)];

const MESSAGE_ID: Named = ("messageId", Kind::Int);
const CAMPAIGN_ID: Named = ("campaignId", Kind::Int);
const TITLE: Named = ("title", Kind::Text);
const TEXT: Named = ("text", Kind::Text);
const NUMBER: Named = ("number", Kind::Text);
const VOTE: Named = ("vote", Kind::Flag);
const SERVER: Named = ("serverid", Kind::Int);
const PERSIST: Named = ("Persist", Kind::Flag);
const SPOKEN_NUMBER: Named = ("CallFromMobile", Kind::Text);
const TRIES: Named = ("maxTryCount", Kind::Int);
const MINUTES: Named = ("minuteBetweenTries", Kind::Int);
const START_DATE: Named = ("startDate", Kind::Text);
const START_TIME: Named = ("startTime", Kind::Text);
const END_DATE: Named = ("endDate", Kind::Text);
const END_TIME: Named = ("endTime", Kind::Text);
const FROM_DATE: Named = ("fromDate", Kind::Text);
const TO_DATE: Named = ("toDate", Kind::Text);
const NUMBER_IDS: Named = ("campaignNumberIds", Kind::Text);
const PRICE: Named = ("price", Kind::Decimal);
const SPEECH: &[Named] = &[("speaker", Kind::Text), TEXT, TITLE, SPOKEN_NUMBER];

/// What a campaign is made of, and what else this method takes.
macro_rules! new_campaign {
    ($($more:expr)?) => {
        &[
            TITLE,
            ("numbers", Kind::Text),
            TRIES,
            MINUTES,
            START_DATE,
            START_TIME,
            END_DATE,
            END_TIME,
            MESSAGE_ID,
            ("removeInvalids", Kind::Flag),
            ("serverId", Kind::Int),
            ("autoStart", Kind::Flag),
            VOTE,
            $($more)?
        ]
    };
}

/// Every method, by what it is about.
pub(crate) const METHODS: &[Row] = &[
    Row::new(
        "SendOTP",
        Method::SendOtp,
        &[("Length", Kind::Int), NUMBER, TEXT, SERVER],
        Kind::Text,
    )
    .at_or("QuickSendID", "ErrorCode")
    .reading(own_code),
    Row::new("QuickSend", Method::QuickSend, &[MESSAGE_ID, NUMBER, VOTE, SERVER], Kind::Int)
        .at("QuickSendID"),
    Row::new(
        "QuickSendWithTTS",
        Method::QuickSendWithTts,
        &[TEXT, NUMBER, VOTE, SERVER, SPOKEN_NUMBER],
        Kind::Int,
    )
    .at("QuickSendID"),
    Row {
        out: &[PRICE],
        ..Row::new(
            "GetQuickSend",
            Method::GetQuickSend,
            &[("quickSendId", Kind::Int), PRICE],
            Kind::Object(&QUICK_SEND),
        )
    },
    Row::new("CreateCampaign", Method::CreateCampaign, new_campaign!(), Kind::Long)
        .reading(days_and_hours),
    Row::new(
        "CreateCampaignGIS",
        Method::CreateCampaignGis,
        new_campaign!(("GISCroods", Kind::Text)),
        Kind::Long,
    )
    .reading(days_and_hours),
    Row::new(
        "StartCampaign",
        Method::StartCampaign,
        &[CAMPAIGN_ID, TITLE, MINUTES, TRIES, START_DATE, END_DATE, START_TIME, END_TIME, SERVER],
        Kind::Long,
    )
    .reading(days_and_hours),
    Row::new(
        "SendOCV",
        Method::SendOcv,
        &[NUMBER, ("callbackUrl", Kind::Text), SERVER],
        Kind::Object(&VERIFICATION),
    ),
    Row::new("StopCampaign", Method::StopCampaign, &[CAMPAIGN_ID], Kind::Flag),
    Row::new(
        "MakeSecureCall",
        Method::MakeSecureCall,
        &[
            ("srcNumber", Kind::Text),
            ("dstNumber", Kind::Text),
            ("holdMessageId", Kind::Int),
            ("serverId", Kind::Int),
        ],
        Kind::Int,
    ),
    Row::new("GetCampaignById", Method::GetCampaign, &[CAMPAIGN_ID], Kind::Object(&CAMPAIGN)),
    Row::new(
        "GetCampaignNumbersByCampaignId",
        Method::GetCampaignNumbers,
        &[CAMPAIGN_ID],
        Kind::List(&CAMPAIGN_NUMBER),
    )
    .at("Numbers"),
    Row::new(
        "GetCampaignsByDate",
        Method::GetCampaignsByDate,
        &[FROM_DATE, TO_DATE],
        Kind::List(&CAMPAIGN),
    )
    .at("Campaigns"),
    Row::new(
        "GetCampaignNumbersByMessageId",
        Method::GetCampaignNumbersByMessageId,
        &[MESSAGE_ID, ("lastid", Kind::Long), ("count", Kind::Int)],
        Kind::List(&CAMPAIGN_NUMBER),
    )
    .at("Numbers"),
    Row::new(
        "GetCampaignNumbersBySendDate",
        Method::GetCampaignNumbersBySendDate,
        &[FROM_DATE, TO_DATE],
        Kind::List(&CAMPAIGN_NUMBER),
    )
    .at("Numbers"),
    Row::new(
        "GetCampaignNumbersBySubscribeId",
        Method::GetCampaignNumbersBySubscribeId,
        &[("subscribeId", Kind::Long)],
        Kind::Object(&CAMPAIGN_NUMBER),
    )
    .at("Number"),
    Row::new(
        "GetCampaignNumbersDataByIds",
        Method::GetCampaignNumbersDataByIds,
        &[NUMBER_IDS],
        Kind::List(&CAMPAIGN_NUMBER),
    )
    .at("Numbers"),
    Row::new(
        "GetCampaignNumberStatusById",
        Method::GetCampaignNumberStatusById,
        &[("campaignNumberId", Kind::Long)],
        Kind::MaybeInt,
    ),
    Row::new(
        "GetCampaignNumbersStatusByIds",
        Method::GetCampaignNumbersStatusByIds,
        &[NUMBER_IDS],
        Kind::Ints,
    ),
    Row::new(
        "UploadMessage",
        Method::UploadMessageBase64,
        &[TITLE, ("file", Kind::Bytes), PERSIST, SPOKEN_NUMBER],
        Kind::Int,
    )
    .at("Id")
    .reading(file),
    Row::new(
        "UploadMessageBase64",
        Method::UploadMessageBase64,
        &[TITLE, ("base64", Kind::Text), PERSIST, SPOKEN_NUMBER],
        Kind::Int,
    )
    .at("Id"),
    Row::new("GenerateTTS", Method::GenerateTts, SPEECH, Kind::Int).at("Id"),
    Row::new("GenerateTTS2", Method::GenerateTts, SPEECH, Kind::Object(&SPOKEN)),
    Row::new("DownloadMessage", Method::DownloadMessage, &[MESSAGE_ID], Kind::Bytes),
    Row::new("DeleteMessage", Method::DeleteMessage, &[MESSAGE_ID], Kind::Flag),
    Row::new("GetMessage", Method::GetMessage, &[MESSAGE_ID], Kind::Object(&MESSAGE)).at("Details"),
    Row::new("GetMessages", Method::GetMessages, &[], Kind::List(&MESSAGE)).at("Messages"),
    Row::new(
        "GetMessagesByPage",
        Method::GetMessagesByPage,
        &[
            ("showPersist", Kind::Flag),
            ("count", Kind::Int),
            ("currentpage", Kind::Int),
            ("order", Kind::Text),
        ],
        Kind::List(&MESSAGE),
    )
    .at("Messages"),
    Row::new("GetProfile", Method::GetProfile, &[], Kind::Object(&PROFILE)),
    Row::new("GetPrices", Method::GetPrices, &[], Kind::Object(&PRICES)),
    Row::new("GetTransactions", Method::GetTransactions, &[], Kind::List(&TRANSACTION))
        .at("Transactions"),
    Row::new(
        "GetTotalCostByDate",
        Method::GetTotalCostByDate,
        &[FROM_DATE, TO_DATE],
        Kind::Decimal,
    ),
    Row::new("GetCredit", Method::AccountStatus, &[], Kind::Decimal)
        .at_or("RemaindCredit", "Result"),
    Row::new("GetExpirationDate", Method::AccountStatus, &[], Kind::Text)
        .at_or("ExpireDatePer", "Result"),
];

const QUICK_SEND: Object = Object {
    name: "QuickSendState",
    fields: &[
        ("reason", Kind::Int),
        ("status", Kind::Text),
        ("dst", Kind::Text),
        ("starttime", Kind::Text),
        ("Id", Kind::Int),
        ("subscribeid", Kind::Int),
        ("duration", Kind::Int),
        ("vote", Kind::Int),
    ],
};

const VERIFICATION: Object = Object {
    name: "Verification",
    fields: &[("Result", Kind::Int), ("Code", Kind::Int), ("SendId", Kind::Int)],
};

const SPOKEN: Object =
    Object { name: "GeneratedMessage", fields: &[("Id", Kind::Int), ("Length", Kind::Int)] };

const MESSAGE: Object = Object {
    name: "Message",
    fields: &[
        ("Id", Kind::Int),
        ("Title", Kind::Text),
        ("Lenght", Kind::Int),
        ("IsDefault", Kind::Flag),
        ("ShowInGallery", Kind::Flag),
        ("Confirmed", Kind::Int),
        ("CreateDate", Kind::Text),
    ],
};

const PROFILE: Object = Object {
    name: "Profile",
    fields: &[
        ("Result", Kind::Int),
        ("UserName", Kind::Text),
        ("FullName", Kind::Text),
        ("Mobile", Kind::Text),
        ("ExpireDate", Kind::Text),
    ],
};

const PRICES: Object = Object {
    name: "Prices",
    fields: &[
        ("Id", Kind::Int),
        ("InternalSecondPrice", Kind::Decimal),
        ("ExternalSecondPrice", Kind::Decimal),
        ("PulseDuration", Kind::Int),
        ("PulseOffRate", Kind::Decimal),
        ("AddClientRate", Kind::Decimal),
        ("AddResellerRate", Kind::Decimal),
        ("LBSSecondRate", Kind::Decimal),
        ("GPSSecondRate", Kind::Decimal),
        ("PoolSecondRate", Kind::Decimal),
        ("AddClientPrice", Kind::Decimal),
        ("AddResellerPrice", Kind::Decimal),
        ("LBSSecondPrice", Kind::Decimal),
        ("GPSSecondPrice", Kind::Decimal),
        ("PoolSecondPrice", Kind::Decimal),
        ("TTSSecondPrice", Kind::Decimal),
        ("MaximumDebt", Kind::Decimal),
        ("ResellerId", Kind::Int),
        ("Title", Kind::Text),
    ],
};

const TRANSACTION: Object = Object {
    name: "Transaction",
    fields: &[("Amount", Kind::Decimal), ("CreateDate", Kind::Text), ("Description", Kind::Text)],
};

const CAMPAIGN: Object = Object {
    name: "Campaign",
    fields: &[
        ("Id", Kind::Int),
        ("CampaignTitle", Kind::Text),
        ("MessageId", Kind::Int),
        ("MessageTitle", Kind::Text),
        ("MaxTryCount", Kind::Int),
        ("MinuteBetweenTries", Kind::Int),
        ("TotalPrice", Kind::Decimal),
        ("InternalCount", Kind::Int),
        ("ExternalCount", Kind::Int),
        ("Vote", Kind::Flag),
        ("StatusId", Kind::Int),
        ("StartDate", Kind::Text),
        ("StartTime", Kind::Text),
        ("EndDate", Kind::Text),
        ("EndTime", Kind::Text),
    ],
};

const CAMPAIGN_NUMBER: Object = Object {
    name: "CampaignNumber",
    fields: &[
        ("CampaignID", Kind::Int),
        ("Id", Kind::Long),
        ("Number", Kind::Text),
        ("Status", Kind::Int),
        ("Duration", Kind::Int),
        ("Price", Kind::Decimal),
        ("SendDate", Kind::Text),
        ("DeliverDate", Kind::Text),
        ("TryCount", Kind::Int),
        ("Vote", Kind::Int),
        ("IsMobile", Kind::Flag),
        ("RequestId", Kind::Long),
    ],
};

/// A number of a list that is told while it is read.
pub(crate) fn number_written(out: &mut String, recipient: &Recipient) {
    let mut json = String::new();
    rest::number_written(&mut json, recipient);
    xml::item(out, &CAMPAIGN_NUMBER, &json);
}

fn as_they_are(_: &mut Params) {}

fn own_code(params: &mut Params) {
    params.rename("text", "optionalcode");
}

fn file(params: &mut Params) {
    params.rename("file", "base64");
}

/// A day and an hour apart are one moment there.
fn days_and_hours(params: &mut Params) {
    for (day, hour, moment) in
        [("startdate", "starttime", "startdatetime"), ("enddate", "endtime", "enddatetime")]
    {
        let day = params.take(day).unwrap_or_default();
        let hour = params.take(hour).unwrap_or_default();
        params.add(moment, format!("{} {}", day.trim(), hour.trim()));
    }
}
