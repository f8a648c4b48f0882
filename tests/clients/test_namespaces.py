"""Own mailboxes below `INBOX.`, as Courier had them, and public ones, beside a real Dovecot on the same tree."""

import harness
from harness import Case
from test_acl import Dovecot

PRIVATE = {"type": "private", "prefix": "INBOX.", "separator": "."}
OLD = {"type": "private", "prefix": "old.", "separator": ".", "hidden": "yes"}
PUBLIC = {"type": "public", "prefix": "public.", "separator": ".", "list": "children"}
TRASH = {"name": "Trash", "special_use": "Trash"}

# Of LIST and LSUB: reference and pattern.
ASKED = [("", "*"), ("", "%"), ("", "INBOX"), ("", "inbox.%"), ("INBOX.", "%"), ("INBOX.Work.", "*"), ("", "old.*"), ("", "public.*"), ("", "pub%"), ("", "Work*")]
# Dovecot guesses at news and says so; and it tells a use in one namespace only.
GUESSES = {"\\Marked", "\\UnMarked", "\\Trash"}


def rows(client, command, reference, pattern):
    """What is listed: attributes by name."""
    kind, lines = getattr(client, command)(f'"{reference}"', f'"{pattern}"')
    assert kind == "OK", lines
    told = {}
    for line in filter(None, lines):
        attributes, name = line.decode().split(' "." ')
        told[name.strip('"')] = sorted(set(attributes.strip("()").split()) - GUESSES)
    return told


class Namespaces(Case):
    def setUp(self):
        public = harness.temporary_folder()
        public.chmod(0o755)
        self.server = harness.Node(tables={"[[mailbox]]": [TRASH]})
        self.public = self.server.folder / "mail/public"
        spaces = [PRIVATE, OLD, PUBLIC | {"location": f"maildir:{self.public}"}]
        self.server.tables["[[namespace]]"] = spaces
        self.server.write_configuration()
        self.own(self.server)
        self.server.start()
        self.ana = self.server.user()
        self.client = self.server.imap(self.ana)

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def give_public(self, mailbox, row):
        folder = self.public / f".{mailbox}"
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir(parents=True)
        (folder / "maildirfolder").touch()
        (folder / "dovecot-acl").write_text(row + "\n")

    def test_dovecot_tells_the_same_names_of_the_same_tree(self):
        self.assertEqual(self.ok(self.client.namespace()), [b'(("INBOX." ".")) NIL (("public." "."))'])
        self.assertEqual(rows(self.client, "list", "", "public*"), {})
        for mailbox in ("Work.2026", "Work.2026.a", "Other"):
            self.ok(self.client.create(f"INBOX.{mailbox}"))
        self.ok(self.client.subscribe("INBOX.Work.2026"))
        self.ok(self.client.subscribe("old.Other"))
        self.ok(self.client.append("INBOX.Work.2026", "", None, b"Subject: one\r\n\r\none\r\n"))
        self.ok(self.client.rename("INBOX.Other", "INBOX.Work.b"))
        self.ok(self.client.select("INBOX.Trash"))
        self.give_public("News", "anyone lr")
        self.give_public("Board", "user=nobody@example.test lr")
        self.assertEqual(len(self.ana.messages(".Work.2026")), 1)
        written = (self.ana.maildir / "subscriptions").read_text()
        self.assertIn("\nWork\t2026\n", written)
        self.assertNotIn("INBOX\t", written)

        dovecot = Dovecot(self.server.folder / "mail", "dovecot-namespaces.conf")
        self.own(dovecot)
        dovecot.start()
        other = dovecot.imap(self.ana)
        self.assertEqual(self.ok(other.namespace()), self.ok(self.client.namespace()))
        for command in ("list", "lsub"):
            for asked in ASKED:
                with self.subTest(command=command, asked=asked):
                    self.assertEqual(rows(self.client, command, *asked), rows(other, command, *asked))
        self.assertEqual(self.ok(other.select("INBOX.Work.2026")), [b"1"])
        # And what Dovecot makes is here under the same name.
        self.assertIn(r"\Trash", str(self.client.list('""', "INBOX.Trash")))
        self.ok(other.create("INBOX.Made.there"))
        self.ok(other.subscribe("INBOX.Made.there"))
        self.assertIn("INBOX.Made.there", rows(self.client, "list", "", "*"))
        self.assertIn("INBOX.Made.there", rows(self.client, "lsub", "", "*"))
        outside = [client.select("Work") for client in (self.client, other)]
        self.assertEqual([kind for kind, _ in outside], ["NO", "NO"])
        self.assertIn(b"INBOX.", outside[0][1][0])

    def test_commands_speak_the_names_that_users_see(self):
        def command(*arguments):
            return harness.tepui("mailbox", "--config", self.server.configuration, *arguments)

        made = command("create", self.ana.address, "INBOX.Work", "--subscribe")
        self.assertEqual((made.returncode, made.stdout), (0, "INBOX.Work: created\n"))
        self.assertTrue((self.ana.maildir / ".Work").is_dir())
        listed = command("list", self.ana.address).stdout
        self.assertIn("INBOX.Work\n", listed)
        self.assertIn("INBOX.Trash", listed)
        self.assertIn("INBOX.Work", rows(self.client, "lsub", "", "*"))
        wrong = command("create", self.ana.address, "Work")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("INBOX.", wrong.stderr)
        self.assertIn("INBOX.Work", command("status", self.ana.address, "INBOX.Work").stdout)

    def test_commands_work_on_what_is_public(self):
        def command(*arguments):
            return harness.tepui("mailbox", "--config", self.server.configuration, *arguments)

        self.ok(self.client.list())
        self.give_public("News", "anyone lrs")
        made = command("create", "public.", "public.Board")
        self.assertEqual((made.returncode, made.stdout), (0, "public.Board: created\n"))
        listed = command("list", "public.").stdout
        self.assertRegex(listed, r"(?s)public\.Board\n.*public\.News\n")
        self.assertNotIn("INBOX", listed)
        source = self.server.folder / "news.mbox"
        source.write_text("From a@example.test Sat Nov 21 10:00:00 2026\nSubject: one\n\none\n\n")
        taken = command("import", "public.", "public.News", source)
        self.assertEqual(taken.returncode, 0, taken.stderr)
        self.assertEqual(self.ok(self.client.select("public.News", readonly=True)), [b"1"])
        verified = command("verify", "public.")
        self.assertEqual((verified.returncode, verified.stdout), (0, "public.: good\n"), verified.stderr)
        (self.public / ".News" / "dovecot-uidlist").write_text("nonsense\n")
        self.assertEqual(command("verify", "public.").returncode, 1)
        self.assertEqual(command("verify", "public.", "--repair").returncode, 0)
        for wrong in (("create", "public.", "INBOX.Work"), ("subscribe", "public.", "public.News"), ("list", "puplic.")):
            refused = command(*wrong)
            self.assertEqual(refused.returncode, 1, refused.stdout)
