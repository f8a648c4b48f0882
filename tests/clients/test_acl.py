"""Users who share mailboxes, among themselves and with users of a real Dovecot on the same tree."""

import getpass
import grp
import imaplib
import os
import shutil
import signal

import harness
from dovecot import AS_USER
from harness import Case, Process, eventually, password_hash
from slapd import tool

# Python's client quotes neither names nor patterns.
TEAM = "Team"


class Dovecot(Process):
    def __init__(self, mail, settings="dovecot-shared.conf"):
        folder = harness.temporary_folder()
        folder.chmod(0o755)
        (folder / "index").mkdir()
        (folder / "index").chmod(0o777)
        self.mail, self.port = mail, harness.free_port()
        user, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        as_user = "" if os.geteuid() == 0 else AS_USER.format(user=user, group=group)
        # Root is nobody's mail user.
        self.owner = ("nobody", "nogroup") if os.geteuid() == 0 else (user, group)
        marks = {"FOLDER": folder, "MAIL": mail, "IMAP": self.port, "AS_USER": as_user, "USER": self.owner[0], "GROUP": self.owner[1]}
        text = (harness.ROOT / f"tests/peers/{settings}").read_text()
        for mark, value in marks.items():
            text = text.replace(f"@{mark}@", str(value))
        (folder / "dovecot.conf").write_text(text)
        super().__init__(folder, ["-F", "-c", folder / "dovecot.conf"], None, prefix=["setsid"])
        self.binary = tool("dovecot", "dovecot-core dovecot-imapd")

    def start(self):
        super().start()
        eventually(lambda: not harness.is_free(self.port), "Dovecot listens")
        return self

    def kill(self):
        """It and all its children, which are a group of their own."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._forget()

    def take_over(self):
        """Root's files become its user's. Another server may go on with them."""
        for place in [self.mail, *self.mail.rglob("*")]:
            shutil.chown(place, *self.owner)
        self.mail.parent.chmod(0o755)

    def imap(self, user):
        self.take_over()
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=harness.WAIT_PATIENCE)
        client.login(user.address, "any")
        return client

    def log(self):
        log = self.folder / "dovecot.log"
        return log.read_text(errors="replace") if log.exists() else ""


def listed(client, pattern="*"):
    """The names of LIST, with their attributes before them."""
    kind, lines = client.list('""', f'"{pattern}"')
    assert kind == "OK", lines
    rows = [line.decode().split(' "/" ') for line in lines if line]
    return {name.strip('"'): attributes for attributes, name in rows}


class Acl(Case):
    def setUp(self):
        self.server = harness.Node(tables={"[shared]": {"dictionary": "mail/shared-mailboxes.db"}})
        self.eva = harness.User(self.server, "eva@example.test")
        with open(self.server.folder / "users", "a") as users:
            users.write(f"{self.eva.address}:{password_hash()}::::::userdb_acl_groups=staff,dev\n")
        self.own(self.server)
        self.server.start()
        self.ana, self.bob = self.server.user(), self.server.user()
        self.client, self.other = self.server.imap(self.ana), self.server.imap(self.bob)
        self.anas = f"shared/{self.ana.address}"
        self.team = f"{self.anas}/{TEAM}"

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def refused(self, answer, code):
        self.assertEqual(answer[0], "NO", answer)
        self.assertIn(f"[{code}]", answer[1][0].decode())

    def test_a_shared_mailbox_is_listed_read_and_changed_as_its_owner_allows(self):
        self.assertIn("ACL", self.client.capabilities + tuple(self.client.capability()[1][0].decode().split()))
        self.assertEqual(self.ok(self.other.namespace()), [b'(("" "/")) (("shared/" "/")) NIL'])
        self.ok(self.client.create(TEAM))
        self.ok(self.client.append(TEAM, "", None, b"Subject: one\r\n\r\none\r\n"))
        hidden, unknown = self.other.select(self.team), self.other.select("shared/nobody@example.test/Team")
        self.assertEqual(hidden, unknown)
        self.refused(hidden, "NONEXISTENT")
        self.assertEqual(listed(self.other, "shared*"), {})

        self.ok(self.client.setacl(TEAM, self.bob.address, "l"))
        self.assertEqual(sorted(listed(self.other, "shared*")), ["shared", self.anas, self.team])
        self.refused(self.other.select(self.team), "NOPERM")
        self.ok(self.client.setacl(TEAM, self.bob.address, "+rs"))
        self.ok(self.other.select(self.team))
        self.ok(self.other.store("1", "+FLAGS", r"(\Seen \Flagged)"))
        self.assertIn(rb"FLAGS (\Seen", self.ok(self.other.fetch("1", "FLAGS"))[0])
        self.assertNotIn(rb"\Flagged", self.ok(self.other.fetch("1", "FLAGS"))[0])
        self.refused(self.other.append(self.team, "", None, b"Subject: two\r\n\r\n"), "NOPERM")
        self.refused(self.other.getacl(self.team), "NOPERM")
        self.assertEqual(self.ok(self.other.myrights(self.team)), [f"{self.team} lrs".encode()])

        self.ok(self.client.setacl(TEAM, self.bob.address, "lrswitekx"))
        self.ok(self.other.append(self.team, "", None, b"Subject: two\r\n\r\ntwo\r\n"))
        self.ok(self.other.select(self.team))
        self.ok(self.other.copy("1", "INBOX"))
        self.ok(self.other.store("1", "+FLAGS", r"\Deleted"))
        self.ok(self.other.expunge())
        self.assertEqual(len(self.ana.messages(f".{TEAM}")), 1)
        self.ok(self.other.create(f"{self.team}/sub"))
        self.assertIn(self.bob.address, (self.ana.maildir / f".{TEAM}.sub/dovecot-acl").read_text())
        self.refused(self.other.rename(f"{self.team}/sub", "Mine"), "CANNOT")
        self.ok(self.other.rename(f"{self.team}/sub", f"{self.team}/bus"))
        self.ok(self.other.subscribe(f"{self.team}/bus"))
        self.ok(self.other.delete(f"{self.team}/bus"))
        self.ok(self.client.deleteacl(TEAM, self.bob.address))
        self.refused(self.other.select(self.team), "NONEXISTENT")
        self.assertEqual(listed(self.other, "shared*"), {})

    def test_a_shared_mailbox_fills_its_owners_quota(self):
        self.ok(self.client.setacl("INBOX", self.bob.address, "lri"))
        message = b"Subject: x\r\n\r\n" + b"z" * 700 + b"\r\n"
        self.ok(self.other.append(self.anas, "", None, message))
        self.client.logout(), self.other.logout()
        self.server.stop()
        used = (self.server.folder / "mail/example.test" / self.ana.address.split("@")[0] / "dovecot-quota").read_text()
        self.assertEqual(used.split("\n")[3], "1")
        bobs = self.server.folder / "mail/example.test" / self.bob.address.split("@")[0] / "dovecot-quota"
        self.assertIn("\n0\n", bobs.read_text() if bobs.exists() else "\n0\n")

    def test_groups_of_the_directory_count(self):
        self.ok(self.client.create(TEAM))
        self.ok(self.client.setacl(TEAM, "$staff", "lr"))
        client = self.server.imap(self.eva)
        self.assertIn(self.team, listed(client))
        self.ok(client.select(self.team, readonly=True))
        self.ok(self.client.setacl(TEAM, "-$dev", "r"))
        self.refused(client.select(self.team, readonly=True), "NOPERM")
        self.assertNotIn(self.team, listed(self.other))
        self.refused(self.client.setacl(TEAM, "anyone", "lr"), "CANNOT")

    def test_dovecot_lists_what_was_shared_here_and_we_what_was_shared_there(self):
        dovecot = Dovecot(self.server.folder / "mail")
        self.own(dovecot)
        self.ok(self.client.create(TEAM))
        self.ok(self.client.append(TEAM, "", None, b"Subject: one\r\n\r\none\r\n"))
        self.ok(self.client.setacl(TEAM, self.bob.address, "lrs"))
        self.ok(self.client.setacl(TEAM, f"-{self.bob.address}", "s"))
        self.ok(self.client.setacl(TEAM, "$staff", "lr"))
        dovecot.take_over()
        dovecot.start()

        there = dovecot.imap(self.bob)
        self.assertEqual(sorted(listed(there, "shared*")), ["shared", self.anas, self.team])
        self.assertEqual(self.ok(there.myrights(self.team)), [f"{self.team} lr".encode()])
        self.assertEqual(self.ok(there.select(self.team, readonly=True)), [b"1"])
        there.logout()
        owner = dovecot.imap(self.ana)
        told = self.ok(owner.getacl(TEAM))[0].decode().split()
        self.assertIn(f"-{self.bob.address} s", " ".join(told))
        self.assertEqual(told[-1], "lrwstipekxacd")
        self.assertEqual(told[told.index("$staff") + 1], "lr")

        self.ok(owner.create("Theirs"))
        self.ok(owner.setacl("Theirs", self.bob.address, "lrip"))
        self.ok(owner.setacl(TEAM, self.bob.address, "lrw"))
        owner.logout()
        theirs = f"{self.anas}/Theirs"
        self.assertEqual(sorted(listed(self.other, "shared*")), ["shared", self.anas, self.team, theirs])
        self.assertEqual(self.ok(self.other.myrights(self.team)), [f"{self.team} lrw".encode()])
        self.ok(self.other.append(theirs, "", None, b"Subject: two\r\n\r\ntwo\r\n"))
        self.assertIn(f"{self.bob.address} lrip", self.ok(self.client.getacl("Theirs"))[0].decode())
        there = dovecot.imap(self.bob)
        self.assertEqual(self.ok(there.select(theirs, readonly=True)), [b"1"])
        there.logout()
        # What is no longer shared here is no longer listed there.
        self.ok(self.client.deleteacl("Theirs", self.bob.address))
        self.ok(self.client.deleteacl(TEAM, self.bob.address))
        there = dovecot.imap(self.bob)
        self.assertEqual(listed(there, "shared*"), {})
        there.logout()
        self.assertNotIn("Error", dovecot.log())
        self.assertNotIn("Panic", dovecot.log())
