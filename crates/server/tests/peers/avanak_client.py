"""Drives the published Python client `avanak` 0.1.2, unmodified, against our web services.

    python avanak_client.py http://127.0.0.1:8080/Rest TOKEN NUMBER

Only its base URL is set. Every method that the client has is called: messages, codes and a campaign
reach the phone behind NUMBER, and a last line of JSON says what happened.
"""

import base64
import io
import json
import math
import struct
import sys
import time
import wave
from importlib.metadata import version

import pydantic
from avanak.client import AvanakClient

PATIENCE_SECONDS = 60
SENTENCE = "سلام، این یک پیام آزمایشی از سامانهٔ آوانک است. رمز شما ۱۲۳۴۵ است."


def tone(seconds):
    """A WAV file as a studio would make it: 44.1 kHz, a chord."""
    rate = 44_100
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


def ended(client, send):
    """Polls as customers do; states may only move forward."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = []
    while time.monotonic() < deadline:
        progress = client.get_quick_send(send)
        if not seen or seen[-1] != progress.reason:
            seen.append(progress.reason)
        if progress.reason >= 10:
            assert seen == sorted(seen), f"went back: {seen}"
            return progress
        time.sleep(0.1)
    raise AssertionError(f"send {send} did not end: {seen}")


def check_account(client):
    account = client.account_status()
    assert account.status == "Success", account
    assert account.mobile == "09120000001", account
    assert account.expire_date_per == "1500/01/01", account
    return account.remaind_credit


def check_messages(client):
    wav = tone(4.0)
    made = client.upload_message_base64("زنگ", base64.b64encode(wav).decode(), persist=True)
    assert made.id > 0 and made.length == 4, made

    details = client.get_message(made.id)
    assert details["Status"] == "Success", details
    assert details["Details"]["Title"] == "زنگ", details
    assert details["Details"]["Lenght"] == 4, details
    assert details["Details"]["Confirmed"] == 1, details
    assert details["Details"]["ShowInGallery"] is True, details

    with wave.open(io.BytesIO(client.download_message(made.id))) as stored:
        shape = (stored.getframerate(), stored.getnchannels(), stored.getsampwidth())
        assert shape == (8000, 1, 2), shape
        assert 3.8 <= stored.getnframes() / 8000 <= 4.1, stored.getnframes()

    broken = client.upload_message_base64("خراب", base64.b64encode(b"not audio" * 99).decode())
    assert broken.id == -10, broken

    his = client.generate_tts(SENTENCE, "او")
    hers = client.generate_tts(SENTENCE, "او", speaker="female", call_from_mobile="09121234567")
    assert his.id > made.id and his.length >= 3, his
    assert hers.id > his.id and hers.length > his.length, hers
    assert client.generate_tts("", "تهی").id == -6
    assert client.generate_tts("س " * 600, "بلند").id == -5
    return made.id


def check_sends(client, message, number):
    sent = client.quick_send(message, number, vote=True)
    assert sent["Status"] == "Success" and sent["QuickSendID"] > 0, sent
    assert sent["MessageID"] == message and sent["MessageLength"] == 4, sent
    assert sent["CreditDecrease_InPulses"] == 1, sent
    assert client.quick_send(message, "12")["QuickSendID"] == -2
    assert client.quick_send(message + 999, number)["QuickSendID"] == -8
    assert client.quick_send(message, number, record_voice=True)["QuickSendID"] == -72

    spoken = client.quick_send_with_tts(SENTENCE, number)
    assert spoken["QuickSendID"] > sent["QuickSendID"], spoken
    assert client.quick_send_with_tts("", number)["QuickSendID"] == -10

    ends = {}
    for name, answer in (("stored", sent), ("spoken", spoken)):
        progress = ended(client, answer["QuickSendID"])
        assert progress.reason == 10, progress
        assert progress.id == answer["QuickSendID"], progress
        assert progress.dst == number and progress.vote == -1, progress
        assert progress.duration == answer["MessageLength"], (progress, answer)
        assert progress.status and progress.starttime, progress
        ends[name] = {
            "id": progress.id,
            "reason": progress.reason,
            "status": progress.status,
            "held_rials": answer["CreditDecrease_InPrice"],
        }
    assert client.get_quick_send(10**9) is None
    return ends


def check_codes(client, number):
    """One-time codes: one of ours, one that we bring, and one that is too short."""
    sent = client.send_otp(6, number)
    assert sent.error_code == 0 and sent.quick_send_id > 0, sent
    assert len(sent.generated_code) == 6 and sent.generated_code.isdigit(), sent
    own = client.send_otp(4, number, optional_code=4821)
    assert own.error_code == 0 and own.generated_code == "4821", own
    for send in (sent, own):
        assert ended(client, send.quick_send_id).reason == 10, send
    assert client_refuses(lambda: client.send_otp(3, number)) == -5
    return [sent.quick_send_id, own.quick_send_id]


def client_refuses(call):
    """The client has no shape for some refusals; what it then shows is the code all the same."""
    return call().error_code


def check_campaigns(client, message, number):
    """A campaign from its making to its end; another that is stopped and started again."""
    hours = ("2026-01-01 00:00:00", "2099-12-31 23:59:59")
    numbers = f"{number},09121234568,not a number,{number}"
    made = client.create_campaign("کمپین", numbers, message, *hours, vote=True, priority=3)
    assert made.result > 0, made
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        shown = client.get_campaign(made.result)
        assert shown["Status"] == "Success" and shown["CampaignID"] == made.result, shown
        if shown["StatusId"] == 12:
            break
        time.sleep(0.1)
    assert shown["StatusId"] == 12 and shown["Title"] == "کمپین", shown
    assert shown["ExternalCount"] == 2 and shown["InternalCount"] == 0, shown
    told = client.get_campaign_numbers_by_campaign_id(made.result)
    assert told["Status"] == "Success", told
    ends = {one["Number"]: (one["Status"], one["TryCount"]) for one in told["Numbers"]}
    assert ends == {number: (10, 1), "09121234568": (10, 1)}, told

    draft = client.create_campaign("بعد", number, message, *hours, auto_start=False)
    assert client.get_campaign(draft.result)["StatusId"] == 9
    started = client.start_campaign(draft.result, "2098-01-01", "2099-01-01", title="بعدتر")
    assert started.result == draft.result, started
    assert client.get_campaign(draft.result)["StatusId"] == 10
    assert client.stop_campaign(draft.result).result is True
    assert client.stop_campaign(draft.result).result is False
    assert client.get_campaign(draft.result)["Title"] == "بعدتر"

    assert client.create_campaign("x", number, message + 999, *hours).result == -60
    assert client.create_campaign("x", number, message, *hours, max_try_count=99).result == -70
    assert client.create_campaign("x", number, message, *reversed(hours)).result == -76
    assert client.create_campaign("x", number, message, *hours, sms=True).result == -80
    assert client.start_campaign(10**6, *hours).result == -30
    assert client.get_campaign(10**6) is None
    assert client.get_campaign_numbers_by_campaign_id(10**6) is None
    return shown["TotalPrice"]


def check_reports(client, message):
    gallery = client.get_messages(0, 50)
    assert gallery["Status"] == "Success", gallery
    ids = [one["Id"] for one in gallery["Messages"]]
    assert message in ids and gallery["TotalCount"] == len(ids), gallery
    assert ids == sorted(ids, reverse=True), ids
    assert len(client.get_messages(1, 1)["Messages"]) == 1
    told = client.get_quick_send_statistics("2026-01-01", "2099-01-01 00:00:00")
    assert told["Status"] == "Success", told
    # Two that were sent and two codes; campaigns are no quick sends.
    assert told["TotalSent"] == 4 and told["TotalDelivered"] == 4, told
    assert sum(day["Sent"] for day in told["Statistics"]) == 4, told


def check_deletion(client, message):
    assert client.delete_message(message).result is True
    assert client.delete_message(message).result is False
    assert client.get_message(message) is None


def check_stranger():
    stranger = AvanakClient("0" * 40)
    assert stranger.quick_send(1, "09121234567")["QuickSendID"] == -201
    assert stranger.upload_message_base64("x", "x").id == -201
    assert stranger.get_quick_send(1) is None
    try:
        stranger.account_status()
    except pydantic.ValidationError:
        pass  # The client has no shape for a refusal; it must not take it for an account.
    else:
        raise AssertionError("a stranger got an account")


def main():
    base_url, token, number = sys.argv[1:]
    assert version("avanak") == "0.1.2"
    AvanakClient.BASE_URL = base_url
    client = AvanakClient(token)
    before = check_account(client)
    message = check_messages(client)
    unsent = check_account(client)
    assert unsent < before, "speech is charged"
    ends = check_sends(client, message, number)
    codes = check_codes(client, number)
    campaign_rials = check_campaigns(client, message, number)
    check_reports(client, message)
    check_deletion(client, message)
    check_stranger()
    result = {
        "before_rials": before,
        "after_rials": check_account(client),
        "sends": ends,
        "codes": codes,
        "campaign_rials": campaign_rials,
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
