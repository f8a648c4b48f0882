"""`tepui user` on a password file: a running node takes over what is changed, and nothing of a file is lost."""

import concurrent.futures
import imaplib
import json
import os

import harness
from harness import Case, eventually


class Users(Case):
    def setUp(self):
        self.server = self.node()
        self.users = self.server.folder / "users"

    def user(self, *arguments, password=None, code=0):
        result = harness.tepui("user", *arguments, "--config", self.server.configuration, input=password and password + "\n")
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def logs_in(self, address, password):
        try:
            client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=self.server.tls(), timeout=harness.WAIT_PATIENCE)
            client.login(address, password)
            client.logout()
            return True
        except imaplib.IMAP4.error:
            return False

    def test_a_line_is_made_in_the_scheme_that_is_asked_for(self):
        for typed, kept in [("scram-sha-256", "{SCRAM-SHA-256}"), ("argon2id", "{ARGON2ID}"), ("sha512-crypt", "{SHA512-CRYPT}"), ("bcrypt", "{BLF-CRYPT}")]:
            result = harness.tepui("password", "nueva@example.test", "--scheme", typed, input="secret\n")
            self.assertTrue(result.stdout.startswith(f"nueva@example.test:{kept}"), result.stdout + result.stderr)
            self.users.write_text(self.users.read_text() + result.stdout.replace("nueva", typed))
            eventually(lambda: self.logs_in(f"{typed}@example.test", "secret"), f"{typed} logs in")
        self.assertEqual(harness.tepui("password", "nueva@example.test", "--scheme", "md5", input="secret\n").returncode, 2)

    def test_a_running_node_takes_over_what_is_changed(self):
        self.user("add", "nueva@example.test", "--password-stdin", password="first")
        eventually(lambda: self.logs_in("nueva@example.test", "first"), "the new account is let in")
        self.user("password", "NUEVA@example.test", "--password-stdin", "--scheme", "scram-sha-256", password="second")
        eventually(lambda: self.logs_in("nueva@example.test", "second"), "the new password is good")
        self.assertFalse(self.logs_in("nueva@example.test", "first"))
        self.assertIn("nueva@example.test:{SCRAM-SHA-256}", self.users.read_text())
        self.user("remove", "nueva@example.test")
        eventually(lambda: not self.logs_in("nueva@example.test", "second"), "the account is gone")
        self.assertNotIn("nueva", self.users.read_text())

    def test_a_bad_file_is_told_and_the_old_one_stays_in_force(self):
        good = self.users.read_text()
        self.users.write_text(good + "nonsense\n")
        eventually(lambda: "a password file changed and is bad" in self.server.log(), "it is told")
        self.assertTrue(self.logs_in("user001@example.test", harness.PASSWORD))
        self.assertIn(f"users:{harness.USERS_COUNT + 1}: expected", self.user("add", "x@example.test", "--password-stdin", password="x", code=1))
        self.assertEqual(self.users.read_text(), good + "nonsense\n")

    def test_mode_and_comments_stay_and_mistakes_are_clear(self):
        self.users.write_text("# people\n" + self.users.read_text())
        os.chmod(self.users, 0o640)
        self.user("add", "x@example.test", "--password-stdin", password="x")
        self.assertEqual(self.users.stat().st_mode & 0o777, 0o640)
        self.assertTrue(self.users.read_text().startswith("# people\n"))
        for said, arguments, password in [
            ("there already", ["add", "X@example.test"], "x"), ("no such account", ["password", "nosuch@example.test"], "x"),
            ("no such account", ["remove", "nosuch@example.test"], None), ("empty", ["add", "y@example.test"], ""),
            ("no `master_users`", ["remove", "x", "--master"], None),
        ]:
            self.assertIn(said, self.user(*arguments, password=password, code=1))
        self.assertIn("ARGON2ID", self.user("add", "y", "--scheme", "MD5", password="x", code=2))
        self.assertEqual([file.name for file in self.server.folder.glob("users*")], ["users"])

    def test_two_editors_at_once_lose_nothing(self):
        names = [f"at-once-{number}@example.test" for number in range(8)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self.user("add", name, "--password-stdin", password="x"), names))
        listed = [json.loads(line) for line in self.user("list", "--json").splitlines()]
        self.assertEqual(len(listed), harness.USERS_COUNT + len(names))
        self.assertTrue(set(names) <= {row["name"] for row in listed})
        self.assertEqual({row["source"] for row in listed}, {"password file"})
