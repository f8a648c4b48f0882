"""LMTP as Postfix and others speak it to us: the dialogue, and what is on disk after it."""

import smtplib

import messages
from harness import Case, Node, shared_node, temporary_folder
from test_together import lmtp
from wire import Wire


class Dialogue(Case):
    def setUp(self):
        self.server = shared_node()
        self.users = [self.server.user(), self.server.user()]

    def greet(self, **options):
        wire = Wire(self.server.port("lmtp"))
        self.addCleanup(wire.close)
        self.assertRegex(wire.reply(), "^220 mail.example.test LMTP ")
        return wire

    def test_offers_what_relays_use(self):
        offered = self.greet().ask("LHLO relay.test").replace("250-", "").replace("250 ", "").split("\n")
        self.assertLessEqual({"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"}, set(offered))
        self.assertTrue(any(line.startswith("SIZE ") for line in offered), offered)
        self.assertFalse(any(line.startswith(("AUTH", "VRFY")) for line in offered), offered)

    def test_a_pipelined_transaction_with_chunks_has_an_answer_a_recipient(self):
        wire = self.greet()
        content = messages.text("in chunks")
        first, rest = content[:10], content[10:]
        commands = ["LHLO relay.test", f"MAIL FROM:<a@elsewhere.test> SIZE={len(content)} BODY=8BITMIME"]
        commands += [f"RCPT TO:<{address}>" for address in (self.users[0].address, "nobody@example.test", self.users[1].address)]
        wire.send("\r\n".join(commands).encode() + b"\r\n" + f"BDAT {len(first)}\r\n".encode() + first + f"BDAT {len(rest)} LAST\r\n".encode() + rest + b"QUIT\r\n")
        codes = [wire.reply()[:9] for _ in range(9)]
        expected = ["250-mail.", "250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.0.0", "250 2.0.0", "250 2.0.0", "221 2.0.0"]
        self.assertEqual(codes, expected)
        for user in self.users:
            self.assertIn(b"Subject: in chunks", user.messages()[0].read_bytes())

    def test_the_header_of_the_delivery_is_dovecots(self):
        self.server.deliver(self.users[0], messages.text("traced"))
        header = self.users[0].messages()[0].read_text().split("Subject:")[0]
        address = self.users[0].address
        self.assertRegex(header, "^Return-Path: <sender@elsewhere.test>\n"
                                 f"Delivered-To: {address}\n"
                                 "Received: from [^\n]* \\(\\[127\\.0\\.0\\.1\\]\\)\n"
                                 "\tby mail.example.test \\(Tepui\\) with LMTP\n\tid ")
        self.assertIn(f"for <{address}>", header)

    def test_a_null_sender_and_an_old_trace_are_taken(self):
        with Wire(self.server.port("lmtp")) as wire:
            wire.reply()
            for command in ["LHLO relay.test", "MAIL FROM:<>", f"RCPT TO:<{self.users[0].address}>", "DATA"]:
                self.assertIn(wire.ask(command)[:3], ("250", "354"))
            wire.send(b"Return-Path: <old@elsewhere.test>\r\n" + messages.text("report") + b".\r\n")
            self.assertTrue(wire.reply().startswith("250"))
        self.assertTrue(self.users[0].messages()[0].read_bytes().startswith(b"Return-Path: <>\n"))


class Detail(Case):
    def deliver(self, detail):
        local_part, domain = self.user.address.split("@")
        answer = lmtp(self.server, [f"{local_part}+{detail}@{domain}"], "Subject: detail\r\n\r\nx")
        self.assertTrue(answer[0].startswith("250"), answer)

    def serve(self, **options):
        self.server = self.node(tables={"[lmtp]": options})
        self.user = self.server.user()
        with self.server.imap(self.user) as imap:
            imap.create("lists")
            imap.create('"two words"')

    def test_a_detail_names_a_mailbox_that_is_there(self):
        self.serve(save_to_detail_mailbox="yes")
        self.deliver("lists")
        self.assertEqual((len(self.user.messages(".lists")), len(self.user.messages())), (1, 0))
        self.deliver("nada")
        self.deliver("")
        self.deliver("INBOX")
        self.assertEqual(len(self.user.messages()), 3)
        self.assertFalse((self.user.maildir / ".nada").exists())

    def test_a_scripts_keep_means_it_and_fileinto_does_not(self):
        self.serve(save_to_detail_mailbox="yes")
        home = self.user.maildir.parent
        (home / "sieve").mkdir(exist_ok=True)
        (home / ".dovecot.sieve").write_text('require "fileinto";\nif header :contains "subject" "else" { fileinto "two words"; }\n')
        self.deliver("lists")
        self.assertEqual(len(self.user.messages(".lists")), 1)

    def test_without_the_setting_all_is_in_inbox(self):
        self.serve()
        self.deliver("lists")
        self.assertEqual((len(self.user.messages(".lists")), len(self.user.messages())), (0, 1))


class UnixSocket(Case):
    def test_mail_comes_in_by_a_unix_socket_that_survives_a_crash(self):
        folder = temporary_folder()
        node = Node(listeners={"lmtp": ("lmtp", "off", {"address": str(folder / "lmtp")})})
        self.own(node).start()
        user = node.user()
        for number in range(2):
            with smtplib.LMTP(str(folder / "lmtp")) as client:
                client.sendmail("a@elsewhere.test", [user.address], messages.text(f"unix {number}"))
            node.kill()
            self.assertTrue((folder / "lmtp").exists())
            node.start()
        self.assertEqual(len(user.messages()), 2)
        self.assertEqual((folder / "lmtp").stat().st_mode & 0o777, 0o660)
        self.assertEqual(node.stop(), 0)
        self.assertFalse((folder / "lmtp").exists())


class Slow(Case):
    def test_a_recipient_who_takes_long_is_told_so_and_nobody_else_waits_for_him(self):
        node = self.node(tables={"[lmtp]": {"answer_within": "2s"}, "[quota]": {"rules": ["*:bytes=20K"]}}, level="info")
        slow, quick = node.user(), node.user()
        # Near its limit an account is counted under its lock, which somebody holds.
        node.deliver(slow, messages.text("first", body="x" * 900 + "\r\n"))
        lock = slow.maildir.parent / "dovecot-quota.lock"
        lock.write_text("")
        answers = lmtp(node, [slow.address, quick.address], "Subject: both\r\n\r\n" + ("y" * 900 + "\r\n") * 18)
        self.assertRegex(answers[0], "^451 4.4.1 ")
        self.assertRegex(answers[1], "^250 2.0.0 ")
        lock.unlink()
        self.assertEqual(len(quick.messages()), 1)
        # What was given up is not made later: the lock is free for the one who tries again.
        answers = lmtp(node, [slow.address], "Subject: again\r\n\r\n" + ("y" * 900 + "\r\n") * 18)
        self.assertRegex(answers[0], "^250 2.0.0 ")
        self.assertEqual(len(slow.messages()), 2)
