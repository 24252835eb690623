#!/usr/bin/env python3
"""A tour of Avanak's modern API: a message, a campaign and a one-time code, to their ends.

    AVANAK_URL=http://127.0.0.1:8080 AVANAK_TOKEN=… python3 tour.py 09121234567 09990000486

Nothing beyond the standard library. The token of a sandbox (`avanak account token --sandbox`)
makes it a rehearsal: play money, and nobody is called. The code is asked for on the standard input;
in a sandbox it is 123456. Prints one line of JSON for each thing that has come to its end.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

PATIENCE_SECONDS = 60


class Problem(Exception):
    """A refusal (RFC 9457): `code` is for programs, `title`, `fix` and their Persian for people."""

    def __init__(self, told: dict):
        super().__init__(f"{told['title']} {told['fix']} {told.get('detail') or ''}".strip())
        self.code = told["code"]


class Avanak:
    def __init__(self, url: str, token: str):
        self.url, self.token = url.rstrip("/"), token

    def get(self, path: str, **query):
        return self._ask("GET", f"{path}?{urllib.parse.urlencode(query)}" if query else path)

    def post(self, path: str, body: dict):
        # The same key for each try: however often it is asked, it is done once.
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        return self._ask("POST", path, json.dumps(body).encode(), headers)

    def _ask(self, method: str, path: str, body=None, headers=None):
        headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        for attempt in range(5):
            request = urllib.request.Request(self.url + path, body, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refusal:
                # 503 says that nothing was done; anything else is for the caller to judge.
                if refusal.code != 503:
                    raise Problem(json.load(refusal)) from None
                pause = int(refusal.headers.get("Retry-After", 1))
            except OSError:
                pause = 2**attempt
            time.sleep(pause)
        raise TimeoutError(f"{method} {path} got no answer")


class Events:
    """What happens to the account, from now on, each event once and in order."""

    def __init__(self, avanak: Avanak):
        self.avanak, self.seen = avanak, None
        # Read past what is old.
        while self._page():
            pass

    def _page(self):
        after = {"after": self.seen} if self.seen else {}
        page = self.avanak.get("/v1/events", limit=100, **after)["data"]
        if page:
            self.seen = page[-1]["id"]
        return page

    def wait_for(self, kinds: set, of: str) -> dict:
        """The `data` of the first event of these kinds that tells of the thing with this id."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for event in self._page():
                if event["type"] in kinds and event["data"]["id"] == of:
                    return event["data"]
            time.sleep(0.2)
        raise TimeoutError(f"{of} did not come to {kinds}")


def show(name: str, told: dict):
    print(json.dumps({name: told}, ensure_ascii=False), flush=True)


def send(avanak: Avanak, events: Events, number: str):
    """One message: what it may cost, then the call, then how it ended."""
    message = {"to": number, "text": "سلام. نوبت شما فردا ساعت ۱۰ است."}
    price = avanak.post("/v1/messages", {**message, "dry_run": True})
    sent = avanak.post("/v1/messages", {**message, "max_cost": price["cost_max"]})
    ended = events.wait_for({"message.ended"}, sent["id"])
    show("message", ended)
    return ended


def campaign(avanak: Avanak, events: Events, audio_id: int, numbers: list):
    """A list: a dry run says what it would come to, and nothing above that is spent."""
    year = time.gmtime().tm_year
    plan = {
        "title": "یادآوری نوبت",
        "audio_id": audio_id,
        "to": numbers,
        # Days and hours of Tehran; a Jalali date is taken, too.
        "starts": f"{year}-01-01",
        "ends": f"{year + 1}-12-31",
        "tries": 2,
        "minutes_between_tries": 0,
    }
    foretold = avanak.post("/v1/campaigns", {**plan, "dry_run": True})
    show("dry_run", foretold)
    made = avanak.post("/v1/campaigns", {**plan, "max_cost": foretold["cost_max"]})
    events.wait_for({"campaign.finished", "campaign.paused"}, made["id"])
    show("campaign", avanak.get(f"/v1/campaigns/{made['id']}"))
    page = avanak.get(f"/v1/campaigns/{made['id']}/numbers", limit=100)
    show("numbers", {number["to"]: number["result"] for number in page["data"]})


def code(avanak: Avanak, number: str):
    """A one-time code that we never see: Avanak makes it, speaks it and checks what was typed."""
    started = avanak.post("/v1/codes", {"to": number})
    print("The code?", file=sys.stderr, flush=True)
    for typed in sys.stdin:
        try:
            checked = avanak.post(f"/v1/codes/{started['id']}/check", {"code": typed.strip()})
        except Problem as problem:
            show("refused", {"code": problem.code, "why": str(problem)})
            if problem.code != "code_wrong":
                break
        else:
            show("code", checked)
            break


def main():
    avanak = Avanak(os.environ["AVANAK_URL"], os.environ["AVANAK_TOKEN"])
    events, numbers = Events(avanak), sys.argv[1:]
    heard = send(avanak, events, numbers[0])
    # The text has become a message that can be played again.
    campaign(avanak, events, heard["audio_id"], numbers)
    code(avanak, numbers[0])


if __name__ == "__main__":
    main()
