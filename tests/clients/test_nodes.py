"""Two Tepui processes and a real Dovecot on one Maildir tree at once, each through a mount of its own that caches names and
attributes for seconds, killed at random: afterwards all tell the same story, and nothing acknowledged is missing or doubled.

A part of `./test` of its own: `./test nodes [SECONDS]`. Needs root and /dev/fuse.
"""

import hashlib
import imaplib
import os
import poplib
import random
import re
import shutil
import signal
import smtplib
import subprocess
import threading
import time
import unittest
from collections import Counter

import harness
from harness import Case, Node, Process, User, eventually

SECONDS = int(os.environ.get("TEPUI_NODES_SECONDS", 45))
SEED = int(os.environ.get("TEPUI_NODES_SEED", random.randrange(1 << 32)))
# How long a mount of ours believes a name. Attributes are not believed: FUSE, unlike NFS, does not ask for them anew when a file
# is opened, and close-to-open is what both servers build on. Dovecot's way to end belief in names works on NFS only, so its
# mount believes none.
CACHE_SECONDS = 3
KILL_EVERY = (4, 9)
ACCOUNTS = ("user000@example.test", "user001@example.test")
MAILBOXES = ("INBOX", "Work", "Trash")
# What Dovecot says when somebody has spoiled its files.
SPOILED = re.compile("corrupt|duplicate|resync|lost|UID \\d+ ->|Panic|unexpectedly|broken|Expunged message reappeared|UIDVALIDITY changed", re.I)
WRONG_SHOWN = 10
BODY = "Line one of {0}.\r\nLine two of {0}.\r\n"


class Mount:
    """The tree, through a file system that lies for a while."""

    def __init__(self, tree, at, believes, *options):
        at.mkdir()
        cache = f"attr_timeout=0,entry_timeout={believes},negative_timeout={believes}"
        made = subprocess.run(["bindfs", *options, "-o", cache, tree, at], capture_output=True, text=True)
        assert made.returncode == 0, f"bindfs cannot mount here: {made.stderr}"
        self.at = at

    def end(self):
        subprocess.run(["umount", "-l", self.at], check=True)


class TepuiNode(Node):
    def __init__(self, name, mail):
        self.name, self.mail = name, mail
        super().__init__()

    def write_configuration(self):
        super().write_configuration()
        text = self.configuration.read_text().replace("mail/%d/%n", f"{self.mail}/%d/%n")
        self.configuration.write_text(text.replace("mail.example.test", f"{self.name}.example.test", 1))

    def open_imap(self, account):
        return self.imap(User(self, account))

    def open_pop3(self, account):
        return self.pop3(User(self, account))

    def lmtp_port(self):
        return self.port("lmtp")


class DovecotNode(Process):
    name = "dovecot"

    def __init__(self, mail):
        folder = harness.temporary_folder()
        folder.chmod(0o755)
        (folder / "index").mkdir()
        (folder / "index").chmod(0o777)
        self.ports = {name: harness.free_port() for name in ("IMAP", "POP3", "LMTP")}
        text = (harness.ROOT / "tests/peers/dovecot-nodes.conf").read_text()
        for mark, value in {"FOLDER": folder, "MAIL": mail, **self.ports}.items():
            text = text.replace(f"@{mark}@", str(value))
        (folder / "dovecot.conf").write_text(text)
        super().__init__(folder, ["-F", "-c", folder / "dovecot.conf"], None, prefix=["setsid"])
        self.binary = "dovecot"

    def start(self):
        super().start()
        eventually(lambda: not harness.is_free(self.ports["LMTP"]), "Dovecot listens")
        return self

    def kill(self):
        """It and all its children, which are a group of their own."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._forget()

    def said(self):
        log = self.folder / "dovecot.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def open_imap(self, account):
        client = imaplib.IMAP4("127.0.0.1", self.ports["IMAP"], timeout=harness.WAIT_PATIENCE)
        client.login(account, "any")
        return client

    def open_pop3(self, account):
        client = poplib.POP3("127.0.0.1", self.ports["POP3"], timeout=harness.WAIT_PATIENCE)
        client.user(account)
        client.pass_("any")
        return client

    def lmtp_port(self):
        return self.ports["LMTP"]


class UniqueIds(Case):
    """POP3 clients that leave mail on the server know it by its unique-ids: both servers tell the same ones."""

    ACCOUNT = ACCOUNTS[0]
    FORMATS = ["%08Xu%08Xv", "%f", "%g", "%XUv.%05u", "%-4.2f%u", "%Mf", "100%%%Rv-%u"]

    def test_both_servers_tell_the_same_unique_ids(self):
        folder = harness.temporary_folder()
        folder.chmod(0o777)
        for number, format in enumerate(self.FORMATS):
            with self.subTest(format):
                tree = folder / str(number)
                tree.mkdir()
                tree.chmod(0o777)
                told = self.told(DovecotNode(tree), f"pop3_uidl_format = {format}\npop3_save_uidl = no\n", tree)
                self.assertEqual(self.told(TepuiNode("one", tree), f'pop3_uidl_format = "{format}"', tree), told)
                # What Dovecot saves comes before any format.
                saved = self.told(DovecotNode(tree), f"pop3_uidl_format = {format}\npop3_save_uidl = yes\n", tree)
                self.assertEqual(saved, told)
                self.assertEqual(self.told(TepuiNode("one", tree), 'pop3_uidl_format = "%v-%u"', tree), told)

    def told(self, server, settings, tree):
        if isinstance(server, DovecotNode):
            configuration = server.folder / "dovecot.conf"
            configuration.write_text(configuration.read_text() + settings)
            subprocess.run(["chown", "-R", "nobody:nogroup", tree], check=True)
        else:
            configuration = server.configuration
            configuration.write_text(configuration.read_text().replace("[mailboxes]", f"[mailboxes]\n{settings}"))
        server.start()
        try:
            if not any(tree.rglob("dovecot-uidlist")):
                with smtplib.LMTP("127.0.0.1", server.lmtp_port()) as client:
                    for number in range(3):
                        client.sendmail("a@example.test", [self.ACCOUNT], f"Subject: {number}\r\n\r\n{BODY.format(number)}")
            client = server.open_pop3(self.ACCOUNT)
            told = client.uidl()[1]
            client.quit()
        finally:
            server.kill()
        self.assertEqual(len(told), 3)
        return told


class Ledger:
    """What was acknowledged. Every message is known by its subject."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sure, self.maybe = Counter(), Counter()
        self.expunged, self.maybe_expunged = Counter(), Counter()
        self.flagged, self.told = set(), {}
        self.acknowledged, self.failed = Counter(), Counter()
        self.wrong = []

    def show(self, server, place, uid, subject):
        with self.lock:
            known, first = self.told.setdefault((*place, uid), (subject, server))
            if known != subject:
                self.wrong.append(f"{place} UID {uid} is {known} to {first} and {subject} to {server}")

    def check(self, story):
        there = Counter(message[1] for mailbox in story.values() for message in mailbox[1].values())
        for subject in set(self.sure) | set(there):
            least = self.sure[subject] - self.maybe_expunged[subject]
            most = self.sure[subject] + self.maybe[subject] - self.expunged[subject]
            if not least <= there[subject] <= most:
                self.wrong.append(f"{subject} is there {there[subject]} times, which should be {least} to {most}")
        for (account, mailbox), (validity, messages) in story.items():
            for uid, (flags, subject, *_) in messages.items():
                if (account, mailbox, validity, uid) in self.flagged and "\\Flagged" not in flags:
                    self.wrong.append(f"{account} {mailbox} UID {uid} {subject} lost \\Flagged")


class Worker(threading.Thread):
    """A client of one server, until it is told to stop. What fails because a server was killed is tried again otherwise."""

    def __init__(self, test, server, number):
        super().__init__(daemon=True)
        self.test, self.server, self.ledger, self.number = test, server, test.ledger, number
        self.chance = random.Random(f"{SEED} {server.name} {number}")
        self.count = 0
        self.error = None

    def run(self):
        while not self.test.stop.is_set():
            work = self.chance.choice([self.deliver, self.deliver, self.session, self.session, self.session, self.read_by_pop3, self.reorganize])
            try:
                work()
                self.ledger.acknowledged[work.__name__] += 1
            except (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException, ValueError, AttributeError) as error:
                self.ledger.failed[f"{self.server.name} {work.__name__}: {type(error).__name__} {str(error)[:120]}"] += 1
                time.sleep(0.1)
            except Exception as error:
                self.error = error
                raise

    def message(self):
        self.count += 1
        subject = f"{self.server.name}-{self.number}-{self.count}"
        return subject, f"Subject: {subject}\r\nFrom: a@elsewhere.test\r\n\r\n{BODY.format(subject)}".encode()

    def account(self):
        return self.chance.choice(ACCOUNTS)

    def deliver(self):
        with smtplib.LMTP("127.0.0.1", self.server.lmtp_port(), timeout=harness.WAIT_PATIENCE) as client:
            for _ in range(self.chance.randint(1, 5)):
                subject, content = self.message()
                with self.attempt(subject):
                    client.sendmail("sender@elsewhere.test", [self.account()], content)

    def attempt(self, *subjects):
        return Attempt(self.ledger, subjects)

    def read_by_pop3(self):
        client = self.server.open_pop3(self.account())
        count, _ = client.stat()
        for number in range(max(1, count - 3), count + 1):
            client.retr(number)
        client.quit()

    def reorganize(self):
        name = f"Box{self.chance.randint(1, 3)}"
        client = self.server.open_imap(self.account())
        self.chance.choice([lambda: client.create(name), lambda: client.delete(name), lambda: client.rename(name, f"Box{self.chance.randint(1, 3)}"),
                            lambda: client.subscribe("Work"), lambda: client.list()])()
        client.logout()

    def session(self):
        account, mailbox = self.account(), self.chance.choice(MAILBOXES)
        client = self.server.open_imap(account)
        self.ok(client.select(mailbox))
        for _ in range(self.chance.randint(1, 5)):
            shown = self.look(client, account, mailbox)
            some = self.chance.sample(sorted(shown), min(len(shown), self.chance.randint(1, 3)))
            self.chance.choice([self.flag, self.flag, self.append, self.copy, self.move, self.expunge])(client, account, mailbox, {uid: shown[uid] for uid in some})
        client.logout()

    @staticmethod
    def ok(answer):
        if answer[0] != "OK":
            raise ValueError(f"{answer}")
        return answer[1]

    def look(self, client, account, mailbox):
        self.ok(client.noop())
        validity = int(client.response("UIDVALIDITY")[1][0] or 0) or getattr(client, "validity", 0)
        client.validity = validity
        shown = {}
        for item in self.ok(client.uid("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
                shown[uid] = item[1].decode().strip().removeprefix("Subject: ")
                self.ledger.show(self.server.name, (account, mailbox, validity), uid, shown[uid])
        return shown

    def flag(self, client, account, mailbox, some):
        if some:
            self.ok(client.uid("STORE", numbers(some), "+FLAGS", "(\\Flagged work)"))
            now = self.look(client, account, mailbox)
            with self.ledger.lock:
                # What was expunged meanwhile has no flags; what is still shown has.
                self.ledger.flagged |= {(account, mailbox, client.validity, uid) for uid in some if uid in now}

    def append(self, client, account, mailbox, some):
        subject, content = self.message()
        with self.attempt(subject):
            self.ok(client.append(mailbox, "(\\Seen)", None, content))

    def copy(self, client, account, mailbox, some):
        if some:
            with self.attempt(*some.values()) as attempt:
                self.ok(client.uid("COPY", numbers(some), self.chance.choice(MAILBOXES)))
                attempt.only(self.copied(client, some))

    def move(self, client, account, mailbox, some):
        target = self.chance.choice([name for name in MAILBOXES if name != mailbox])
        if some:
            with self.ledger.lock:
                self.ledger.maybe_expunged.update(some.values())
            with self.attempt(*some.values()) as attempt:
                self.ok(client.uid("MOVE", numbers(some), target))
                attempt.only(self.copied(client, some))

    @staticmethod
    def copied(client, some):
        """The subjects of the messages that were really copied, as COPYUID tells."""
        told = client.response("COPYUID")[1][-1]
        if not told:
            return []
        sources = told.split()[1].decode()
        ranges = [part.split(":") for part in sources.split(",")]
        return [some[uid] for one in ranges for uid in range(int(one[0]), int(one[-1]) + 1) if uid in some]

    def expunge(self, client, account, mailbox, some):
        if some and self.chance.random() < 0.5:
            with self.ledger.lock:
                self.ledger.maybe_expunged.update(some.values())
            self.ok(client.uid("STORE", numbers(some), "+FLAGS.SILENT", "(\\Deleted)"))
            self.ok(client.uid("EXPUNGE", numbers(some)))


class Attempt:
    def __init__(self, ledger, subjects):
        self.ledger, self.subjects, self.done = ledger, subjects, None

    def only(self, subjects):
        self.done = subjects

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.ledger.lock:
            if kind is None:
                self.ledger.sure.update(self.subjects if self.done is None else self.done)
            else:
                self.ledger.maybe.update(self.subjects)


def numbers(some):
    return ",".join(map(str, sorted(some)))


def story(server, account):
    """UIDVALIDITY and, by UID, flags, subject, size and content of everything."""
    client = server.open_imap(account)
    told = {}
    for mailbox in MAILBOXES:
        Worker.ok(client.select(mailbox))
        validity = int(client.response("UIDVALIDITY")[1][0])
        messages = {}
        for item in Worker.ok(client.uid("FETCH", "1:*", "(UID FLAGS RFC822.SIZE BODY.PEEK[])")):
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
                size = int(re.search(rb"RFC822.SIZE (\d+)", item[0]).group(1))
                flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", item[0]).group(1).decode().split()) - {"\\Recent"}
                subject = re.search(rb"Subject: (.*)\r\n", item[1]).group(1).decode()
                messages[uid] = (flags, subject, size, hashlib.sha256(item[1]).hexdigest())
        told[account, mailbox] = (validity, messages)
    client.logout()
    return told


@unittest.skipUnless(os.geteuid() == 0, "only root mounts")
class TestNodes(Case):
    patience = SECONDS + 120

    def test_three_servers_on_one_tree_tell_the_same_story(self):
        print(f"\n    TEPUI_NODES_SEED={SEED}, {SECONDS} s")
        folder = harness.temporary_folder()
        folder.chmod(0o755)
        tree = folder / "tree"
        tree.mkdir()
        as_nobody = ["--force-user=nobody", "--force-group=nogroup", "--create-for-user=root", "--create-for-group=root",
                     "--chown-ignore", "--chgrp-ignore"]
        mounts = [Mount(tree, folder / "one", CACHE_SECONDS), Mount(tree, folder / "two", CACHE_SECONDS), Mount(tree, folder / "three", 0, *as_nobody)]
        for mount in mounts:
            self.addCleanup(mount.end)
        self.servers = [TepuiNode("one", mounts[0].at), TepuiNode("two", mounts[1].at), DovecotNode(mounts[2].at)]
        for server in self.servers:
            server.start()
            self.addCleanup(server.kill)
        self.prepare()
        self.hammer()
        time.sleep(CACHE_SECONDS + 1)
        self.compare()

    def prepare(self):
        for account in ACCOUNTS:
            client = self.servers[0].open_imap(account)
            client.create("Work")
            for mailbox in MAILBOXES:
                Worker.ok(client.select(mailbox))
            client.logout()

    def hammer(self):
        self.ledger, self.stop = Ledger(), threading.Event()
        workers = [Worker(self, server, number) for server in self.servers for number in range(2)]
        for worker in workers:
            worker.start()
        chance, end = random.Random(SEED), time.monotonic() + SECONDS
        kills = 0
        while time.monotonic() < end:
            time.sleep(min(chance.uniform(*KILL_EVERY), max(0, end - time.monotonic())))
            server = chance.choice(self.servers)
            server.kill()
            server.start()
            kills += 1
        self.stop.set()
        for worker in workers:
            worker.join(60)
            self.assertFalse(worker.is_alive(), "a client hangs")
            self.assertIsNone(worker.error)
        print(f"    {kills} kills, {dict(self.ledger.acknowledged)}, {sum(self.ledger.failed.values())} tries failed")
        if os.environ.get("TEPUI_NODES_FAILURES"):
            for line, count in self.ledger.failed.most_common(30):
                print(f"    {count:5} {line}")

    def compare(self):
        for account in ACCOUNTS:
            # Whoever looks first serves what is new; then all have the same to tell.
            for server in self.servers:
                story(server, account)
        time.sleep(CACHE_SECONDS + 1)
        stories = [{k: v for account in ACCOUNTS for k, v in story(server, account).items()} for server in self.servers]
        for server, told in zip(self.servers[1:], stories[1:]):
            for place, mailbox in stories[0].items():
                self.assertEqual(mailbox, told[place], f"{server.name} tells otherwise of {place}")
        self.ledger.check(stories[0])
        self.assertEqual(sorted(set(self.ledger.wrong))[:WRONG_SHOWN], [])
        spoiled = [line for line in self.servers[2].said().splitlines() if SPOILED.search(line)]
        self.assertEqual(spoiled, [])
        self.assertGreater(sum(len(mailbox[1]) for mailbox in stories[0].values()), 10, "nothing happened")
