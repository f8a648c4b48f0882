"""Messages are scanned by a real clamd while they arrive."""

import base64
import smtplib

import harness
from clamd import EICAR, NAME, Clamd
from harness import HERE, Case, eventually, tepui


def message(user, body, subject="scanned", more=""):
    return f"From: {user.address}\r\nTo: {user.address}\r\nSubject: {subject}\r\n{more}\r\n{body}\r\n"


class Scan(Case):
    @classmethod
    def setUpClass(cls):
        cls.clamd = Clamd()
        cls.addClassCleanup(cls.clamd.end)

    def scanning(self, *scanners, **options):
        rows = [{"address": address} for address in scanners or [self.clamd.tcp]]
        return self.node(hop=HERE, tables={"[scan]": {"timeout": "2s"} | options, "[[scanner]]": rows})

    def submit(self, node, user, text):
        """The reply that refused it, or nothing."""
        with node.smtp(user) as client:
            try:
                client.sendmail(user.address, [user.address], text)
            except smtplib.SMTPDataError as error:
                return f"{error.smtp_code} {error.smtp_error.decode()}"
        return None

    def received(self, node, user):
        eventually(lambda: user.messages(), "the message is there")
        [content] = node.content(user)
        return content

    def test_the_clean_goes_on_marked_and_claims_of_the_sender_are_taken_out(self):
        for address in (self.clamd.tcp, self.clamd.unix):
            node = self.scanning(address)
            user = node.user()
            claims = "X-Virus-Status: Clean\r\nx-virus-scanned: by\r\n me\r\n"
            self.assertIsNone(self.submit(node, user, message(user, "hello", more=claims)))
            content = self.received(node, user)
            self.assertEqual(content.lower().count(b"x-virus-"), 2)
            self.assertIn(b"\r\nX-Virus-Scanned: clamd by Tepui at mail.example.test\r\nX-Virus-Status: Clean\r\n", content)
            self.assertEqual(node.status()["scan"]["clean"], 1)

    def test_the_infected_is_refused_in_the_words_of_clamav_milter_and_the_session_goes_on(self):
        node = self.scanning()
        user = node.user()
        attached = base64.b64encode(EICAR.encode()).decode()
        mime = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        for text in (message(user, EICAR), message(user, attached, more=mime)):
            self.assertEqual(self.submit(node, user, text), f"550 5.7.1 {NAME} virus detected")
        # Behind more than is held in memory, the scan began before the end.
        long = ("x" * 70 + "\r\n") * 10_000
        self.assertEqual(self.submit(node, user, message(user, long + EICAR)), f"550 5.7.1 {NAME} virus detected")
        with node.smtp(user) as client:
            with self.assertRaises(smtplib.SMTPDataError):
                client.sendmail(user.address, [user.address], message(user, EICAR))
            self.assertEqual(client.noop()[0], 250)
        self.assertEqual(node.status()["scan"]["infected"], 4)
        self.assertIn(f"verdict=infected virus={NAME} ", node.log())
        self.assertEqual(user.messages(), [])

    def test_the_infected_is_kept_on_hold_and_released(self):
        node = self.scanning(on_infected="quarantine")
        user = node.user()
        self.assertIsNone(self.submit(node, user, message(user, EICAR)))
        [entry] = node.queued()
        self.assertTrue(entry["held"])
        node.queue("release", entry["id"])
        self.assertIn(f"X-Virus-Status: Infected ({NAME})\r\n".encode(), self.received(node, user))

    def test_a_virus_for_the_mailbox_layer_is_marked_there(self):
        node = self.scanning(on_infected="tag", protocols=["lmtp"])
        user = node.user()
        node.deliver(user, message(user, EICAR))
        self.assertIn(f"X-Virus-Status: Infected ({NAME})\r\n".encode(), self.received(node, user))

    def test_what_the_scanner_finds_too_long_goes_on_and_says_so(self):
        node = self.scanning()
        user = node.user()
        self.assertIsNone(self.submit(node, user, message(user, ("x" * 70 + "\r\n") * 50_000)))
        self.assertIn(b"X-Virus-Status: Not scanned (too large)\r\n", self.received(node, user))

    def test_without_a_scanner_it_waits_or_goes_on_marked(self):
        nobody = f"127.0.0.1:{harness.free_port()}"
        node = self.scanning(nobody)
        user = node.user()
        self.assertEqual(self.submit(node, user, message(user, "hello")), "451 4.7.1 Service unavailable - try again later")
        node = self.scanning(nobody, on_failure="accept")
        user = node.user()
        self.assertIsNone(self.submit(node, user, message(user, "hello")))
        self.assertIn(b"X-Virus-Status: Not scanned\r\n", self.received(node, user))

    def test_another_scanner_takes_over_from_one_that_hangs(self):
        stuck = Clamd()
        self.addCleanup(stuck.end)
        stuck.freeze()
        node = self.scanning(stuck.tcp, self.clamd.tcp)
        user = node.user()
        long = ("x" * 70 + "\r\n") * 10_000
        self.assertEqual(self.submit(node, user, message(user, long + EICAR)), f"550 5.7.1 {NAME} virus detected")
        self.assertIn("a virus scanner failed", node.log())

    def test_check_asks_each_scanner(self):
        node = self.scanning(self.clamd.tcp, f"127.0.0.1:{harness.free_port()}", on_failure="accept")
        checked = tepui("check", "--config", node.configuration)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("ClamAV ", checked.stdout)
        self.assertIn("FAILED: Connection refused", checked.stdout)
        self.assertIn("viruses go on to their recipients", checked.stdout)
