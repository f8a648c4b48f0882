"""Quotas as users and senders meet them, and the number in the file that Dovecot reads."""

import json
import smtplib

import messages
from harness import Case, eventually, tepui
from wire import Wire

LIMIT = 20480


def of_size(size):
    """A message that takes up so many octets on disk, and a few more for its trace."""
    head = "Subject: sized\r\n\r\n"
    lines = "z" * 78 + "\r\n"
    return (head + lines * (size // 79)).encode()


class Quota(Case):
    def setUp(self):
        self.start()

    def start(self, *warnings):
        rules = [f"*:bytes={LIMIT}:messages=5", "Trash:storage=+100M:messages=+100"]
        self.server = self.node(tables={"[quota]": {"rules": rules}, "[[quota_warning]]": list(warnings)})
        self.ana = self.server.user()

    def file(self):
        """The number as Dovecot finds it: octets and messages."""
        path = self.server.folder / "mail/example.test" / self.ana.address.split("@")[0] / "dovecot-quota"
        lines = path.read_text().split("\n") if path.exists() else []
        values = dict(zip(lines[::2], lines[1::2]))
        return int(values.get("priv/quota/storage", -1)), int(values.get("priv/quota/messages", -1))

    def quota(self):
        with self.server.imap(self.ana) as client:
            return client.getquota('""')[1][0].decode()

    def command(self, *arguments):
        return tepui("quota", *arguments, "--config", self.server.configuration, cwd=self.server.folder)

    def test_what_fits_is_taken_and_what_does_not_is_refused_for_good(self):
        self.server.deliver(self.ana, of_size(9000))
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            self.server.deliver(self.ana, of_size(30000))
        self.assertEqual(refused.exception.smtp_code, 552)
        self.assertIn(b"5.2.2", refused.exception.smtp_error)
        # The last one may exceed by a tenth, and then the recipient is refused before the content comes.
        self.server.deliver(self.ana, of_size(12000))
        with Wire(self.server.port("lmtp")) as client:
            client.reply()
            client.ask("LHLO client")
            client.ask("MAIL FROM:<a@elsewhere.test>")
            self.assertRegex(client.ask(f"RCPT TO:<{self.ana.address}>"), "^552 5.2.2 ")
        with Wire(self.server.port("smtp")) as client:
            client.reply()
            client.ask("EHLO client")
            client.ask("MAIL FROM:<a@elsewhere.test>")
            self.assertRegex(client.ask(f"RCPT TO:<{self.ana.address}>"), "^552 5.2.2 ")

    def test_imap_clients_are_told_use_and_limits(self):
        self.server.deliver(self.ana, messages.text("small"))
        with self.server.imap(self.ana) as client:
            self.assertIn(b"QUOTA=RES-STORAGE", client.capability()[1][0])
            self.assertEqual(client.getquotaroot("INBOX")[1][0], [b'INBOX ""'])
            self.assertEqual(client.getquota('""')[1], [b'"" (STORAGE 1 20 MESSAGE 1 5)'])
            self.assertEqual(client.getquota("other")[0], "NO")
            self.assertEqual(client.status("INBOX", "(DELETED)")[1], [b"INBOX (DELETED 0)"])

    def assert_none_of_two_is_appended(self, mailbox, size):
        """Each would fit alone (RFC 3502)."""
        with Wire(self.server.port("imaps"), self.server.tls()) as wire:
            wire.line()
            wire.tagged("a", f"LOGIN {self.ana.address} {self.ana.password}")
            message = of_size(size)
            one = b"{%d+}\r\n%b" % (len(message), message)
            wire.send(b"b APPEND %b %b %b\r\n" % (mailbox.encode(), one, one))
            self.assertRegex(wire.until("b")[-1], r"^b NO \[OVERQUOTA\]")
            self.assertIn("MESSAGES 0", wire.tagged("c", f"STATUS {mailbox} (MESSAGES)")[0])

    def test_append_copy_and_move_keep_to_the_limits(self):
        with self.server.imap(self.ana) as client:
            self.assertEqual(client.append("INBOX", "", None, of_size(15000))[0], "OK")
            answer, text = client.append("INBOX", "", None, of_size(15000))
            self.assertEqual((answer, text[0][:11]), ("NO", b"[OVERQUOTA]"))
            self.assertEqual(client.append("Trash", "", None, of_size(15000))[0], "OK")
            self.assert_none_of_two_is_appended("Drafts", 3000)
            client.select("INBOX")
            answer, text = client.copy("1", "Drafts")
            self.assertEqual((answer, text[0][:11]), ("NO", b"[OVERQUOTA]"))
            self.assertEqual(client.xatom("MOVE", "1", "Trash")[0], "OK")
            client.select("Trash")
            client.store("1:*", "+FLAGS.SILENT", "\\Deleted")
            client.expunge()
            self.assertEqual(client.getquota('""')[1], [b'"" (STORAGE 0 20 MESSAGE 0 5)'])
        self.assertEqual(self.file(), (0, 0))

    def test_the_file_is_right_a_moment_after_a_delivery_and_after_a_kill(self):
        for _ in range(3):
            self.server.deliver(self.ana, messages.text("counted"))
        size = sum(path.stat().st_size for path in self.ana.files("new") + self.ana.files("cur"))
        eventually(lambda: self.file() == (size, 3), "the file has the number")
        self.server.deliver(self.ana, messages.text("the last before the crash"))
        self.server.kill()
        self.server.start()
        size = sum(path.stat().st_size for path in self.ana.files("new") + self.ana.files("cur"))
        self.assertRegex(self.quota(), "MESSAGE 4 5")
        self.assertEqual(self.file(), (size, 4))

    def test_the_command_shows_and_counts_with_and_without_a_node(self):
        self.server.deliver(self.ana, messages.text("one"), messages.text("two"))
        shown = json.loads(self.command("show", "--json", self.ana.address).stdout)
        self.assertEqual(shown[0]["messages"], {"used": 2, "limit": 5})
        self.server.stop()
        path = self.server.folder / "mail/example.test" / self.ana.address.split("@")[0] / "dovecot-quota"
        path.write_text("priv/quota/storage\n5\npriv/quota/messages\n1\n")
        self.assertIn("it was 5 octets, 1 messages", self.command("recalculate", self.ana.address).stdout)
        self.assertIn("2 messages, as it was", self.command("recalculate", "--all").stdout)
        self.assertIn(self.ana.address, self.command("show", self.ana.address).stdout)
        nobody = self.command("show", "nobody@example.test")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("no such account", nobody.stderr)

    def test_a_user_is_warned_once_and_a_command_is_run_on_the_way_down(self):
        self.start({"at": "80%"}, {"at": "-50%", "run": ["/bin/touch", "below.%n"]})
        self.server.deliver(self.ana, of_size(15000))
        self.server.deliver(self.ana, of_size(3000))
        warned = lambda: [text for text in self.server.content(self.ana) if b"Subject: Your mailbox is 80% full" in text]
        eventually(warned, "the user is warned")
        self.assertIn(b"Auto-Submitted: auto-generated", warned()[0])
        self.server.deliver(self.ana, messages.text("more"))
        with self.server.imap(self.ana, "INBOX") as client:
            client.store("1:2", "+FLAGS.SILENT", "\\Deleted")
            client.expunge()
        name = self.ana.address.split("@")[0]
        eventually((self.server.folder / f"below.{name}").exists, "the command was run")
        self.assertEqual(len(warned()), 1)
