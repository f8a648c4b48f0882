"""IMAP by Python's imaplib: every command of IMAP4rev1, and the extensions that are announced."""

import base64
import imaplib
import re

import messages
from harness import Case, plain, shared_node
from wire import Wire


class Imap(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()

    def deliver(self, *subjects):
        self.server.deliver(self.user, *map(messages.text, subjects))

    def open(self, mailbox="INBOX"):
        client = self.server.imap(self.user, mailbox)
        self.addCleanup(client.shutdown)
        return client

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def raw(self):
        """A logged-in conversation by hand."""
        wire = Wire(self.server.port("imaps"), self.server.tls())
        self.addCleanup(wire.close)
        wire.line()
        self.assertIn("OK", wire.tagged("login", f"LOGIN {self.user.address} {self.user.password}")[-1])
        return wire


class Commands(Imap):
    def test_capability_noop_and_logout_in_any_state(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=20)
        self.assertIn("IMAP4REV1", client.capabilities)
        self.ok(client.noop())
        self.assertEqual(client.logout()[0], "BYE")

    def test_starttls_then_login_or_authenticate(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=20)
        with self.assertRaises(imaplib.IMAP4.error):
            client.login(self.user.address, self.user.password)
        self.ok(client.starttls(self.server.tls()))
        self.ok(client.authenticate("PLAIN", lambda _: f"\0{self.user.address}\0{self.user.password}".encode()))
        client.logout()

    def test_a_wrong_password_is_refused_and_the_right_one_still_works(self):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=self.server.tls(), timeout=20)
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            client.login(self.user.address, "not-the-password-8")
        self.ok(client.login(self.user.address, self.user.password))
        self.assertNotIn("not-the-password-8", self.server.log())

    def test_mailboxes_are_made_renamed_subscribed_listed_and_deleted(self):
        client = self.open()
        self.ok(client.create("Proyectos/2026"))
        self.ok(client.subscribe("Proyectos/2026"))
        self.assertEqual(client.create("Proyectos/2026")[0], "NO")
        self.assertIn("Proyectos/2026", str(self.ok(client.list('""', "Proyectos/*"))))
        self.ok(client.rename("Proyectos", "Archivo"))
        self.assertIn("Archivo/2026", str(self.ok(client.list('""', "*"))))
        self.assertIn("Proyectos/2026", str(self.ok(client.lsub('""', "*"))))
        self.ok(client.unsubscribe("Proyectos/2026"))
        self.ok(client.delete("Archivo/2026"))
        self.assertNotIn("2026", str(self.ok(client.list('""', "*"))))
        self.assertEqual(client.delete("INBOX")[0], "NO")

    def test_names_beyond_ascii_come_back_as_they_were_given(self):
        client = self.open()
        self.ok(client.create("Canci&APM-n"))
        self.assertIn("Canci&APM-n", str(self.ok(client.list('""', "Canci*"))))
        self.assertTrue((self.user.maildir / ".Canci&APM-n").is_dir())

    def test_select_status_and_examine_agree(self):
        self.deliver("one", "two", "three")
        client = self.open()
        self.assertEqual(client.response("EXISTS")[1], [b"3"])
        status = self.ok(client.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))[0].decode()
        self.assertRegex(status, r"MESSAGES 3 UIDNEXT 4 UIDVALIDITY \d+ UNSEEN 3")
        self.assertEqual(client.response("UIDVALIDITY")[1][0].decode(), re.search(r"UIDVALIDITY (\d+)", status).group(1))
        self.ok(client.select("INBOX", readonly=True))
        # imaplib itself notices that the mailbox is read-only.
        self.assertEqual(client.store("1", "+FLAGS", "\\Seen")[0], "NO")

    def test_fetch_gives_envelope_structure_parts_and_sizes(self):
        message = messages.with_attachments("structured", 7)
        self.server.deliver(self.user, message)
        client = self.open()
        item = self.ok(client.fetch("1", "(UID ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE FLAGS)"))[0]
        text = item if isinstance(item, bytes) else b"".join(item)
        for part in [b"\"structured\"", b"\"image\" \"png\"", b"\"picture.png\"", b"\"mixed\"", b"\"alternative\""]:
            self.assertIn(part.lower(), text.lower())
        whole = self.ok(client.fetch("1", "(BODY.PEEK[])"))[0][1]
        self.assertIn(f"RFC822.SIZE {len(whole)}".encode(), text)
        part = self.ok(client.fetch("1", "(BODY.PEEK[3])"))[0][1]
        self.assertEqual(part.replace(b"\r\n", b"").strip(), b"YSxiCjEsMgo=" if b"base64" in whole.split(b"csv")[1] else b"a,b1,2")
        self.assertEqual(self.ok(client.fetch("1", "(BODY.PEEK[]<10.20>)"))[0][1], whole[10:30])

    def test_search_finds_by_flag_header_text_date_size_and_sequence(self):
        self.server.deliver(self.user, messages.text("apple", sender="ana@example.test"), messages.of_size("banana", 9000),
                            messages.eight_bit("cherry"))
        client = self.open()
        self.ok(client.store("2", "+FLAGS", "(\\Flagged $Work)"))
        searches = {
            "ALL": "1 2 3", "FLAGGED": "2", "KEYWORD $Work": "2", "UNKEYWORD $Work": "1 3", 'SUBJECT "apple"': "1",
            'FROM "ana@"': "1 2 3", "LARGER 8000": "2", "SMALLER 100": "", "2:*": "2 3", 'BODY "banana"': "",
            'TEXT "banana"': "2", "SENTON 20-Nov-2026": "1 2 3", "SENTBEFORE 1-Jan-2020": "", "OR SUBJECT apple SUBJECT cherry": "1 3",
            "NOT FLAGGED": "1 3", "UID 2:3": "2 3", 'HEADER Message-ID "cherry"': "3", "(SEEN UNSEEN)": "",
        }
        for query, found in searches.items():
            self.assertEqual(self.ok(client.search(None, query))[0].decode(), found, query)
        client.literal = "日本".encode()
        self.assertEqual(self.ok(client.search("UTF-8", "BODY"))[0], b"3")

    def test_flags_are_stored_added_removed_and_kept(self):
        self.deliver("flags")
        client = self.open()
        for change, flags, letters in [("FLAGS", "(\\Seen \\Flagged)", "FS"), ("+FLAGS", "\\Answered", "FRS"),
                                       ("-FLAGS.SILENT", "(\\Flagged)", "RS"), ("+FLAGS", "($Forwarded)", "RSa")]:
            self.ok(client.store("1", change, flags))
            self.assertTrue(self.user.files("cur")[0].name.endswith(":2," + letters), self.user.files("cur"))
        again = self.open()
        self.assertIn("$Forwarded", str(self.ok(again.fetch("1", "(FLAGS)"))))

    def test_append_keeps_flags_date_and_octets(self):
        client = self.open()
        message = messages.eight_bit("appended")
        date = '"17-Jul-1996 02:44:25 -0700"'
        answer = self.ok(client.append("Drafts", "(\\Draft \\Seen)", date, message))
        self.assertRegex(answer[0], rb"APPENDUID \d+ 1")
        self.ok(client.select("Drafts"))
        fetched = self.ok(client.fetch("1", "(FLAGS INTERNALDATE BODY.PEEK[])"))
        self.assertEqual(fetched[0][1], message)
        told = (fetched[0][0] + fetched[1]).decode()
        self.assertIn("\\Draft", told)
        self.assertIn("17-Jul-1996", told)
        self.assertEqual(client.append("Nowhere", None, None, message)[0], "NO")

    def test_several_messages_are_appended_together_or_none_is(self):
        client = self.open()
        self.assertIn("MULTIAPPEND", self.ok(client.capability())[0].decode())
        first, second = messages.text("first"), messages.eight_bit("second")
        wire = self.raw()
        wire.send(b"a APPEND Drafts (\\Seen) {%d+}\r\n%b \"17-Jul-1996 02:44:25 -0700\" {%d+}\r\n%b\r\n" % (len(first), first, len(second), second))
        self.assertRegex(wire.until("a")[-1], r"^a OK \[APPENDUID \d+ 1:2\]")
        wire.send(b"b APPEND Drafts {%d+}\r\n%b {0+}\r\n\r\n" % (len(first), first))
        self.assertRegex(wire.until("b")[-1], "^b NO ")
        self.assertEqual(self.ok(client.select("Drafts")), [b"2"])
        fetched = self.ok(client.fetch("1:2", "(INTERNALDATE BODY.PEEK[])"))
        self.assertEqual((fetched[0][1], fetched[2][1]), (first, second))
        self.assertIn(b"17-Jul-1996", fetched[2][0])

    def test_parts_come_without_their_encoding(self):
        self.server.deliver(self.user, messages.with_attachments("parts", 3))
        client = self.open()
        encoded = self.ok(client.fetch("1", "(BODY.PEEK[3])"))[0][1]
        head = self.ok(client.fetch("1", "(BODY.PEEK[3.MIME])"))[0][1]
        plain = base64.b64decode(encoded) if b"base64" in head else encoded
        told = b"".join(self.wire_fetch("1 (BINARY.SIZE[3] BINARY.PEEK[3])"))
        self.assertIn(b"BINARY.SIZE[3] %d" % len(plain), told)
        self.assertIn(b"{%d}" % len(plain), told)

    def wire_fetch(self, what):
        wire = self.raw()
        wire.tagged("s", "SELECT INBOX")
        return [line.encode() for line in wire.tagged("f", f"FETCH {what}")]

    def test_a_message_is_put_together_of_parts_of_others(self):
        self.server.deliver(self.user, messages.with_attachments("whole", 3))
        client = self.open()
        whole = self.ok(client.fetch("1", "(BODY.PEEK[])"))[0][1]
        wire = self.raw()
        wire.send(b'a APPEND Drafts CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER" TEXT {4+}\r\nnew '
                  b' URL "/INBOX/;UID=1/;SECTION=TEXT" URL "/INBOX/;UID=1/;PARTIAL=0.6")\r\n')
        self.assertRegex(wire.until("a")[-1], r"^a OK \[APPENDUID \d+ 1\]")
        wire.send('b APPEND Drafts CATENATE (URL "/INBOX/;UID=9")')
        self.assertRegex(wire.until("b")[-1], r'^b NO \[BADURL "/INBOX/;UID=9"\]')
        self.ok(client.select("Drafts"))
        header, text = whole.split(b"\r\n\r\n", 1)
        made = self.ok(client.fetch("1", "(BODY.PEEK[])"))[0][1]
        self.assertEqual(made, header + b"\r\n\r\nnew " + text + whole[:6])

    def test_a_message_takes_anothers_place(self):
        self.deliver("old", "other")
        wire = self.raw()
        wire.tagged("a", "SELECT INBOX")
        new = messages.text("new")
        wire.send(b"b UID REPLACE 1 INBOX (\\Seen) {%d+}\r\n%b\r\n" % (len(new), new))
        told = wire.until("b")
        self.assertRegex(told[0], r"^\* OK \[APPENDUID \d+ 3\]")
        self.assertIn("* 1 EXPUNGE", told)
        self.assertRegex(told[-1], "^b OK ")
        self.assertEqual(sorted(self.ok(self.open().uid("SEARCH", "ALL"))[0].split()), [b"2", b"3"])

    def test_another_may_log_in_on_the_same_connection(self):
        other = self.server.user()
        self.deliver("mine")
        wire = self.raw()
        self.assertIn("UNAUTHENTICATE", wire.tagged("a", "CAPABILITY")[0])
        wire.tagged("b", "SELECT INBOX")
        self.assertRegex(wire.tagged("c", "UNAUTHENTICATE")[-1], "^c OK ")
        self.assertRegex(wire.tagged("d", "SELECT INBOX")[-1], "^d BAD ")
        self.assertRegex(wire.tagged("e", f"LOGIN {other.address} {other.password}")[-1], "^e OK ")
        self.assertIn("* 0 EXISTS", wire.tagged("f", "SELECT INBOX"))

    def test_copy_expunge_check_and_close(self):
        self.deliver("one", "two", "three")
        client = self.open()
        self.assertRegex(self.ok(client.copy("1:2", "Trash"))[0], rb"COPYUID \d+ 1:2 1:2")
        self.ok(client.check())
        self.ok(client.store("1,3", "+FLAGS", "\\Deleted"))
        self.assertEqual(self.ok(client.expunge()), [b"1", b"2"])
        self.ok(client.store("1", "+FLAGS", "\\Deleted"))
        self.ok(client.close())
        self.assertEqual(self.ok(client.select("INBOX")), [b"0"])
        self.assertEqual(self.ok(client.select("Trash")), [b"2"])
        self.assertRegex(str(client.copy("1", "Nowhere")), "TRYCREATE")

    def test_uid_forms_work_on_uids(self):
        self.deliver("one", "two", "three")
        client = self.open()
        self.ok(client.uid("STORE", "1", "+FLAGS", "(\\Deleted)"))
        self.ok(client.expunge())
        self.assertEqual(self.ok(client.uid("SEARCH", None, "ALL"))[0], b"2 3")
        self.assertIn(b"UID 3", b"".join(self.ok(client.uid("FETCH", "3", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))[0]))
        self.ok(client.uid("COPY", "2", "Trash"))


class Extensions(Imap):
    def test_the_extensions_that_are_announced(self):
        names = set(self.ok(self.open().capability())[0].decode().split())
        wanted = {"IDLE", "UIDPLUS", "MOVE", "LITERAL+", "NAMESPACE", "SPECIAL-USE", "UNSELECT", "ENABLE", "ID", "SASL-IR", "CHILDREN"}
        self.assertEqual(wanted - names, set())

    def test_idle_hears_new_mail_flags_and_expunges_of_others(self):
        self.deliver("one")
        wire, other = self.raw(), self.open()
        wire.tagged("s", "SELECT INBOX")
        wire.send("i IDLE")
        self.assertTrue(wire.line().startswith(b"+ "))
        self.deliver("two")
        self.assertEqual(self.next_about(wire, "EXISTS"), "* 2 EXISTS")
        other.store("1", "+FLAGS", "\\Flagged")
        self.assertIn("\\Flagged", self.next_about(wire, "FETCH"))
        other.store("2", "+FLAGS", "\\Deleted")
        other.expunge()
        self.assertEqual(self.next_about(wire, "EXPUNGE"), "* 2 EXPUNGE")
        wire.send("DONE")
        self.assertIn("OK", wire.until("i")[-1])

    @staticmethod
    def next_about(wire, word):
        while word not in (line := wire.line().decode()):
            assert line, f"closed before {word}"
        return line

    def test_uidplus_expunges_only_the_named(self):
        self.deliver("one", "two")
        client = self.open()
        self.ok(client.store("1:2", "+FLAGS", "\\Deleted"))
        self.ok(client.uid("EXPUNGE", "2"))
        self.assertEqual(self.ok(client.uid("SEARCH", None, "ALL"))[0], b"1")

    def test_move_takes_the_message_and_tells_both_uids(self):
        self.deliver("one", "two")
        wire = self.raw()
        wire.tagged("s", "SELECT INBOX")
        lines = wire.tagged("m", "UID MOVE 2 Archive/2026")
        self.assertIn("NO [TRYCREATE]", lines[-1])
        lines = wire.tagged("m", "UID MOVE 2 Trash")
        self.assertRegex("\n".join(lines), r"\* OK \[COPYUID \d+ 2 1\]")
        self.assertIn("* 2 EXPUNGE", lines)
        self.assertEqual((len(self.user.messages()), len(self.user.messages(".Trash"))), (1, 1))

    def test_the_special_folders_are_there_with_their_use(self):
        lines = "\n".join(self.raw().tagged("l", 'LIST "" "*"'))
        for name in ["Drafts", "Junk", "Sent", "Trash"]:
            self.assertRegex(lines, rf'\* LIST \([^)]*\\{name}[^)]*\) "/" "?{name}"?')

    def test_namespace_id_enable_and_unselect(self):
        wire = self.raw()
        self.assertIn('* NAMESPACE (("" "/")) NIL NIL', wire.tagged("n", "NAMESPACE"))
        self.assertRegex("\n".join(wire.tagged("i", 'ID ("name" "test")')), r"(?i)\* ID \(.*tepui")
        self.assertIn("* ENABLED", wire.tagged("e", "ENABLE X-NOTHING"))
        self.deliver("kept")
        wire.tagged("s", "SELECT INBOX")
        wire.tagged("d", "STORE 1 +FLAGS (\\Deleted)")
        self.assertIn("OK", wire.tagged("u", "UNSELECT")[-1])
        self.assertEqual(len(self.user.messages()), 1)

    def test_literals_with_and_without_waiting(self):
        wire = self.raw()
        wire.send("a STATUS {5}")
        self.assertTrue(wire.line().startswith(b"+ "))
        wire.send("INBOX (MESSAGES)")
        self.assertIn("* STATUS INBOX (MESSAGES 0)", wire.until("a"))
        wire.send("b STATUS {5+}\r\nINBOX (MESSAGES)")
        self.assertIn("* STATUS INBOX (MESSAGES 0)", wire.until("b"))

    def test_the_password_may_come_with_the_authenticate_command(self):
        with Wire(self.server.port("imaps"), self.server.tls()) as wire:
            wire.line()
            self.assertIn("a OK", wire.tagged("a", f"AUTHENTICATE PLAIN {plain(self.user)}")[-1])

    def test_commands_sent_in_one_go_are_answered_in_order(self):
        self.deliver("one")
        wire = self.raw()
        wire.send("1 SELECT INBOX\r\n2 FETCH 1 (FLAGS)\r\n3 NOOP\r\n4 LOGOUT")
        said = wire.rest().decode()
        places = [said.index(f"{n} OK") for n in range(1, 5)]
        self.assertEqual(places, sorted(places))
