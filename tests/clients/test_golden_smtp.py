"""The same questions as were put to the platform's two Postfix servers, and the same answers, or a reason.

`tests/peers/smtp/*.txt` are the recorded conversations. Each part begins with a line `# …`, which says what it is about, and is a connection
of its own; `C:` was said and `S:` was heard. Compared are code and enhanced status of every answer, and which extensions are told.
What differs on purpose is in DIFFERENT, each with the row of docs/operating/differences.md that has the reason.
"""

import itertools
import re
import socket
import time

import harness
from harness import Case
from peers import PEERS, Platform
from wire import Wire

INSIDE, OUTSIDE = "127.0.0.1", "127.0.0.9"

# What was said: our answer, and the beginning of the row with the reason.
UNQUALIFIED = "SMTP: address without a domain"
GRAMMAR = "SMTP: an address that is none"
REFUSED_SENDER = {"MAIL FROM:<root>": ("501 5.1.7", UNQUALIFIED)}
PERCENT = "SMTP: `user%elsewhere@ours`"
SUBDOMAINS = "SMTP: relay domains"
DIFFERENT = {
    "syntax": {
        "HELP": ("214 2.0.0", "SMTP: HELP, EXPN"),
        "EXPN ventas": ("502 5.5.1", "SMTP: HELP, EXPN"),
        "MAIL FROM:<a>": ("501 5.1.7", UNQUALIFIED),
        "MAIL FROM:<a@b@example.org>": ("501 5.1.7", GRAMMAR),
        "MAIL FROM:<@example.org>": ("501 5.1.7", GRAMMAR),
        "MAIL FROM:<ñ@example.org>": ("553 5.6.7", "SMTP: an address with UTF-8"),
        "RCPT TO:<usuario01%domain01.dom@localhost>": ("550 5.1.1", PERCENT),
    },
    "auth": {
        "AUTH PLAIN %%%%": ("501 5.5.2", "AUTH: what is not base64"),
        "AUTH CRAM-MD5": ("504 5.5.4", "AUTH: what is not base64"),
    },
    # The sender is refused, so nothing can be said of the recipient behind it.
    "sender": REFUSED_SENDER,
    "vrfy-etrn": {},
    "ehlo": {},
}
# Parts that are not put at all: one answer is another, and so are all that follow.
NOT_PUT = {"BDAT (CHUNKING)": "SMTP: BDAT without a transaction"}
# Of RCPT; the second column is a part of the heading, for the layer that differs.
RECIPIENTS = [
    ("vacio@domain01.dom", "delivery", "550 5.1.1", "directory: a group with no member that has an address"),
    ("ciclo-a@domain01.dom", "delivery", "250 2.1.5", "directory: groups that contain each other"),
    ("abuse@domain01.dom", "delivery", "250 2.1.5", "SMTP: `postmaster`, `abuse`"),
    ("user%example.net@domain01.dom", "", "550 5.1.1", PERCENT),
    ("@domain01.dom", "", "501 5.1.3", GRAMMAR),
    ("root@localhost", "outgoing", "550 5.1.1", "SMTP: accounts of the machine"),
    ("usuario01@sub.domain01.dom", "delivery, client 127.0.0.9", "454 4.7.1", SUBDOMAINS),
    ("usuario01@sub.domain01.dom", "outgoing, client 127.0.0.1", "250 2.1.5", SUBDOMAINS),
    ("usuario01@sub.domain01.dom", "outgoing, client 127.0.0.9, auth", "250 2.1.5", SUBDOMAINS),
    ("usuario01@sub.domain01.dom", "outgoing, client 127.0.0.9", "554 5.7.1", SUBDOMAINS),
]


def status(reply):
    """Code and enhanced status of a reply."""
    found = re.match(r"(\d{3})[ -](?:(\d\.\d+\.\d+)\b)?", reply)
    return " ".join(part for part in found.groups() if part) if found else reply


def parts(name):
    """Heading, what is said, and what was heard to it."""
    text = (PEERS / f"smtp/{name}.txt").read_text()
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        heading, *lines = part.rstrip().split("\n")
        exchanges = []
        for line in lines:
            if line.startswith("C: "):
                said = exchanges[-1] if exchanges and not exchanges[-1][1] else None
                if said:
                    said[0] += "\n" + line[3:]
                else:
                    exchanges.append([line[3:], []])
            elif line.startswith("S: ") and exchanges:
                exchanges[-1][1].append(line[3:])
        yield heading, [(said, "\n".join(heard)) for said, heard in exchanges]


class Client(Wire):
    def __init__(self, port, source):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
        self.buffer = b""
        self.banner = self.reply()

    def say(self, text):
        return self.ask(text.encode().replace(b"\n", b"\r\n") + b"\r\n")


def reason(begins):
    rows = (harness.ROOT / "docs/operating/differences.md").read_text()
    return any(row.startswith(f"| {begins}") for row in rows.splitlines())


class Golden(Case):
    patience = 300

    @classmethod
    def setUpClass(cls):
        cls.platform = Platform()
        cls.addClassCleanup(cls.platform.end)
        cls.ports = {"delivery": cls.platform.delivery, "outgoing": cls.platform.outgoing}

    def client(self, layer, source=OUTSIDE, helo="EHLO c"):
        client = Client(self.ports[layer], source)
        if helo:
            self.assertTrue(client.ask(helo).startswith("250"))
        return client

    def replay(self, name, layer, source=INSIDE, helo="EHLO c"):
        for heading, exchanges in parts(name):
            if heading in NOT_PUT:
                self.assertTrue(reason(NOT_PUT[heading]), heading)
                continue
            layer = next((word for word in self.ports if heading.startswith(word)), layer)
            if heading.startswith("the delivery layer"):
                layer = "delivery"
            address = re.search(r"127\.0\.0\.\d+", heading)
            greeting = None if "before any EHLO" in heading or name == "ehlo" else helo
            with self.client(layer, address[0] if address else source, greeting) as client:
                self.converse(name, heading, exchanges, client)

    def converse(self, name, heading, exchanges, client):
        for said, heard in exchanges:
            if name == "sender" and said.startswith("MAIL"):
                client.say("RSET")
            answer = client.say(said)
            ours, why = DIFFERENT[name].get(said, (status(heard), None))
            with self.subTest(name=name, heading=heading, said=said):
                self.assertEqual(status(answer), ours)
                self.assertTrue(why is None or reason(why), f"no row in differences.md: {why}")
                if said.startswith("EHLO") and heard.startswith("250"):
                    self.assertEqual(answer.split("\n")[1:], heard.split("\n")[1:])
            if why and said.startswith("MAIL"):
                # Without a sender nothing that follows can be the same.
                return

    def test_commands(self):
        self.replay("ehlo", "delivery")
        self.replay("syntax", "delivery")
        self.replay("vrfy-etrn", "delivery")

    def test_senders(self):
        self.replay("sender", "delivery", OUTSIDE)

    def test_logins(self):
        self.replay("auth", "outgoing", OUTSIDE)

    def test_recipients(self):
        for heading, rows in itertools.groupby(recipients(), lambda row: row[0]):
            # A few for each connection: fewer than make it slow, and fewer connections than are too many.
            rows = list(rows)
            for some in (rows[first : first + 6] for first in range(0, len(rows), 6)):
                with self.client(heading.split(",")[0], re.search(r"127\.0\.0\.\d+", heading)[0]) as client:
                    if "authenticated" in heading:
                        self.assertTrue(client.ask("AUTH PLAIN AHVzdWFyaW8wMQBQQHNzdzByZA==").startswith("235"))
                    client.ask("MAIL FROM:<remite@example.org>")
                    for _, said, heard in some:
                        self.recipient(heading, said, heard, client)

    def recipient(self, heading, said, heard, client):
        row = next((row for row in RECIPIENTS if row[0] == said and heading.startswith(row[1])), None)
        with self.subTest(heading=heading, said=said):
            self.assertEqual(status(client.ask(f"RCPT TO:<{said}>")), row[2] if row else status(heard))
            self.assertTrue(row is None or reason(row[3]), f"no row in differences.md: {row}")

    def test_too_many_recipients(self):
        for layer in self.ports:
            with self.client(layer, INSIDE) as client:
                client.ask("MAIL FROM:<a@example.org>")
                answers = [status(client.ask(f"RCPT TO:<usuario01+{number}@domain01.dom>")) for number in range(203)]
                self.assertEqual(answers, ["250 2.1.5"] * 200 + ["452 4.5.3"] * 3)
                self.assertEqual(status(client.ask("RSET")), "250 2.0.0")

    def test_too_large(self):
        for layer in self.ports:
            with self.client(layer, INSIDE) as client:
                self.assertEqual(status(client.ask("MAIL FROM:<a@example.org> SIZE=26214400")), "250 2.1.0")
                client.ask("RSET")
                self.assertEqual(client.ask("MAIL FROM:<a@example.org> SIZE=26214401"), "552 5.3.4 Message size exceeds fixed limit")
                for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<usuario01@domain01.dom>", "DATA"]:
                    client.ask(line)
                client.send(b"Subject: big\r\n\r\n" + (b"x" * 78 + b"\r\n") * 340_000)
                self.assertEqual(client.ask("."), "552 5.3.4 Error: message file too big")
                self.assertEqual(status(client.ask("NOOP")), "250 2.0.0")
                for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<usuario01@domain01.dom>"]:
                    client.ask(line)
                self.assertEqual(client.ask(b"BDAT 26214401\r\n" + b"x" * 26_214_401), "552 5.3.4 Chunk exceeds message size limit")

    def test_too_many_errors(self):
        with self.client("delivery", INSIDE) as client:
            began = time.monotonic()
            answers = [client.ask("FOO") for _ in range(21)]
            # The eleventh and every one after it comes a second late.
            self.assertGreater(time.monotonic() - began, 10)
            self.assertEqual([status(answer) for answer in answers], ["500 5.5.2"] * 20 + ["421 4.7.0"])
            self.assertEqual(client.rest(), b"")

    def test_too_many_connections(self):
        for layer in self.ports:
            clients = [Client(self.ports[layer], "127.0.0.20") for _ in range(12)]
            banners = [client.banner for client in clients]
            self.assertEqual([banner[:3] for banner in banners], ["220"] * 10 + ["421"] * 2)
            self.assertTrue(banners[-1].endswith("Error: too many connections from 127.0.0.20"), banners[-1])
            inside = [Client(self.ports[layer], INSIDE) for _ in range(30)]
            self.assertTrue(all(client.banner.startswith("220") for client in inside))
            for client in clients + inside:
                client.close()
            banners = []
            for _ in range(62):
                with Client(self.ports[layer], "127.0.0.21") as client:
                    banners.append(client.banner[:3])
                    client.send("QUIT")
                    client.rest()
            self.assertEqual(banners, ["220"] * 60 + ["421"] * 2)


def recipients():
    """Heading, address, and what was heard to it."""
    heading = None
    lines = (PEERS / "smtp/rcpt.txt").read_text().splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        if line.startswith("# "):
            heading = line[2:]
        elif line.startswith("RCPT TO:<"):
            yield heading, line.removeprefix("RCPT TO:<").removesuffix(">"), following.strip()
