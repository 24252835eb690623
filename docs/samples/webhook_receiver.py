#!/usr/bin/env python3
"""Receives events of Avanak and believes only those that are signed (Standard Webhooks).

    WEBHOOK_SECRET=whsec_… python3 webhook_receiver.py 8000

Nothing beyond the standard library. Prints one line of JSON for each new event.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300


def is_genuine(secret: str, headers, body: bytes) -> bool:
    """Whether one of the signatures was made with our secret, and lately."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    event_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # While a secret is replaced there are two signatures.
    for signature in headers.get("webhook-signature", "").split():
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value, expected):
            return True
    return False


class Receiver(BaseHTTPRequestHandler):
    secret = os.environ.get("WEBHOOK_SECRET", "")
    # An event may come twice, always with the same id. A real receiver asks its database.
    seen: set = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not is_genuine(self.secret, self.headers, body):
            self.send_response(401)
            self.end_headers()
            return
        event = json.loads(body)
        if event["id"] not in self.seen:
            self.seen.add(event["id"])
            print(json.dumps(event, ensure_ascii=False), flush=True)
        # Answer at once; work that takes long belongs behind a queue.
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    address = ("127.0.0.1", int(sys.argv[1]))
    ThreadingHTTPServer(address, Receiver).serve_forever()
