"""Brute force: failed logins are counted over all protocols, locked, shown and lifted."""

import imaplib
import json
import poplib
import smtplib
import time

import harness
from harness import Case, eventually


class Lockout(Case):
    def server(self, **lockout):
        settings = {"account_failures": 4, "address_failures": 8, "slow_max": "0s", "trusted": []} | lockout
        return self.node(lockout=settings, limits={"login_failure_delay": "10ms"})

    def imap(self, server, login, password, source="127.0.0.1"):
        """Whether the login succeeds; the refusal must be the one of a wrong password."""
        client = imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls(), timeout=harness.WAIT_PATIENCE)
        try:
            client.login(login, password)
        except imaplib.IMAP4.error as refused:
            self.assertIn("[AUTHENTICATIONFAILED]", str(refused))
            return False
        client.logout()
        return True

    def pop3(self, server, login, password):
        client = poplib.POP3_SSL("127.0.0.1", server.port("pop3s"), context=server.tls(), timeout=harness.WAIT_PATIENCE)
        client.user(login)
        try:
            client.pass_(password)
        except poplib.error_proto as refused:
            self.assertIn("[AUTH]", str(refused))
            return False
        client.quit()
        return True

    def smtp(self, server, login, password):
        with smtplib.SMTP_SSL("127.0.0.1", server.port("submissions"), timeout=harness.WAIT_PATIENCE, context=server.tls()) as client:
            try:
                client.login(login, password)
            except smtplib.SMTPAuthenticationError as refused:
                # smtplib tries every mechanism that is offered.
                self.assertEqual(refused.smtp_code, 535)
                return False
            return True

    def rows(self, server):
        return {(row["kind"], row["who"]): row for row in json.loads(server.auth_failures("--json"))}

    def test_failures_of_all_protocols_lock_an_account_and_are_lifted_by_hand(self):
        server = self.server()
        ana, other = server.user(), server.user()
        self.assertFalse(self.imap(server, ana.address, "wrong 1"))
        self.assertFalse(self.pop3(server, ana.address, "wrong 2"))
        self.assertFalse(self.smtp(server, ana.address, "wrong 3"))
        self.assertEqual(self.rows(server)["account", ana.address]["failures"], 3)
        self.assertEqual(self.rows(server)["account", ana.address]["state"], "counted")
        self.assertFalse(self.imap(server, ana.address.upper(), "wrong 4"))
        for try_ in [self.imap, self.pop3, self.smtp]:
            self.assertFalse(try_(server, ana.address, ana.password), "the right password while it is locked")
        self.assertTrue(self.imap(server, other.address, other.password))
        row = self.rows(server)["account", ana.address]
        self.assertEqual((row["failures"], row["state"]), (4, "locked"))
        self.assertTrue(0 < row["until"] / 1000 - time.time() <= 900)
        self.assertRegex(server.auth_failures(), rf"locked +4 +1?\dm?\S* +account +{ana.address}")
        self.assertRegex(server.log(), rf"login locked session=\S+ bound=account subject={ana.address} failures=4 until=\S+Z")
        self.assertRegex(server.log(), r"login refused .* reason=\"account\S* \S+ .*is locked until")
        self.assertIn("lifted", server.auth_failures("--lift", ana.address))
        self.assertTrue(self.imap(server, ana.address, ana.password))
        self.assertIn("no failures", server.auth_failures("--lift", ana.address))
        self.assertNotIn("wrong 1", server.log())

    def test_the_same_old_password_of_a_telephone_counts_once(self):
        server = self.server()
        ana = server.user()
        for _ in range(12):
            self.assertFalse(self.imap(server, ana.address, "the old one"))
        self.assertEqual(self.rows(server)["account", ana.address]["failures"], 1)
        self.assertTrue(self.imap(server, ana.address, ana.password))
        self.assertEqual(self.rows(server), {})

    def test_an_address_is_locked_by_guessing_at_many_but_stays_open_to_who_came_from_there(self):
        server = self.server()
        known, stranger = server.user(), server.user()
        self.assertTrue(self.imap(server, known.address, known.password))
        for number in range(8):
            self.assertFalse(self.imap(server, f"nosuch{number}@example.test", "x"))
        self.assertEqual(self.rows(server)["address", "127.0.0.1/32"]["state"], "locked")
        self.assertFalse(self.imap(server, stranger.address, stranger.password))
        self.assertTrue(self.imap(server, known.address, known.password))
        self.assertIn("lifted", server.auth_failures("--lift", "127.0.0.0/24"))
        self.assertTrue(self.imap(server, stranger.address, stranger.password))

    def test_a_reload_keeps_the_locks_and_all_may_be_lifted(self):
        server = self.server()
        ana = server.user()
        for number in range(4):
            self.imap(server, ana.address, f"wrong {number}")
        server.send_signal(harness.signal.SIGHUP)
        eventually(lambda: "new settings are in force" in server.log(), "it was reloaded")
        self.assertFalse(self.imap(server, ana.address, ana.password))
        self.assertIn("lifted", server.auth_failures("--all"))
        self.assertEqual(server.auth_failures(), "no failed logins are counted\n")
        self.assertTrue(self.imap(server, ana.address, ana.password))

    def test_answers_become_slower_before_the_lock(self):
        server = self.server(account_failures=4, slow_max="2s")
        ana = server.user()
        for number in range(3):
            self.imap(server, ana.address, f"wrong {number}")
        self.assertEqual(self.rows(server)["account", ana.address]["state"], "slow")
        began = time.monotonic()
        self.assertTrue(self.imap(server, ana.address, ana.password))
        self.assertGreater(time.monotonic() - began, 0.9)
        began = time.monotonic()
        self.assertTrue(self.imap(server, ana.address, ana.password))
        self.assertLess(time.monotonic() - began, 0.9)

    def test_it_may_be_switched_off(self):
        server = self.server(mode="off")
        ana = server.user()
        for number in range(10):
            self.assertFalse(self.imap(server, ana.address, f"wrong {number}"))
        self.assertTrue(self.imap(server, ana.address, ana.password))


class Trusted(Case):
    def test_a_trusted_network_needs_no_password_on_its_listener_and_on_no_other(self):
        server = self.node(trusted={"networks": ["127.0.0.1"], "listeners": ["imaps"]})
        ana = server.user()
        client = imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls())
        client.login(ana.address, "anything")
        client.logout()
        self.assertRegex(server.log(), rf"login without a password from a trusted network .* account={ana.address} listener=imaps")
        with self.assertRaises(imaplib.IMAP4.error):
            imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls()).login("nosuch@example.test", "anything")
        with self.assertRaises(poplib.error_proto):
            client = poplib.POP3_SSL("127.0.0.1", server.port("pop3s"), context=server.tls())
            client.user(ana.address)
            client.pass_("anything")
