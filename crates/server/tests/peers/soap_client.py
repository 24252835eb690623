"""Drives zeep 4.3.3, unmodified, against our SOAP services, by nothing but their WSDL.

    python soap_client.py http://127.0.0.1:8080 USER PASSWORD NUMBER

Every method of the WSDL is called on both services by SOAP 1.1 and SOAP 1.2, some by the GET and
POST bindings and the JSON twin too. A last line of JSON says what was called.
"""

import base64
import datetime
import io
import itertools
import json
import math
import struct
import sys
import time
import urllib.request
import wave
from decimal import Decimal
from importlib.metadata import version

import zeep
import zeep.exceptions
import zeep.helpers

# The platform's days are Tehran's, which has had no summer time since 1401.
TEHRAN = datetime.timezone(datetime.timedelta(hours=3, minutes=30))
PATIENCE_SECONDS = 60
SENTENCE = "سلام، این یک پیام آزمایشی از سامانهٔ آوانک است. رمز شما ۱۲۳۴۵ است."
# Whom the operator's map has within the region that is drawn here.
ON_THE_MAP = "09121234567"
TITLE = "زنگ <b> & \"پ\""
SERVICES = ("WebService3", "SoapWebService")


def tone(seconds):
    """A WAV file of a chord."""
    rate = 16_000
    samples = (
        int(6000 * (math.sin(n * 2764.6 / rate) + math.sin(n * 4146.9 / rate)))
        for n in range(int(seconds * rate))
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


class Port:
    """A port of a service, and which of its methods were called."""

    def __init__(self, base, service, suffix, user, password):
        self.client = zeep.Client(f"{base}/{service.lower()}.asmx?WSDL")
        self.port = self.client.bind(service, service + suffix)
        self.who = {"userName": user, "password": password}
        self.uncalled = set(self.port._operations)
        self.methods = len(self.uncalled)

    def call(self, method, **parameters):
        self.uncalled.discard(method)
        return self.port[method](**{**self.who, **parameters})


def check_account(port):
    credit = port.call("GetCredit")
    assert isinstance(credit, Decimal) and credit > 0, credit
    assert port.call("GetExpirationDate") == "1500/01/01"
    assert port.call("GetCredit", password="wrong") == -1
    assert port.call("GetMessages", password="wrong") is None


def check_money(port):
    profile = port.call("GetProfile")
    assert (profile.Result, profile.UserName) == (0, "shop.1"), profile
    assert profile.ExpireDate == "1500/01/01", profile
    assert port.call("GetProfile", password="wrong").Result == -1
    prices = port.call("GetPrices")
    assert prices.ExternalSecondPrice > 0 and prices.PulseDuration > 0, prices
    lines = port.call("GetTransactions")
    assert lines[-1].Amount > 0 and lines[-1].Description and lines[-1].CreateDate, lines
    day = datetime.datetime.now(TEHRAN).date().isoformat()
    cost = port.call("GetTotalCostByDate", fromDate=day, toDate=day)
    assert isinstance(cost, Decimal) and cost >= 0, cost
    assert port.call("GetTotalCostByDate", fromDate="x", toDate=day) == -76


def check_messages(port, wav):
    upload = {"title": TITLE, "Persist": True, "CallFromMobile": None}
    message = port.call("UploadMessage", file=wav, **upload)
    assert message > 0, message
    again = port.call("UploadMessageBase64", base64=base64.b64encode(wav).decode(), **upload)
    assert again > message, again
    assert port.call("UploadMessage", file=b"not audio" * 99, **upload) == -10
    speech = {"speaker": "female", "text": SENTENCE, "title": "او", "CallFromMobile": ""}
    spoken = port.call("GenerateTTS", **speech)
    assert spoken > again, spoken
    spoken_too = port.call("GenerateTTS2", **speech)
    assert spoken_too.Id > spoken and spoken_too.Length >= 3, spoken_too
    assert port.call("GenerateTTS2", **{**speech, "text": ""}).Id == -6

    found = port.call("GetMessage", messageId=message)
    assert (found.Id, found.Title, found.Lenght) == (message, TITLE, 4), found
    assert found.ShowInGallery is True and found.Confirmed == 1, found
    assert port.call("GetMessage", messageId=10**9) is None
    gallery = port.call("GetMessages")
    assert {message, again} <= {one.Id for one in gallery}, gallery
    page = {"showPersist": True, "count": 2, "currentpage": 0}
    newest = port.call("GetMessagesByPage", order="desc", **page)
    assert [one.Id for one in newest] == [spoken_too.Id, spoken], newest
    with wave.open(io.BytesIO(port.call("DownloadMessage", messageId=message))) as stored:
        assert stored.getframerate() == 8000
    assert port.call("DownloadMessage", messageId=10**9) is None
    assert port.call("DeleteMessage", messageId=again) is True
    assert port.call("DeleteMessage", messageId=again) is False
    return message


def check_sends(port, message, numbers):
    number, others = next(numbers), numbers
    send = port.call("QuickSend", messageId=message, number=number, vote=True, serverid=0)
    assert send > 0, send
    assert port.call("QuickSend", messageId=message, number="1", vote=False, serverid=0) == -2
    spoken = port.call(
        "QuickSendWithTTS", text=SENTENCE,
        number=next(others),
        vote=False,
        serverid=0,
        CallFromMobile=None,
    )
    assert spoken > send, spoken
    code = port.call("SendOTP", Length=5, number=next(others), text="", serverid=0)
    assert int(code) > spoken, code
    assert port.call("SendOTP", Length=0, number=number, text="12", serverid=0) == "-5"

    url = "http://shop.example/OCVCallback?Order=1&Number=2"
    asked = port.call("SendOCV", number=next(others), callbackUrl=url, serverid=0)
    assert asked.Result == 0 and 1 <= asked.Code <= 9 and asked.SendId > int(code), asked
    assert port.call("SendOCV", number="1", callbackUrl=url, serverid=0).Result == -2

    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        progress = port.call("GetQuickSend", quickSendId=send, price=0)
        if progress.GetQuickSendResult.reason >= 10:
            break
        time.sleep(0.1)
    result = progress.GetQuickSendResult
    assert (result.reason, result.Id, result.dst) == (10, send, number), progress
    assert result.duration == 4 and progress.price > 0, progress
    assert port.call("GetQuickSend", quickSendId=10**9, price=0).GetQuickSendResult is None


def check_campaign(port, message, number):
    day = datetime.datetime.now(TEHRAN).date()
    plan = {
        "title": "کارزار",
        "maxTryCount": 2,
        "minuteBetweenTries": 10,
        "startDate": day.isoformat(),
        "startTime": "00:00",
        "endDate": (day + datetime.timedelta(days=3)).isoformat(),
        "endTime": "23:59:00",
    }
    campaign = port.call(
        "CreateCampaign",
        numbers=f"{number},{number},1",
        messageId=message,
        removeInvalids=True,
        serverId=0,
        autoStart=False,
        vote=False,
        **plan,
    )
    assert campaign > 0, campaign
    found = port.call("GetCampaignById", campaignId=campaign)
    assert (found.Id, found.StatusId, found.ExternalCount) == (campaign, 9, 1), found
    assert (found.CampaignTitle, found.MessageTitle) == ("کارزار", TITLE), found
    numbers = port.call("GetCampaignNumbersByCampaignId", campaignId=campaign)
    [called] = numbers
    assert (called.Number, called.Status, called.IsMobile) == (number, 0, True), called
    assert port.call("StartCampaign", campaignId=campaign, serverid=0, **plan) == campaign
    assert port.call("StopCampaign", campaignId=campaign) is True
    assert port.call("GetCampaignById", campaignId=campaign).StatusId == 27
    assert port.call("StopCampaign", campaignId=10**9) is False
    assert port.call("GetCampaignNumbersByCampaignId", campaignId=10**9) is None
    assert port.call("StartCampaign", campaignId=campaign, serverid=0, **plan) == campaign
    await_status(port, called.Id, 10)
    check_reports(port, message, campaign, called)
    region = {"numbers": "", "messageId": message, "removeInvalids": True, "serverId": 0}
    region |= {"autoStart": True, "vote": False, "GISCroods": "35.7,51.4", **plan}
    assert port.call("CreateCampaignGIS", **region) == -73
    region |= {"autoStart": False, "GISCroods": "35.6,51.3; 35.6,51.4; 35.8,51.4; 35.8,51.3"}
    drawn = port.call("CreateCampaignGIS", **region)
    [within] = port.call("GetCampaignNumbersByCampaignId", campaignId=drawn)
    assert within.Number == ON_THE_MAP, within
    phones = {"srcNumber": number, "dstNumber": "02112345678"}
    secure_call = port.call("MakeSecureCall", holdMessageId=message, serverId=0, **phones)
    assert secure_call > 0


def await_status(port, number, expected):
    """Waits until a number of a campaign was called."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = port.call("GetCampaignNumberStatusById", campaignNumberId=number)
        if status == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"number {number} stands at {status}")


def check_reports(port, message, campaign, called):
    """What is told of a number in other ways is what its campaign told."""
    day = datetime.datetime.now(TEHRAN).date().isoformat()
    found = port.call("GetCampaignsByDate", fromDate=day, toDate=day)
    assert campaign in [one.Id for one in found], found
    of_message = port.call("GetCampaignNumbersByMessageId", messageId=message, lastid=0, count=9)
    assert [one.Id for one in of_message] == [called.Id], of_message
    sent = port.call("GetCampaignNumbersBySendDate", fromDate=day, toDate=day)
    [one] = [one for one in sent if one.Id == called.Id]
    assert (one.Status, one.TryCount) == (10, 1) and one.Price > 0, one
    again = port.call("GetCampaignNumbersBySubscribeId", subscribeId=one.RequestId)
    assert again == one, (again, one)
    # An empty list is none for zeep.
    assert not port.call("GetCampaignNumbersBySendDate", fromDate="1400/01/01", toDate="1400/01/02")
    assert port.call("GetTotalCostByDate", fromDate=day, toDate=day) >= one.Price
    assert port.call("GetCampaignNumbersBySubscribeId", subscribeId=10**9) is None
    listed = port.call("GetCampaignNumbersDataByIds", campaignNumberIds=f"{called.Id},5")
    assert [one.Number for one in listed] == [called.Number], listed
    both = port.call("GetCampaignNumbersStatusByIds", campaignNumberIds=f"{called.Id},5")
    assert both == [10, -1], both
    assert port.call("GetCampaignNumberStatusById", campaignNumberId=5) is None
    many = ",".join(["1"] * 101)
    assert port.call("GetCampaignNumbersStatusByIds", campaignNumberIds=many) == [-10]


def items(answer):
    """The items of a list, which zeep leaves in their wrapper by GET and POST."""
    [found] = zeep.helpers.serialize_object(answer, dict).values()
    return found


def check_other_bindings(base, user, password, message):
    for suffix in ("HttpGet", "HttpPost"):
        port = Port(base, "WebService3", suffix, user, password)
        assert port.call("GetCredit") > 0
        assert port.call("GetMessage", messageId=str(message)).Title == TITLE
        assert port.call("GetProfile").UserName == "shop.1"
        none = port.call("GetCampaignNumberStatusById", campaignNumberId="5")
        assert none is None, none
        statuses = port.call("GetCampaignNumbersStatusByIds", campaignNumberIds="5,6")
        assert items(statuses) == [-1, -1], statuses
        assert items(port.call("GetTransactions"))[-1]["Amount"] > 0
    body = json.dumps({"UserName": user, "Password": password, "messageId": message}).encode()
    for service in SERVICES:
        request = urllib.request.Request(
            f"{base}/{service.lower()}/GetMessage", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["Title"] == TITLE


def check_faults(base):
    request = urllib.request.Request(
        f"{base}/webservice3.asmx", b"<nonsense", {"Content-Type": "text/xml"}
    )
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        assert error.code == 500 and b"soap:Client" in error.read(), error
    else:
        raise AssertionError("nonsense was answered")


def main():
    base, user, password, first = sys.argv[1:]
    # A number is not called while it is in a call, so each send has one of its own.
    numbers = (f"0{number}" for number in itertools.count(int(first)))
    assert version("zeep") == "4.3.3"
    wav = tone(4.0)
    methods = 0
    for service in SERVICES:
        for suffix in ("Soap", "Soap12"):
            port = Port(base, service, suffix, user, password)
            check_account(port)
            message = check_messages(port, wav)
            check_money(port)
            check_sends(port, message, numbers)
            check_campaign(port, message, next(numbers))
            assert not port.uncalled, f"never called: {port.uncalled}"
            methods = port.methods
    check_other_bindings(base, user, password, message)
    check_faults(base)
    print(json.dumps({"methods": methods}))


if __name__ == "__main__":
    main()
