"""What lies on disk after deliveries is a Maildir as Dovecot keeps it."""

import re

import messages
from harness import Case, shared_node


class Maildir(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.server.deliver(self.user, messages.text("one"), messages.eight_bit("two"))
        self.server.content(self.user)

    def test_names_tell_the_true_sizes(self):
        files = self.user.messages()
        self.assertEqual(len(files), 2)
        for file in files:
            name = re.fullmatch(r"\d+\.M\d+P[^.,:]*\.[^,:]+,S=(\d+),W=(\d+)(:2,[A-Za-z]*)?", file.name)
            self.assertTrue(name, file.name)
            content = file.read_bytes()
            self.assertEqual(int(name.group(1)), len(content))
            self.assertEqual(int(name.group(2)), len(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")))

    def test_the_uidlist_gives_each_file_its_uid(self):
        head, *lines = (self.user.maildir / "dovecot-uidlist").read_text().splitlines()
        self.assertRegex(head, r"^3 V\d+ N3 G[0-9a-f]{32}$")
        listed = {re.match(r"^(\d+) (?:\S+ )*:(.*)$", line).groups() for line in lines}
        bases = {file.name.split(":")[0] for file in self.user.messages()}
        self.assertEqual({number for number, _ in listed}, {"1", "2"})
        # A size in the name may stand in the line's fields as well.
        self.assertEqual({name.split(",")[0] for _, name in listed}, {base.split(",")[0] for base in bases})

    def test_keywords_and_subscriptions_stand_in_dovecots_files(self):
        client = self.server.imap(self.user, "INBOX")
        client.store("1", "+FLAGS", "($Work)")
        client.create("Projects")
        client.subscribe("Projects")
        client.logout()
        self.assertEqual((self.user.maildir / "dovecot-keywords").read_text(), "0 $Work\n")
        self.assertTrue(any(file.name.endswith("a") for file in self.user.files("cur")))
        self.assertIn("Projects", (self.user.maildir / "subscriptions").read_text().split("\n"))

    def test_nothing_is_left_in_tmp_and_a_special_folder_becomes_a_maildir_when_it_is_used(self):
        self.assertEqual(self.user.files("tmp"), [])
        client = self.server.imap(self.user)
        client.append("Drafts", "\\Draft", None, messages.text("draft"))
        client.logout()
        for folder in ["cur", "new", "tmp"]:
            self.assertTrue((self.user.maildir / ".Drafts" / folder).is_dir(), folder)
        self.assertTrue((self.user.maildir / ".Drafts/maildirfolder").is_file())

    def test_files_are_for_their_owner_only(self):
        for file in [self.user.maildir, *self.user.messages()]:
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)


class EveryAccountsMailboxes(Case):
    def test_they_are_the_configured_ones_and_made_when_they_are_opened(self):
        rows = [{"name": "INBOX", "auto": "create"}, {"name": "Sent Messages", "special_use": "Sent"}]
        server = self.node(tables={"[[mailbox]]": rows})
        user = server.user()
        client = server.imap(user)
        self.assertEqual(client.list()[1], [b'(\\HasNoChildren) "/" INBOX', b'(\\HasNoChildren \\Sent) "/" "Sent Messages"'])
        self.assertEqual(client.lsub()[1], [b'(\\Sent) "/" "Sent Messages"'])
        self.assertFalse((user.maildir / ".Sent Messages").exists())
        self.assertEqual(client.select('"Sent Messages"')[0], "OK")
        self.assertTrue((user.maildir / ".Sent Messages/cur").exists())
        self.assertIn("Sent Messages", (user.maildir / "subscriptions").read_text())
        client.logout()
