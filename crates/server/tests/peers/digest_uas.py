"""A SIP peer that asks for digest and computes every response itself (RFC 2617, 7616 and 8760).

It knows nothing of the platform's code and needs Python's standard library alone. It takes one
call: challenges the INVITE (and the BYE when asked to), verifies what comes back, answers, and
ends with the call. The first line it prints is its port, the last is what it saw, as JSON.

Settings, as one JSON object: status (401 or 407), algorithm, qop (what is offered), user, password,
stale (challenges with stale=true that follow a right answer), refusal (the status for a wrong
answer, 0 to challenge again), challenge_bye.
"""

import hashlib
import json
import re
import socket
import sys

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
REALM = "the far end, really"
OPAQUE = "0paque, with a comma"


def main():
    settings = json.loads(sys.argv[1])
    sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sip.bind(("127.0.0.1", 0))
    sip.settimeout(50)
    media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    media.bind(("127.0.0.1", 0))
    peer = Peer(settings, sip, media.getsockname()[1])
    print(sip.getsockname()[1], flush=True)
    while not peer.done:
        data, source = sip.recvfrom(65535)
        peer.receive(data, source)
    print(json.dumps({"right": peer.right, "wrong": peer.wrong, "challenges": peer.challenges}))


class Request:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8").split("\r\n")
        self.method, self.uri, _ = lines[0].split(" ")
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def one(self, name):
        (value,) = self.all(name)
        return value


class Peer:
    def __init__(self, settings, sip, media_port):
        self.settings, self.sip, self.media_port = settings, sip, media_port
        self.challenges, self.right, self.wrong = 0, [], []
        self.stale_left = settings["stale"]
        self.nonces, self.counts = {}, {}
        self.answered = {}
        self.refused = False
        self.done = False

    def receive(self, data, source):
        request = Request(data)
        if request.method == "ACK":
            self.done = self.refused
            return
        key = (request.method, request.one("CSeq"), request.one("Via"))
        if key not in self.answered:
            self.answered[key] = self.answer(request)
        for response in self.answered[key]:
            self.sip.sendto(response, source)

    def answer(self, request):
        if request.method == "BYE" and not self.settings["challenge_bye"]:
            self.done = True
            return [self.respond(request, "200 OK")]
        found = request.all("Proxy-Authorization" if self.is_proxy() else "Authorization")
        verdict = self.verify(request, found[0]) if found else "no credentials"
        if verdict == "right":
            return self.accept(request)
        if verdict == "stale":
            return [self.challenge(request, stale=True)]
        if found:
            self.wrong.append(verdict)
            self.refused = True
            if self.settings["refusal"]:
                return [self.respond(request, f"{self.settings['refusal']} Forbidden")]
        return [self.challenge(request, stale=False)]

    def accept(self, request):
        if request.method == "BYE":
            self.done = True
            return [self.respond(request, "200 OK")]
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.media_port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
        ringing = self.respond(request, "180 Ringing")
        return [ringing, self.respond(request, "200 OK", sdp)]

    def verify(self, request, header):
        given = parameters(header)
        nonce = given.get("nonce")
        if nonce not in self.nonces:
            return f"nonce {nonce} is not ours"
        expected = {
            "username": self.settings["user"],
            "realm": REALM,
            "opaque": OPAQUE,
            "algorithm": self.settings["algorithm"],
            "uri": request.uri,
        }
        for name, value in expected.items():
            if given.get(name) != value:
                return f"{name} is {given.get(name)!r} instead of {value!r}"
        if given.get("qop") not in self.settings["qop"].split(","):
            return f"qop {given.get('qop')} was not offered"
        self.counts[nonce] = self.counts.get(nonce, 0) + 1
        if given.get("nc") != f"{self.counts[nonce]:08x}":
            return f"nc {given.get('nc')} at use {self.counts[nonce]} of the nonce"
        if given.get("response") != self.response(request, given):
            return "the response is wrong"
        if self.stale_left > 0:
            self.stale_left -= 1
            return "stale"
        self.right.append({name: given[name] for name in ("algorithm", "qop", "nc")})
        self.right[-1]["method"] = request.method
        return "right"

    def response(self, request, given):
        def digest(text):
            return HASHES[self.settings["algorithm"]](text).hexdigest()

        user = f"{self.settings['user']}:{REALM}:{self.settings['password']}"
        action = f"{request.method}:{given['uri']}"
        if given["qop"] == "auth-int":
            action += ":" + digest(request.body)
        parts = [digest(user.encode()), given["nonce"], given["nc"], given["cnonce"]]
        parts += [given["qop"], digest(action.encode())]
        return digest(":".join(parts).encode())

    def challenge(self, request, stale):
        self.challenges += 1
        nonce = f"nonce{self.challenges}"
        self.nonces[nonce] = True
        value = f'Digest realm="{REALM}", nonce="{nonce}", opaque="{OPAQUE}"'
        value += f", algorithm={self.settings['algorithm']}, qop=\"{self.settings['qop']}\""
        if stale:
            value += ", stale=TRUE"
        name = "Proxy-Authenticate" if self.is_proxy() else "WWW-Authenticate"
        line = f"{self.settings['status']} Credentials, please"
        return self.respond(request, line, fields=[(name, value)])

    def is_proxy(self):
        return self.settings["status"] == 407

    def respond(self, request, line, sdp="", fields=()):
        to = request.one("To")
        to = to if ";tag=" in to else to + ";tag=peer"
        port = self.sip.getsockname()[1]
        lines = [f"SIP/2.0 {line}"] + [f"Via: {via}" for via in request.all("Via")]
        lines += [f"From: {request.one('From')}", f"To: {to}"]
        lines += [f"Call-ID: {request.one('Call-ID')}", f"CSeq: {request.one('CSeq')}"]
        lines += [f"Contact: <sip:peer@127.0.0.1:{port}>"]
        lines += [f"{name}: {value}" for name, value in fields]
        if sdp:
            lines += ["Content-Type: application/sdp"]
        lines += [f"Content-Length: {len(sdp)}", "", sdp]
        return "\r\n".join(lines).encode()


def parameters(header):
    scheme, _, rest = header.partition(" ")
    if scheme != "Digest":
        raise ValueError(header)
    found = re.findall(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', rest)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


main()
