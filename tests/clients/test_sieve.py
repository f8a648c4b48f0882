"""Deliveries through Sieve scripts: the platform's own, and what users put there by ManageSieve."""

import email
import json
import smtplib

import harness
from harness import Case, HERE, Node, eventually
from test_managesieve import Session

DEFAULT = harness.ROOT / "tests/peers/default.sieve"


def message(subject, *fields, to="x@example.test", body="Hola.\r\n"):
    header = "".join(f"{field}\r\n" for field in (f"Subject: {subject}", f"To: {to}", "From: bob@elsewhere.test", *fields))
    return f"{header}\r\n{body}".encode()


class Deliveries(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Node(hop=HERE, tables={"[sieve]": {"default": str(DEFAULT)}}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.user = self.server.user()
        self.home = self.user.maildir.parent

    def script(self, text, user=None):
        session = Session(self.server.port("managesieve"), user or self.user, self.server.tls())
        kept = session.put("test", text)
        self.assertTrue(kept.startswith(b"OK"), kept)
        self.assertTrue(session.ask_for('SETACTIVE "test"')[-1].startswith(b"OK"))
        session.close()

    def deliver(self, *messages, sender="bob@elsewhere.test", to=None):
        for content in messages:
            with smtplib.LMTP("127.0.0.1", self.server.port("lmtp")) as client:
                client.sendmail(sender, [to or self.user.address], content)

    def subjects(self, mailbox="INBOX", user=None):
        contents = self.server.content(user or self.user, mailbox)
        return sorted(line for content in contents for line in content.decode().splitlines() if line.startswith("Subject: "))

    def log(self):
        path = self.home / ".dovecot.sieve.log"
        return path.read_text() if path.exists() else ""

    def test_the_platforms_script_files_spam_of_who_has_no_script(self):
        self.deliver(message("one", "X-Spam-Flag: YES"), message("***SPAM*** two"), message("three", "X-Spam-Flag: NO"), message("four"))
        self.assertEqual(self.subjects("Junk"), ["Subject: ***SPAM*** two", "Subject: one"])
        self.assertEqual(self.subjects(), ["Subject: four", "Subject: three"])

    def test_what_is_kept_is_as_the_scripts_made_it_and_what_is_redirected_is_not_enclosed(self):
        other = self.server.user()
        self.script('require ["foreverypart", "mime", "replace", "enclose", "copy", "fileinto", "mailbox"];\r\n'
                    'foreverypart { if header :mime :param "filename" :matches "content-disposition" "*.exe" { replace "taken out"; } }\r\n'
                    f'redirect :copy "{other.address}";\r\n'
                    'enclose :subject "careful" "look twice";\r\n'
                    'fileinto :create "Watched";\r\n')
        parts = ("--b\r\n\r\ntext\r\n--b\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nBAD\r\n--b--\r\n")
        self.deliver(message("parts", "Content-Type: multipart/mixed; boundary=b", body=parts))
        kept, = self.server.content(self.user, "Watched")
        self.assertIn(b"Subject: careful", kept)
        self.assertEqual(email.message_from_bytes(kept).get_content_type(), "multipart/mixed")
        note, inner = email.message_from_bytes(kept).get_payload()
        self.assertEqual(note.get_payload().strip(), "look twice")
        sent = eventually(lambda: self.server.content(other), "it is redirected")[0]
        for one in (inner.get_payload(0), email.message_from_bytes(sent)):
            self.assertEqual(one["Subject"], "parts")
            self.assertEqual([part.get_payload().strip() for part in one.get_payload()], ["text", "taken out"])
            self.assertIsNone(one.get_payload(1)["Content-Disposition"])

    def test_an_own_script_takes_the_place_of_the_platforms(self):
        self.script('require ["fileinto", "imap4flags"];\r\n'
                    'if header :contains "subject" "factura" { fileinto :flags "\\\\Seen" "Sent"; }\r\n'
                    'elsif header :is "subject" "basura" { discard; }\r\n'
                    'elsif header :is "subject" "roto" { fileinto "No/Hay"; }\r\n'
                    'elsif header :is "subject" "visto" { keep :flags ["\\\\Flagged", "trabajo"]; }\r\n')
        self.deliver(*(message(subject) for subject in ("factura 7", "basura", "roto", "visto", "otro")), message("spam", "X-Spam-Flag: YES"))
        self.assertEqual(self.subjects("Sent"), ["Subject: factura 7"])
        self.assertEqual(self.subjects(), ["Subject: otro", "Subject: roto", "Subject: spam", "Subject: visto"])
        self.assertEqual(self.subjects("Junk"), [])
        client = self.server.imap(self.user, "INBOX")
        self.assertEqual(client.search(None, "FLAGGED", "KEYWORD", "trabajo")[1][0].split().__len__(), 1)
        client.select("Sent", readonly=True)
        self.assertEqual(client.search(None, "SEEN")[1], [b"1"])
        client.logout()
        self.assertIn("failed to store into mailbox 'No/Hay'", self.log())

    def test_a_missing_mailbox_is_made_when_the_script_says_so(self):
        self.script('require ["fileinto", "mailbox"];\r\nfileinto :create "Listas/rust";\r\n')
        self.deliver(message("one"), message("two"))
        self.assertEqual(self.subjects("Listas/rust"), ["Subject: one", "Subject: two"])
        self.assertEqual(self.subjects(), [])

    def test_a_refused_message_is_refused_in_the_protocol(self):
        self.script('require "reject";\r\nif header :is "subject" "no" { reject "No, gracias."; }\r\n')
        with self.assertRaises(smtplib.SMTPResponseException) as refused:
            self.deliver(message("no"))
        self.assertEqual(refused.exception.smtp_code, 550)
        self.assertIn(b"5.7.1", refused.exception.smtp_error)
        self.assertIn(b"No, gracias.", refused.exception.smtp_error)
        self.deliver(message("si"))
        self.assertEqual(self.subjects(), ["Subject: si"])

    def test_a_message_is_sent_on_once_and_never_round(self):
        other = self.server.user()
        self.script(f'redirect "{other.address}";\r\n')
        self.script(f'redirect "{self.user.address}";\r\n', other)
        self.deliver(message("round"))
        # It came back, and was known again.
        eventually(lambda: self.subjects() == ["Subject: round"], "it is kept where it was redirected first")
        self.server.drained()
        self.assertEqual(self.subjects(user=other), [])
        self.assertIn("redirected from here before", self.log())

    def test_a_copy_is_sent_on_and_the_message_kept(self):
        other = self.server.user()
        self.script(f'require "copy";\r\nredirect :copy "{other.address}";\r\n')
        self.deliver(message("both"))
        self.assertEqual(self.subjects(), ["Subject: both"])
        eventually(lambda: self.subjects(user=other) == ["Subject: both"], "the copy arrives")

    def test_whoever_writes_gets_one_vacation_reply(self):
        writer = self.server.user()
        self.script('require "vacation";\r\nvacation :days 7 :subject "Fuera" "Vuelvo el lunes.";\r\n')
        to = self.user.address
        self.deliver(message("hola", to=to), message("otra vez", to=to), sender=writer.address)
        self.deliver(message("lista", "List-Id: <x>", to=to), sender="list@elsewhere.test")
        self.deliver(message("a ciegas", to="somebody@elsewhere.test"), sender=writer.address)
        self.deliver(message("informe", to=to), sender="")
        eventually(lambda: self.server.content(writer), "the reply arrives")
        self.server.drained()
        [reply] = self.server.content(writer)
        self.assertEqual(self.subjects(user=writer), ["Subject: Fuera"])
        for line in (b"Return-Path: <>", b"Auto-Submitted: auto-replied (vacation)", f"From: <{to}>".encode(), b"Vuelvo el lunes."):
            self.assertIn(line, reply)
        self.assertEqual(len(self.subjects()), 5)

    def test_others_are_told_of_a_message(self):
        pager = self.server.user()
        self.script('require ["enotify", "reject"];\r\n'
                    f'notify :importance "1" :message "Ha escrito" "mailto:{pager.address}?body=Mira.";\r\n'
                    'if header :is "subject" "no" { reject "No."; }\r\n')
        self.script(f'require "enotify";\r\nnotify "mailto:{self.user.address}";\r\n', pager)
        self.deliver(message("hola"), message("robot", "Auto-Submitted: auto-generated"))
        eventually(lambda: self.server.content(pager), "the notification arrives")
        with self.assertRaises(smtplib.SMTPResponseException):
            self.deliver(message("no"))
        eventually(lambda: len(self.server.content(pager)) == 2, "a refused message is told of as well")
        # A notification is told to nobody.
        self.server.drained()
        self.assertEqual(self.subjects(), ["Subject: hola", "Subject: robot"])
        notice = self.server.content(pager)[0]
        owner = f'owner-email="{self.user.address}"'.encode()
        for line in (f"Return-Path: <{self.user.address}>".encode(), b"Subject: Ha escrito", b"Auto-Submitted: auto-notified", owner, b"Importance: high", b"\r\n\r\nMira."):
            self.assertIn(line, notice)

    def test_a_message_is_seen_once(self):
        self.script('require "duplicate";\r\nif duplicate { discard; }\r\n')
        self.deliver(message("one", "Message-ID: <1@x>"), message("one again", "Message-ID: <1@x>"), message("two", "Message-ID: <2@x>"))
        self.assertEqual(self.subjects(), ["Subject: one", "Subject: two"])

    def test_the_header_is_changed(self):
        self.script('require "editheader";\r\naddheader "X-Own" "si";\r\ndeleteheader "Subject";\r\n')
        self.deliver(message("fuera"))
        [content] = self.server.content(self.user)
        self.assertIn(b"X-Own: si\r\n", content)
        self.assertNotIn(b"Subject", content)
        self.assertTrue(content.endswith(b"\r\n\r\nHola.\r\n"))

    def test_scripts_include_others(self):
        session = Session(self.server.port("managesieve"), self.user, self.server.tls())
        session.put("filed", 'require ["fileinto"];\r\nfileinto "Trash";\r\n')
        session.close()
        self.script('require "include";\r\ninclude :personal "filed";\r\n')
        self.deliver(message("one"))
        self.assertEqual(self.subjects("Trash"), ["Subject: one"])

    def test_a_broken_script_keeps_the_mail_and_the_user_finds_out(self):
        (self.home / "sieve").mkdir(parents=True)
        (self.home / "sieve/bad.sieve").write_text('fileinto "Trash";\n')
        (self.home / ".dovecot.sieve").symlink_to("sieve/bad.sieve")
        self.deliver(message("one"))
        self.assertEqual(self.subjects(), ["Subject: one"])
        self.assertIn("bad: line 1: error", self.log())

    def test_what_can_never_be_a_script_keeps_no_mail_back(self):
        (self.home / ".dovecot.sieve").mkdir(parents=True)
        self.deliver(message("one"))
        self.assertEqual(self.subjects(), ["Subject: one"])
        self.assertIn(".dovecot.sieve: a folder in the place of the active script", self.log())

    def test_several_recipients_have_each_their_own_way(self):
        other = self.server.user()
        self.script('require "fileinto";\r\nfileinto "Trash";\r\n')
        with smtplib.SMTP("127.0.0.1", self.server.port("smtp")) as client:
            client.sendmail("bob@elsewhere.test", [self.user.address, other.address], message("both"))
        self.assertEqual(self.subjects("Trash"), ["Subject: both"])
        self.assertEqual(self.subjects(user=other), ["Subject: both"])


class Full(Case):
    def test_who_has_no_room_answers_nobody(self):
        server = Node(hop=HERE, tables={"[quota]": {"rules": ["*:storage=4K"], "grace": 0}}).start()
        self.addCleanup(server.stop)
        user, writer = server.user(), server.user()
        session = Session(server.port("managesieve"), user, server.tls())
        session.put("away", 'require "vacation";\r\nvacation "Vuelvo.";\r\n')
        session.ask_for('SETACTIVE "away"')
        session.close()
        with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as client:
            with self.assertRaises(smtplib.SMTPResponseException) as refused:
                client.sendmail(writer.address, [user.address], message("large", to=user.address, body="x" * 60 + "\r\n" + "y\r\n" * 3000))
        self.assertEqual(refused.exception.smtp_code, 552)
        with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as client:
            client.sendmail(writer.address, [user.address], message("small", to=user.address))
        eventually(lambda: server.content(writer), "the answer to the second one")
        server.drained()
        self.assertEqual(len(server.content(writer)), 1)
        self.assertIn(b"Subject: Auto: small", server.content(writer)[0])


    def test_what_cannot_be_kept_is_not_sent_on_either(self):
        server = Node(hop=HERE, tables={"[quota]": {"rules": ["*:storage=4K"], "grace": 0, "when_full": "defer"}}).start()
        self.addCleanup(server.stop)
        user, other = server.user(), server.user()
        session = Session(server.port("managesieve"), user, server.tls())
        session.put("copy", f'require "copy";\r\nredirect :copy "{other.address}";\r\n')
        session.ask_for('SETACTIVE "copy"')
        session.close()
        large = message("large", to=user.address, body="y\r\n" * 3000)
        # Each of these tries would send a copy, for as long as the mailbox is full.
        for _ in range(3):
            with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as client:
                with self.assertRaises(smtplib.SMTPResponseException) as refused:
                    client.sendmail("bob@elsewhere.test", [user.address], large)
            self.assertEqual(refused.exception.smtp_code, 452)
        with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as client:
            client.sendmail("bob@elsewhere.test", [user.address], message("small", to=user.address))
        eventually(lambda: server.content(other), "the copy of the small one")
        server.drained()
        self.assertEqual([content.count(b"Subject: small") for content in server.content(other)], [1])


    def test_what_is_kept_in_one_mailbox_is_not_asked_for_again(self):
        rules = ["*:storage=4K", "Trash:ignore"]
        server = Node(hop=HERE, tables={"[quota]": {"rules": rules, "grace": 0, "when_full": "defer"}}).start()
        self.addCleanup(server.stop)
        user = server.user()
        session = Session(server.port("managesieve"), user, server.tls())
        session.put("both", 'require "fileinto";\r\nfileinto "Trash"; keep;\r\n')
        session.ask_for('SETACTIVE "both"')
        session.close()
        server.deliver(user, message("large", body="y\r\n" * 3000))
        self.assertEqual((len(server.content(user, "Trash")), len(server.content(user))), (1, 0))
        self.assertIn("keep action: quota exceeded", (user.maildir.parent / ".dovecot.sieve.log").read_text())


class Verdicts(Case):
    def test_what_filters_say_is_asked_for(self):
        tables = {"[sieve_spamtest]": {"status_header": r"X-Spam-Status: score=(-?[0-9.]+)", "max_value": "10.0"},
                  "[sieve_virustest]": {"status_header": "X-Virus", "status_type": "text", "text_values": ["1=clean", "5=infected"]}}
        server = Node(hop=HERE, tables=tables).start()
        self.addCleanup(server.stop)
        user = server.user()
        session = Session(server.port("managesieve"), user, server.tls())
        told = session.ask_for("CAPABILITY")
        for extension in (b"spamtest", b"spamtestplus", b"virustest"):
            self.assertIn(extension, b" ".join(told))
        kept = session.put("spam", 'require ["spamtestplus", "spamtest", "virustest", "relational", "comparator-i;ascii-numeric", "fileinto"];\r\n'
                           'if virustest :value "ge" :comparator "i;ascii-numeric" "4" { discard; stop; }\r\n'
                           'if spamtest :percent :value "ge" :comparator "i;ascii-numeric" "70" { fileinto "Junk"; }\r\n')
        self.assertTrue(kept.startswith(b"OK"), kept)
        session.ask_for('SETACTIVE "spam"')
        session.close()
        server.deliver(user, message("spam", "X-Spam-Status: Yes, score=8.5 required=5"), message("ham", "X-Spam-Status: No, score=-2.0 required=5"),
                       message("virus", "X-Virus: infected"), message("unseen"))
        found = {mailbox: sorted(line for content in server.content(user, mailbox) for line in content.decode().splitlines() if line.startswith("Subject"))
                 for mailbox in ("INBOX", "Junk")}
        self.assertEqual(found, {"INBOX": ["Subject: ham", "Subject: unseen"], "Junk": ["Subject: spam"]})

    def test_they_are_not_offered_where_nobody_says_where_they_stand(self):
        server = Node(hop=HERE).start()
        self.addCleanup(server.stop)
        session = Session(server.port("managesieve"), server.user(), server.tls())
        self.addCleanup(session.close)
        self.assertIn(b"spamtest", session.put("spam", 'require "spamtest";\r\n'))


class Global(Case):
    def test_scripts_include_those_of_the_platform(self):
        folder = harness.temporary_folder()
        (folder / "spam.sieve").write_text('require "fileinto";\nif header :is "x-spam-flag" "YES" { fileinto "Junk"; stop; }\n')
        server = Node(hop=HERE, tables={"[sieve]": {"global": str(folder)}}).start()
        self.addCleanup(server.stop)
        user = server.user()
        session = Session(server.port("managesieve"), user, server.tls())
        session.put("own", 'require ["include"];\r\ninclude :global "spam";\r\ninclude :global :optional "none";\r\n')
        session.ask_for('SETACTIVE "own"')
        session.close()
        server.deliver(user, message("spam", "X-Spam-Flag: YES"), message("ham"))
        self.assertIn(b"Subject: spam", server.content(user, "Junk")[0])
        self.assertIn(b"Subject: ham", server.content(user)[0])
        # What is wrong there is told before a user meets it.
        (folder / "bad.sieve").write_text("kep;\n")
        told = harness.tepui("check", "--config", server.configuration)
        self.assertEqual(told.returncode, 1)
        self.assertRegex(told.stdout, r"(?s)bad\.sieve\n  script +FAILED: line 1: error: .*spam\.sieve\n  script +good")


class OverMailboxes(Case):
    SCRIPT = ('require ["fileinto", "imap4flags", "mailbox"];\n'
              'if header :is "subject" "fuera" { fileinto :create "Listas"; }\n'
              'elsif header :is "subject" "copia" { fileinto "Archive"; keep; }\n'
              'elsif header :is "subject" "basura" { discard; }\n'
              'elsif header :is "subject" "marca" { addflag ["\\\\Flagged", "trabajo"]; }\n'
              'elsif header :is "subject" "manda" { redirect "x@elsewhere.test"; }\n')

    @classmethod
    def setUpClass(cls):
        cls.server = Node(hop=HERE, tables={"[[mailbox]]": [{"name": "Archive"}, {"name": "Trash"}]}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.user = self.server.user()
        self.server.deliver(self.user, *(message(subject) for subject in ("fuera", "copia", "basura", "marca", "manda", "nada")))
        self.file = harness.temporary_folder() / "run.sieve"
        self.file.write_text(self.SCRIPT)
        client = self.server.imap(self.user, "INBOX")
        client.store("4", "+FLAGS", "\\Seen")
        client.logout()

    def run_it(self, *arguments, code=0):
        told = harness.tepui("sieve", "run", "--config", self.server.configuration, self.user.address, self.file, *arguments)
        self.assertEqual(told.returncode, code, told.stderr)
        return told.stdout

    def subjects(self, mailbox="INBOX"):
        contents = self.server.content(self.user, mailbox)
        return sorted(line[9:] for content in contents for line in content.decode().splitlines() if line.startswith("Subject: "))

    def test_nothing_is_done_unless_it_is_said(self):
        told = self.run_it("--discard", "expunge")
        self.assertIn("put into Listas; take out of INBOX", told)
        self.assertIn("discarded: expunge", told)
        self.assertIn("left out: redirect", told)
        self.assertIn("6 messages looked at, 4 would be changed", told)
        self.assertEqual(len(self.subjects()), 6)

    def test_messages_go_where_the_script_wants_them(self):
        lines = json.loads(self.run_it("--execute", "--discard", "move:Trash", "--json"))
        self.assertEqual([bool(line["actions"]) for line in lines], [True, True, True, True, False, False])
        self.assertEqual(lines[4]["left_out"], ["redirect"])
        self.assertEqual(self.subjects(), ["copia", "manda", "marca", "nada"])
        self.assertEqual([self.subjects(name) for name in ("Listas", "Archive", "Trash")], [["fuera"], ["copia"], ["basura"]])
        client = self.server.imap(self.user, "INBOX")
        # What it had it keeps.
        self.assertEqual(client.search(None, "FLAGGED", "SEEN", "KEYWORD", "trabajo", "SUBJECT", "marca")[1][0].split().__len__(), 1)
        client.logout()
        self.assertIn("0 were changed", self.run_it("--execute", "--search", "SUBJECT nada"))

    def test_what_is_discarded_stays_unless_it_is_said(self):
        self.run_it("--execute", "--search", "SUBJECT basura")
        self.assertIn("basura", self.subjects())
        self.run_it("--execute", "--search", "SUBJECT basura", "--discard", "delete")
        client = self.server.imap(self.user, "INBOX")
        self.assertEqual(client.search(None, "DELETED", "SUBJECT", "basura")[1][0].split().__len__(), 1)
        client.logout()

    def test_what_makes_no_sense_is_refused(self):
        for arguments in (["--search", "SINCE ayer"], ["--discard", "burn"], ["--mailbox", "No/Hay"]):
            self.run_it(*arguments, code=1)


class Sequences(Case):
    def test_scripts_before_and_after_run_as_long_as_the_message_is_kept(self):
        folder = harness.temporary_folder()
        (folder / "before.sieve").write_text('require "fileinto";\nif header :is "subject" "b" { fileinto "Junk"; }\n')
        (folder / "after.sieve").write_text('require "fileinto";\nif header :contains "subject" ["a", "b"] { fileinto "Archive"; }\n')
        server = Node(hop=HERE, tables={"[sieve]": {"before": [str(folder / "before.sieve")], "after": [str(folder / "after.sieve")]},
                                        "[[mailbox]]": [{"name": name} for name in ("Junk", "Archive")]}).start()
        self.addCleanup(server.stop)
        user = server.user()
        server.deliver(user, message("a"), message("b"), message("c"))
        found = {mailbox: [line for content in server.content(user, mailbox) for line in content.decode().splitlines() if line.startswith("Subject")]
                 for mailbox in ("INBOX", "Junk", "Archive")}
        self.assertEqual(found, {"INBOX": ["Subject: c"], "Junk": ["Subject: b"], "Archive": ["Subject: a"]})

    def test_scripts_call_mailboxes_as_mail_programs_do(self):
        folder = harness.temporary_folder()
        (folder / "all.sieve").write_text('require ["fileinto", "mailbox"];\nif mailboxexists "INBOX.Work.2026" { fileinto "INBOX.Work.2026"; }\n')
        server = Node(hop=HERE, tables={"[sieve]": {"before": [str(folder / "all.sieve")]},
                                        "[[namespace]]": [{"type": "private", "prefix": "INBOX.", "separator": "."}]}).start()
        self.addCleanup(server.stop)
        user = server.user()
        server.deliver(user, message("before"))
        client = server.imap(user)
        self.assertEqual(client.create("INBOX.Work.2026")[0], "OK")
        client.logout()
        server.deliver(user, message("after"))
        self.assertIn(b"Subject: after", server.content(user, "INBOX.Work.2026")[0])
        self.assertEqual(len(server.content(user)), 1)
