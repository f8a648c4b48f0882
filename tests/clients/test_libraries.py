"""A hundred messages through submission by Python's smtplib, read back by its imaplib and poplib."""

import smtplib

import messages
from harness import Case, eventually, shared_node

LARGE = 20 * 1024 * 1024


def hundred():
    """Subject and octets of each: text, attachments, 8-bit, and a large one."""
    kinds = [
        lambda n: messages.text(f"text {n}", body=f"line\r\n.\r\n..dots\r\n\r\n{'x' * 900}\r\n" * (n + 1)),
        lambda n: messages.with_attachments(f"attachments {n}", n),
        lambda n: messages.eight_bit(f"eight bit {n}"),
    ]
    return [kinds[n % 3](n) for n in range(99)] + [messages.of_size("large", LARGE)]


class Hundred(Case):
    patience = 300

    def test_a_hundred_messages_come_back_byte_for_byte_over_imap_and_pop3(self):
        node = shared_node()
        ana, bob = node.user(), node.user()
        sent = hundred()
        with node.smtp(ana) as client:
            for message in sent:
                options = [] if message.isascii() else ["body=8BITMIME"]
                client.sendmail(ana.address, [bob.address], message, mail_options=options)
        node.drained(patience=120)
        self.assertEqual(sorted(map(messages.without_trace, node.content(bob))), sorted(sent))
        fetched = self.over_pop3(node, bob)
        self.assertEqual(sorted(map(messages.without_trace, fetched)), sorted(sent))

    def over_pop3(self, node, user):
        client = node.pop3(user)
        count, size = client.stat()
        fetched = [b"".join(line + b"\r\n" for line in client.retr(n + 1)[1]) for n in range(count)]
        self.assertEqual(sum(map(len, fetched)), size)
        client.quit()
        return fetched


class Submission(Case):
    def setUp(self):
        self.server = shared_node()
        self.ana, self.bob = self.server.user(), self.server.user()

    def test_the_implicit_tls_port_takes_mail_too(self):
        with self.server.smtp(self.ana, "submissions") as client:
            client.sendmail(self.ana.address, [self.bob.address], messages.text("implicit"))
        eventually(lambda: self.bob.messages(), "the message is there")

    def test_an_internationalized_address_gets_its_mail(self):
        node = self.node(users=["ñandú@example.test"])
        sender = node.user()
        with node.smtp(sender) as client:
            client.sendmail(sender.address, ["ñandú@example.test"], messages.eight_bit("utf8"), mail_options=["SMTPUTF8", "body=8BITMIME"])
        node.drained()
        found = list((node.folder / "mail/example.test/ñandú/maildir/new").iterdir())
        self.assertEqual(len(found), 1)

    def test_a_detail_behind_the_delimiter_reaches_the_account(self):
        local_part, domain = self.bob.address.split("@")
        with self.server.smtp(self.ana) as client:
            client.sendmail(self.ana.address, [f"{local_part}+lists@{domain}"], messages.text("detail"))
        eventually(lambda: self.bob.messages(), "the message is there")

    def test_an_unknown_recipient_is_refused_and_the_others_stand(self):
        with self.server.smtp(self.ana) as client:
            refused = client.sendmail(self.ana.address, ["nobody@example.test", self.bob.address], messages.text("two"))
        self.assertEqual(refused["nobody@example.test"][0], 550)
        self.assertIn(b"5.1.1", refused["nobody@example.test"][1])
        eventually(lambda: self.bob.messages(), "the message is there")

    def test_nobody_sends_without_login_nor_logs_in_without_tls(self):
        with self.server.smtp() as client:
            client.ehlo()
            self.assertEqual(client.mail(self.ana.address)[0], 530)
        with smtplib.SMTP("127.0.0.1", self.server.port("submission"), timeout=10) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("auth"))
            self.assertIn(client.docmd("AUTH PLAIN AGEAYg==")[0], (530, 538))

    def test_a_date_and_a_message_id_are_added_when_they_are_missing(self):
        with self.server.smtp(self.ana) as client:
            client.sendmail(self.ana.address, [self.bob.address], b"Subject: bare\r\n\r\nx\r\n")
        eventually(lambda: self.bob.messages(), "the message is there")
        header = self.server.content(self.bob)[0].split(b"\r\n\r\n")[0]
        self.assertIn(b"\r\nDate: ", header)
        self.assertIn(b"\r\nMessage-ID: <", header)

    def test_one_trace_id_names_the_message_from_submission_to_mailbox(self):
        with self.server.smtp(self.ana) as client:
            client.sendmail(self.ana.address, [self.bob.address], messages.text("traced"))
        self.server.drained()
        stored = next(line for line in self.server.log().splitlines() if f"<{self.bob.address}> in INBOX" in line)
        trace = next(word for word in stored.split() if word.startswith("trace="))
        lines = [line for line in self.server.log().splitlines() if trace in line]
        for step in ["submitted", "queued", "relayed", "stored"]:
            self.assertTrue(any(f"message {step}" in line for line in lines), (step, lines))
        self.assertIn(trace.removeprefix("trace=").encode(), self.server.content(self.bob)[0])
