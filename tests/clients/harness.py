"""Starts the real binary, gives tests ports, users and mailboxes, and ends what it began.

Promises: every wait has a bound; a test that fails or hangs shows what the server logged meanwhile; processes are ended by
their own ids; nothing stays behind in the temporary folder. Knows nothing of what a test proves.
"""

import atexit
import base64
import imaplib
import itertools
import json
import os
import poplib
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TEPUI", ROOT / "target/release/tepui"))
PASSWORD = "correct-horse-42"

# Seconds.
TEST_PATIENCE = 90
START_PATIENCE = 30
WAIT_PATIENCE = 30
STOP_PATIENCE = 40

LOG_LINES_SHOWN = 80

# The offsets of `tepui demo`, which all nodes of the tests use.
OFFSETS = {
    "lmtp": 24, "smtp": 25, "admin": 80, "pop3": 110, "imap": 143, "managesieve": 419, "submissions": 465, "submission": 587,
    "imaps": 993, "pop3s": 995,
}
# Name in OFFSETS: protocol and TLS mode in the configuration.
LISTENERS = {
    "submission": ("submission", "required"), "submissions": ("submission", "implicit"), "smtp": ("smtp", "starttls"),
    "lmtp": ("lmtp", "off"), "imap": ("imap", "starttls"), "imaps": ("imap", "implicit"), "pop3": ("pop3", "starttls"),
    "pop3s": ("pop3", "implicit"), "managesieve": ("managesieve", "starttls"), "admin": ("admin", "off"),
}


def temporary_folder(above=None):
    """A folder that is removed at the end of the run."""
    folder = Path(tempfile.mkdtemp(prefix="tepui-test-", dir=above))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def eventually(question, what, patience=WAIT_PATIENCE):
    """Asks until the answer is true, and gives it."""
    end = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.02)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# Below the range from which the system takes ports for outgoing connections.
_bases = itertools.cycle(range(20_000, 31_000, 1000))
for _ in range(os.getpid() % 11):
    next(_bases)


def free_base():
    """A base port whose ports are all free."""
    for base in itertools.islice(_bases, 11):
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base
    raise RuntimeError("no free base port between 20000 and 31000")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tepui(*arguments, patience=30, **options):
    """Runs a command of the binary to its end."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=patience, **options)


def run(*command, patience=60, check=True, text=True, **options):
    """Runs a program to its end; its output is part of the failure."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=text, timeout=patience, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


class Process:
    """A running `tepui`."""

    running = []

    def __init__(self, folder, arguments, ready, prefix=()):
        """`ready` is what the output has once it runs; with None nobody waits. `prefix` is a command that starts commands."""
        self.folder = folder
        self.arguments, self.ready, self.prefix = [str(word) for word in arguments], ready, list(prefix)
        self.log_file = folder / "process.log"
        self.process, self.binary = None, BINARY

    def start(self):
        before = len(self.log())
        with open(self.log_file, "ab") as log:
            command = [*self.prefix, self.binary, *self.arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        Process.running.append(self)
        if self.ready is not None:
            eventually(lambda: self._is_ready(before), f"{self.arguments} says {self.ready!r}", START_PATIENCE)
        return self

    def _is_ready(self, before):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.arguments} ended with {self.process.returncode}:\n{self.log()[before:]}")
        return self.ready in self.log()[before:]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, patience=STOP_PATIENCE):
        """Asks it to stop. Gives its exit code."""
        if self.process.poll() is None:
            self.send_signal(number)
        return self.wait(patience)

    def wait(self, patience=STOP_PATIENCE):
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {patience} s") from None
        self._forget()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        if self in Process.running:
            Process.running.remove(self)

    def open_files(self):
        """What its file descriptors point to."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        targets = []
        for entry in folder.iterdir():
            try:
                targets.append(os.readlink(entry))
            except FileNotFoundError:
                pass
        return sorted(targets)

    def resident(self):
        """Its resident memory in octets."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


@atexit.register
def _kill_what_runs():
    for process in list(Process.running):
        process.kill()


class User:
    """An account of a node."""

    def __init__(self, node, address):
        self.node, self.address, self.password = node, address, PASSWORD
        local_part, domain = address.split("@")
        self.maildir = node.folder / "mail" / domain / local_part / "maildir"

    def files(self, folder="cur", mailbox=""):
        place = self.maildir / mailbox / folder
        return sorted(place.iterdir()) if place.exists() else []

    def messages(self, mailbox=""):
        """The message files of a mailbox, new and seen."""
        return self.files("new", mailbox) + self.files("cur", mailbox)


_hash = []


def password_hash():
    """One hash serves all accounts: making one is slow on purpose."""
    if not _hash:
        made = tepui("password", "any@example.test", input=PASSWORD + "\n")
        assert made.returncode == 0, made.stderr
        _hash.append(made.stdout.strip().split(":", 1)[1])
    return _hash[0]


_certificate = []


def certificate():
    """A self-signed certificate for this machine: folder with certificate.pem and key.pem."""
    if not _certificate:
        folder = temporary_folder()
        names = "subjectAltName=DNS:localhost,DNS:mail.example.test,IP:127.0.0.1"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=mail.example.test", "-addext", names, "-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
        _certificate.append(folder)
    return _certificate[0]


def table(name, options):
    """A table of the configuration file."""
    return f"\n{name}\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())


USERS_COUNT = 300


HERE = "here"


class Node(Process):
    """`tepui serve` with a configuration of its own: both roles, all listeners, USERS_COUNT users.

    `listeners` replaces rows of LISTENERS, which are also the listeners' names; a third element has further options; `lockout` and `trusted` are tables; with one role, only its listeners are there. `hop` is the port of the mailbox
    layer, when that is another node; HERE is no hop at all: the queue delivers into this node's own mailboxes. `directory`
    is an LDAP server that is asked beside the password file. `tables` adds rows: `{"[tls]": {"client_ca": …}}`.
    """

    def __init__(self, routes=(), limits=None, queue=None, users=(), level="debug", listeners=None, roles=("outgoing", "mailbox"), hop=None,
                 directory=None, domains=("example.test",), lockout=None, trusted=None,
                 tables=None):
        folder = temporary_folder()
        super().__init__(folder, ["serve", "--config", folder / "tepui.toml"], " started ")
        self.base = free_base()
        self.routes, self.queue_settings, self.level = list(routes), queue or {}, level
        self.roles, self.hop = list(roles), hop
        self.directory, self.domains, self.tables = directory, list(domains), tables or {}
        self.lockout, self.trusted = lockout or {}, trusted
        self.listeners = {name: row for name, row in (LISTENERS | (listeners or {})).items() if self.plays(row[0])}
        self.limits = {"login_failure_delay": "50ms", "drain_time": "10s"} | (limits or {})
        for name in ("certificate.pem", "key.pem"):
            shutil.copy(certificate() / name, folder / name)
        self._unused = iter([f"user{n:03}@example.test" for n in range(USERS_COUNT)])
        addresses = dict.fromkeys([f"user{n:03}@example.test" for n in range(USERS_COUNT)] + list(users))
        (folder / "users").write_text("".join(f"{address}:{password_hash()}\n" for address in addresses))
        self.write_configuration()

    def plays(self, protocol):
        """Whether this node's roles have such a listener."""
        return protocol in ("admin", "smtp") or ("outgoing" if protocol == "submission" else "mailbox") in self.roles

    def write_configuration(self):
        text = table("[node]", {"name": "mail.example.test", "roles": self.roles, "state": "state"} | self.tables.get("[node]", {}))
        for name, (protocol, tls, *more) in self.listeners.items():
            listener = {"protocol": protocol, "address": f"127.0.0.1:{self.port(name)}", "tls": tls, "name": name}
            text += table("[[listener]]", listener | dict(*more))
        text += table("[domains]", {"local": self.domains} | self.tables.get("[domains]", {}))
        own = [] if self.hop == HERE else [("example.test", self.hop or self.port("smtp"))]
        for domain, port in [*own, *self.routes]:
            text += table("[[route]]", {"domain": domain, "to": f"[127.0.0.1]:{port}"})
        more = self.tables.get
        text += table("[directory]", {"password_file": "users"} | more("[directory]", {})) + table("[mailboxes]", {"home": "mail/%d/%n", "poll": "1s"} | more("[mailboxes]", {}))
        text += self.directory.table(self.folder) if self.directory else ""
        text += table("[lockout]", self.lockout) + (table("[[trusted]]", self.trusted) if self.trusted else "")
        text += table("[queue]", self.queue_settings) + table("[tls]", {"certificate": "certificate.pem", "key": "key.pem"} | more("[tls]", {}))
        for name in ("[relay]", "[smtp]", "[oauth]", "[gssapi]", "[hints]", "[shared]", "[sieve]", "[sieve_spamtest]", "[sieve_virustest]", "[lmtp]", "[pop3]", "[scan]", "[dkim]", "[verify]", "[dns]"):
            text += table(name, self.tables[name]) if name in self.tables else ""
        text += "".join(table(name, row) for name in ("[[mailbox]]", "[[namespace]]", "[[scanner]]", "[[sending_limit]]", "[[policy_service]]") for row in more(name, []))
        text += table("[quota]", more("[quota]", {})) + "".join(table("[[quota_warning]]", row) for row in more("[[quota_warning]]", []))
        text += table("[limits]", self.limits) + table("[log]", {"level": self.level})
        self.configuration.write_text(text)

    @property
    def configuration(self):
        return self.folder / "tepui.toml"

    @property
    def ca(self):
        return self.folder / "certificate.pem"

    def port(self, name):
        return self.base + OFFSETS[name]

    def user(self):
        """An account that no other test uses."""
        return User(self, next(self._unused))

    def tls(self):
        return ssl.create_default_context(cafile=str(self.ca))

    def smtp(self, user=None, port="submission"):
        """Python's client at submission, in TLS, and logged in when there is a user."""
        if port == "submissions":
            client = smtplib.SMTP_SSL("127.0.0.1", self.port(port), timeout=WAIT_PATIENCE, context=self.tls())
        else:
            client = smtplib.SMTP("127.0.0.1", self.port(port), timeout=WAIT_PATIENCE)
            client.starttls(context=self.tls())
        if user:
            client.login(user.address, user.password)
        return client

    def imap(self, user, mailbox=None):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.port("imaps"), ssl_context=self.tls(), timeout=WAIT_PATIENCE)
        if user.address.isascii():
            client.login(user.address, user.password)
        else:
            secret = f"\0{user.address}\0{user.password}".encode()
            client.authenticate("PLAIN", lambda _: secret)
        if mailbox:
            client.select(mailbox)
        return client

    def pop3(self, user):
        client = poplib.POP3_SSL("127.0.0.1", self.port("pop3s"), context=self.tls(), timeout=WAIT_PATIENCE)
        client.user(user.address)
        client.pass_(user.password)
        return client

    def deliver(self, user, *messages):
        """Puts messages into a mailbox, over LMTP, before it returns."""
        with smtplib.LMTP("127.0.0.1", self.port("lmtp")) as client:
            for message in messages:
                client.sendmail("sender@elsewhere.test", [user.address], message)

    def content(self, user, mailbox="INBOX"):
        """All messages of a mailbox, as IMAP gives them."""
        client = self.imap(user)
        client.select(mailbox, readonly=True)
        _, data = client.fetch("1:*", "(BODY.PEEK[])") if client.untagged_responses["EXISTS"][-1] != b"0" else ("OK", [])
        client.logout()
        return [item[1] for item in data if isinstance(item, tuple)]

    def queue(self, *arguments, check=True):
        result = tepui("queue", "--config", self.configuration, *arguments)
        if check and result.returncode != 0:
            raise AssertionError(f"queue {arguments}: {result.stderr}")
        return result

    def status(self):
        """What the admin listener says of the node."""
        token = (self.folder / "state/admin.token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port('admin')}/status", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=WAIT_PATIENCE) as answer:
            return json.load(answer)

    def auth_failures(self, *arguments):
        """What `tepui auth failures` says."""
        result = tepui("auth", "failures", *arguments, "--config", self.configuration)
        if result.returncode != 0:
            raise AssertionError(f"auth failures {arguments}: {result.stderr}")
        return result.stdout

    def queued(self):
        """The queue's entries."""
        return json.loads(self.queue("list", "--json").stdout)

    def drained(self, patience=WAIT_PATIENCE):
        eventually(lambda: not self.queued(), "the queue is empty", patience)


_shared = []


def shared_node():
    """The node for tests that leave it as they found it. Each takes users of its own."""
    if not _shared:
        _shared.append(Node().start())
    return _shared[0]


def plain(user):
    """The SASL PLAIN response of a user."""
    return base64.b64encode(f"\0{user.address}\0{user.password}".encode()).decode()


def hung(*_):
    raise TimeoutError(f"the test takes longer than {TEST_PATIENCE} s")


class Case(unittest.TestCase):
    """A test with a bound on its time, which shows the servers' logs when it fails."""

    patience = TEST_PATIENCE
    maxDiff = 2000

    def run(self, result=None):
        marks = {process: len(process.log()) for process in Process.running}
        troubles = len(result.failures) + len(result.errors)
        signal.signal(signal.SIGALRM, hung)
        signal.alarm(self.patience)
        seen = set(Process.running)
        self.seen = seen
        try:
            return super().run(result)
        finally:
            signal.alarm(0)
            if len(result.failures) + len(result.errors) > troubles:
                for process in seen | set(Process.running):
                    show_log(self.id(), process, marks.get(process, 0))

    def node(self, **options):
        """A node of this test's own, stopped at its end."""
        node = Node(**options)
        self.own(node)
        return node.start()

    def own(self, process):
        self.seen.add(process)
        self.addCleanup(lambda: process.kill() if process in Process.running else None)
        return process


def show_log(test, process, mark):
    lines = process.log()[mark:].splitlines()[-LOG_LINES_SHOWN:]
    print(f"\n--- log of {process.folder} during {test}", *lines, "---", sep="\n", file=sys.stderr)
