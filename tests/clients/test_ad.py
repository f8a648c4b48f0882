"""Users, recipients and groups out of a real Active Directory: `./test ad`.

The server asks it in TLS; the commands ask it by every other way too.
"""

import imaplib
import os
import smtplib

import harness
import messages
from domain_controller import LDAP_PORT, LOCKED_AFTER, MEMBERS, PASSWORD, DomainController
from harness import Case, eventually

# What the log says of each account of domain_load.py that may not log in.
BY_ATTRIBUTE = {
    "apagado": "the account is disabled", "vencido": "the account has expired", "nuevo": "the password must be changed first",
    "bloqueado": "the account is locked",
}
# And what only the bind tells, by its sub-code.
BY_BIND = BY_ATTRIBUTE | {
    "horario": "not allowed to log in at this time", "equipo": "not allowed to log in from this machine",
}


def refused(why):
    """What `tepui auth test` says; the node's password file was asked first."""
    return 1, f'0: NO "authentication failed"\nno such account; {why}\n'


class ActiveDirectory(Case):
    # One of them may have to build.
    patience = 600

    @classmethod
    def setUpClass(cls):
        cls.controller = DomainController()
        cls.addClassCleanup(cls.controller.end)
        cls.server = harness.Node(directory=cls.controller, domains=["domain01.dom", "domain02.dom"], hop=harness.HERE).start()
        cls.addClassCleanup(cls.server.kill)

    def imap(self, login, password=PASSWORD):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=self.server.tls(), timeout=harness.WAIT_PATIENCE)
        client.authenticate("PLAIN", lambda _: f"\0{login}\0{password}".encode())
        return client

    def subjects(self, login):
        client = self.imap(login)
        client.select("INBOX", readonly=True)
        _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        client.logout()
        return [item[1].decode().removeprefix("Subject: ").strip() for item in data if isinstance(item, tuple)]

    def send(self, subject, *recipients):
        with smtplib.SMTP("127.0.0.1", self.server.port("submission"), timeout=harness.WAIT_PATIENCE) as client:
            client.starttls(context=self.server.tls())
            client.login("agarcia", PASSWORD)
            return client.sendmail("ana@domain01.dom", list(recipients), messages.text(subject))

    def refusal(self, login, password=PASSWORD):
        """What the client hears."""
        with self.assertRaises(imaplib.IMAP4.error) as refused:
            self.imap(login, password)
        return str(refused.exception)

    def asked(self, *arguments, password=None, **options):
        """A command, which may ask with other options than the server's."""
        file = self.server.folder / "asked.toml"
        before, after = self.server.configuration.read_text().split(self.controller.table(self.server.folder))
        file.write_text(before + self.controller.table(self.server.folder, **options) + after)
        group, action, *rest = arguments
        result = harness.tepui(group, action, *rest, "--config", file, input=password and password + "\n")
        return result.returncode, result.stdout + result.stderr

    def explained(self, login, password=PASSWORD, **options):
        return self.asked("auth", "test", login, "--explain", password=password, **options)

    def verdict(self, login, password, **options):
        """The answer and the reason, without the steps between them."""
        code, said = self.explained(login, password, **options)
        lines = said.splitlines(keepends=True)
        return code, lines[0] + lines[-1]

    def lock(self):
        for _ in range(LOCKED_AFTER + 1):
            self.explained("bloqueado", "wrong", account_state="off")

    def test_whatever_name_is_typed_it_is_one_account(self):
        self.send("for ana", "anita@domain02.dom")
        eventually(lambda: "for ana" in self.subjects("agarcia"), "it arrived")
        for login in ["AGARCIA", "ana.garcia@domain01.dom", "ana@domain01.dom", "Anita@Domain02.dom"]:
            self.assertIn("for ana", self.subjects(login), login)
        code, said = self.asked("user", "show", "anita@domain02.dom")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"(?m)^name +agarcia$")
        self.assertIn("1073741824 (1024.0 MiB)", said)

    def test_every_refusal_sounds_the_same_and_the_log_knows_why(self):
        self.lock()
        wrong = self.refusal("agarcia", "wrong")
        for login, why in (BY_BIND | {"nosuch": "no such account", "agarc*": "no such account"}).items():
            before = len(self.server.log())
            self.assertEqual(self.refusal(login), wrong, login)
            self.assertIn(why, self.server.log()[before:], login)
        self.assertNotIn("UNAVAILABLE", wrong)
        self.assertNotIn(PASSWORD, self.server.log())

    def test_the_bind_alone_tells_them_apart_by_its_sub_codes(self):
        self.lock()
        for login, why in (BY_BIND | {"agarcia": "wrong password"}).items():
            password = "wrong" if login == "agarcia" else PASSWORD
            self.assertEqual(self.verdict(login, password, account_state="off"), refused(why), login)

    def test_the_attributes_alone_tell_them_apart(self):
        # The password is wrong, so a bind would say nothing else.
        self.lock()
        for login, why in BY_ATTRIBUTE.items():
            self.assertEqual(self.verdict(login, "wrong"), refused(why), login)

    def test_tls_is_asked_for_in_either_way_and_needs_the_right_authority(self):
        plain = [f"ldap://{self.controller.host}:{LDAP_PORT}"]
        self.assertEqual(self.explained("agarcia", servers=plain, tls="starttls")[0], 0)
        self.assertEqual(self.explained("agarcia")[0], 0)
        # Without TLS the server refuses every password, this node's own one first; that says nothing about the user.
        for options, why in [({"servers": plain}, "result 8"), ({"ca_file": str(self.server.ca)}, "TLS"),
                             ({"ca_file": str(self.server.ca), "servers": plain, "tls": "starttls"}, "TLS")]:
            code, said = self.explained("agarcia", **options)
            self.assertNotIn("authentication failed", said)
            self.assertIn("no directory answers", said)
            self.assertIn(why, said)

    def test_groups_in_groups_reach_each_member_once(self):
        self.send("to everybody", "todos@domain01.dom")
        for login in ["usuario01", "usuario02", "usuario03", "usuario04"]:
            eventually(lambda: self.subjects(login).count("to everybody") == 1, f"{login} has it once")
        code, said = self.asked("address", "explain", "ciclo-a@domain01.dom")
        self.assertEqual(code, 0, said)
        self.assertIn("stands for 2 addresses", said)

    def test_a_group_is_read_to_its_last_member(self):
        code, said = self.asked("address", "explain", "muchos@domain01.dom")
        self.assertEqual(code, 0, said[:500])
        self.assertIn(f"stands for {MEMBERS} addresses", said)
        self.assertEqual(len({line for line in said.splitlines() if line.startswith("  m")}), MEMBERS)

    def test_a_member_of_a_group_in_the_masters_group_opens_others_mailboxes(self):
        by_group = {"master_groups": ["cn=jefes,ou=grupos,dc=domain01,dc=dom"]}
        code, said = self.explained("agarcia*usuario03", **by_group)
        self.assertEqual(code, 0, said)
        self.assertIn("account agarcia", said)
        self.assertIn("by master user usuario03", said)
        self.assertIn("no master user", self.explained("agarcia*usuario01", **by_group)[1])
        # Two filters that Active Directory answers itself; the second one follows groups in groups.
        direct, nested = ({"master_filter": f"({rule}=cn=jefes,ou=grupos,dc=domain01,dc=dom)"}
                          for rule in ("memberOf", "memberOf:1.2.840.113556.1.4.1941:"))
        self.assertIn("no master user", self.explained("agarcia*usuario03", **direct)[1])
        self.assertEqual(self.explained("agarcia*usuario03", **nested)[0], 0)
        limited = nested | {"master_accounts": "(mail=*@domain02.dom)"}
        self.assertEqual(self.explained("usuario04*usuario03", **limited)[0], 0)
        self.assertIn("may not open", self.explained("agarcia*usuario03", **limited)[1])

    def test_referrals_of_the_domains_root_are_left_alone_or_followed_as_set(self):
        # Every search of the root refers to CN=Configuration at "domain01.dom", which no name server here knows.
        self.assertEqual(self.explained("agarcia")[0], 0)
        code, said = self.explained("agarcia", referrals="follow")
        self.assertNotEqual(code, 0)
        self.assertIn("no directory answers", said)
        code, said = self.asked("address", "explain", "nosuch@domain01.dom", referrals="follow")
        self.assertIn("451 4.3.0", said)

    def test_the_directory_room_keeps_its_promises(self):
        command = ["cargo", "test", "--quiet", "--locked", "--package", "directory", "--test", "ad", "--", "--ignored"]
        where = {"TEPUI_AD": self.controller.host, "TEPUI_AD_CA": str(self.controller.folder / "ca.pem")}
        harness.run(*command, cwd=harness.ROOT, env=os.environ | where, patience=self.patience)
