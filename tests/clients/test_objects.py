"""What mailboxes and messages are known by (RFC 8474, RFC 8514), by Python's imaplib."""

import re

import messages
from harness import Case, shared_node


class Session(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.client = self.server.imap(self.user, "INBOX")
        self.addCleanup(self.client.shutdown)

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]


class Objects(Session):
    def emails(self, mailbox):
        self.ok(self.client.select(mailbox))
        lines = self.ok(self.client.fetch("1:*", "(EMAILID)"))
        return [re.search(r"EMAILID \((M[0-9a-f]{32})\)", line.decode()).group(1) for line in lines]

    def mailbox(self, name):
        return re.search(r"MAILBOXID \((F\w+)\)", self.ok(self.client.status(name, "(MAILBOXID)"))[0].decode()).group(1)

    def test_messages_keep_their_identifier_where_they_are_copied_and_moved(self):
        self.assertIn(b"OBJECTID", self.ok(self.client.capability())[0].split())
        self.server.deliver(self.user, *map(messages.text, ["one", "two"]))
        before = self.emails("INBOX")
        self.assertEqual(len(set(before)), 2)
        self.ok(self.client.copy("1", "Trash"))
        self.ok(self.client.xatom("MOVE", "2", "Trash"))
        self.assertEqual(self.emails("INBOX"), before[:1])
        self.assertEqual(self.emails("Trash"), before)
        self.assertEqual(self.ok(self.client.search(None, "EMAILID", before[1])), [b"2"])
        self.assertEqual(self.ok(self.client.search(None, "SAVEDATESUPPORTED", "SAVEDSINCE", "1-Jan-2020")), [b"1 2"])
        [line] = self.ok(self.client.fetch("1", "(SAVEDATE THREADID)"))
        self.assertRegex(line.decode(), r'SAVEDATE "[^"]+ \+0000" THREADID (\(T[0-9a-f]{32}\)|NIL)')

    def test_a_mailbox_keeps_its_identifier_under_another_name(self):
        self.ok(self.client.create("Old"))
        before = self.mailbox("Old")
        self.ok(self.client.rename("Old", "New"))
        self.ok(self.client.create("Old"))
        self.assertEqual(self.mailbox("New"), before)
        self.assertNotEqual(self.mailbox("Old"), before)


class Previews(Session):
    def test_a_list_shows_the_first_words(self):
        self.assertIn(b"PREVIEW", self.ok(self.client.capability())[0].split())
        self.server.deliver(self.user, b"Subject: x\r\n\r\n> quoted\r\nHello there,\r\nthis is it.\r\n")
        self.ok(self.client.select("INBOX"))
        for asked in ("(PREVIEW)", "(PREVIEW (LAZY))"):
            [line] = self.ok(self.client.fetch("1", asked))
            self.assertIn(b'PREVIEW "Hello there, this is it."', line)
