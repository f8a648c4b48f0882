"""Users, recipients and groups out of a real LDAP directory, as the platform describes it."""

import hashlib
import imaplib
import json
import smtplib

import harness
import messages
import slapd
from harness import Case, eventually
from slapd import USER_PASSWORD, Slapd


class Directory(Case):
    @classmethod
    def setUpClass(cls):
        cls.slapd = Slapd()
        cls.addClassCleanup(cls.slapd.end)
        cls.server = harness.Node(directory=cls.slapd, domains=["domain01.dom", "domain02.dom"], hop=harness.HERE).start()
        cls.addClassCleanup(cls.server.kill)

    def imap(self, login, password=USER_PASSWORD):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=self.server.tls(), timeout=harness.WAIT_PATIENCE)
        client.login(login, password)
        return client

    def subjects(self, login):
        client = self.imap(login)
        _, (count,) = client.select("INBOX", readonly=True)
        if count == b"0":
            return []
        _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        client.logout()
        return [item[1].decode().removeprefix("Subject: ").strip() for item in data if isinstance(item, tuple)]

    def send(self, subject, *recipients):
        with smtplib.SMTP("127.0.0.1", self.server.port("submission"), timeout=harness.WAIT_PATIENCE) as client:
            client.starttls(context=self.server.tls())
            client.login("usuario05", USER_PASSWORD)
            return client.sendmail("usuario05@domain01.dom", list(recipients), messages.text(subject))

    def test_users_log_in_as_the_directory_says(self):
        for login in ["usuario01", "USUARIO01", "usuario01@domain01.dom"]:
            self.imap(login).logout()
        for login, password in [("usuario01", "wrong"), ("usuario01", ""), ("*", USER_PASSWORD), ("usuario0*", USER_PASSWORD),
                                ("usuario01)(mail=*", USER_PASSWORD), ("nosuch", USER_PASSWORD), ("usuario07", USER_PASSWORD)]:
            with self.assertRaises(imaplib.IMAP4.error) as refused:
                self.imap(login, password)
            self.assertNotIn("UNAVAILABLE", str(refused.exception), login)
        self.assertNotIn(USER_PASSWORD, self.server.log())

    def test_mail_lies_in_the_folder_that_dovecot_would_take(self):
        self.send("to a hashed home", "usuario02@domain01.dom")
        eventually(lambda: "to a hashed home" in self.subjects("usuario02"), "it arrived")
        digest = hashlib.md5(b"usuario02").hexdigest()
        # %1M$/%2.1M$/%$: the first hexadecimal digit, the third, the name.
        self.assertTrue((self.server.folder / "mail" / digest[0] / digest[2] / "usuario02/maildir/cur").is_dir())

    def test_a_group_reaches_each_member_once_over_every_way_in(self):
        self.send("through submission", "todos@domain01.dom")
        for port, client in [("smtp", smtplib.SMTP), ("lmtp", smtplib.LMTP)]:
            with client("127.0.0.1", self.server.port(port)) as client:
                client.sendmail("someone@elsewhere.test", ["todos@domain01.dom"], messages.text(f"through {port}"))
        expected = ["through lmtp", "through smtp", "through submission"]
        for login in ["usuario01", "usuario03", "usuario04"]:
            through = lambda: sorted(subject for subject in self.subjects(login) if subject.startswith("through"))
            eventually(lambda: len(through()) >= len(expected), f"{login} has them")
            self.assertEqual(through(), expected, login)

    def test_a_cycle_of_groups_ends(self):
        self.send("round and round", "ciclo-a@domain01.dom")
        for login in ["usuario01", "usuario02"]:
            eventually(lambda: self.subjects(login).count("round and round") == 1, f"{login} has it once")

    def test_who_is_not_there_is_refused(self):
        for recipient in ["nosuch@domain01.dom", "otro@domain03.dom"]:
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                self.send("to nobody", recipient)
            self.assertEqual(refused.exception.recipients[recipient][0], 550)


    def asked(self, *arguments, password=None):
        group, action, *rest = arguments
        result = harness.tepui(group, action, *rest, "--config", self.server.configuration, input=password and password + "\n")
        return result.returncode, result.stdout, result.stderr

    def test_the_commands_tell_what_the_directory_says(self):
        code, said, _ = self.asked("user", "show", "usuario01")
        self.assertEqual(code, 0)
        self.assertRegex(said, r"(?m)^home +/.*/mail/[0-9a-f]/[0-9a-f]/usuario01$")
        self.assertIn("1073741824 (1024.0 MiB)", said)
        self.assertEqual(self.asked("user", "show", "nosuch")[0], 1)

        self.assertEqual(self.asked("auth", "test", "usuario01", password=USER_PASSWORD)[:2], (0, '0: OK "Success."\n'))
        self.assertEqual(self.asked("auth", "test", "usuario01", password="wrong")[:2], (1, '0: NO "authentication failed"\n'))
        code, said, _ = self.asked("auth", "test", "usuario07", "--explain", password=USER_PASSWORD)
        self.assertEqual(code, 1)
        self.assertIn("disabled", said)

        code, said, _ = self.asked("address", "explain", "ventas@domain01.dom")
        self.assertEqual(code, 0)
        for part in ["stands for 2 addresses", "usuario01@domain01.dom", "usuario02@domain01.dom", "delivered on this node"]:
            self.assertIn(part, said)
        code, said, _ = self.asked("address", "explain", "nosuch@domain01.dom")
        self.assertEqual((code, "unknown" in said), (1, True))


    def test_a_login_is_explained_step_by_step(self):
        code, said, _ = self.asked("auth", "test", "usuario01", "--explain", password="wrong")
        self.assertEqual(code, 1)
        for part in ["the password file is asked", "login_filter: (|(&(sAMAccountName=usuario01)", f"below {slapd.BASE}", "found cn=Usuario Uno",
                     "bound as cn=Usuario Uno", "result 49", "which means: wrong password"]:
            self.assertIn(part.lower(), said.lower())
        self.assertIn("found nobody", self.asked("auth", "test", "nosuch", "--explain", password="x")[1])
        self.assertIn("the account is disabled; nothing is bound", self.asked("auth", "test", "usuario07", "--explain", password="x")[1])
        self.assertIn("result 0", self.asked("auth", "test", "usuario01", "--explain", password=USER_PASSWORD)[1])

    def test_all_accounts_are_listed_with_their_source(self):
        code, said, errors = self.asked("user", "list", "--json")
        self.assertEqual(code, 0, errors)
        rows = {row["name"]: row for row in map(json.loads, said.splitlines())}
        self.assertEqual(rows["usuario01"]["source"], self.slapd.url)
        self.assertEqual(rows["usuario01"]["storage"], 1 << 30)
        self.assertIn("disabled", rows["usuario07"]["closed"])
        self.assertEqual(rows["user001@example.test"]["source"], "password file")

    def test_check_tries_the_servers_and_says_what_to_do(self):
        good = self.server.configuration.read_text()
        file = self.server.folder / "checked.toml"

        def check(*changes, options=()):
            text = good
            for old, new in changes:
                self.assertIn(old, text)
                text = text.replace(old, new)
            file.write_text(text)
            result = harness.tepui("check", "--config", file, *options)
            return result.returncode, result.stdout

        code, said = check()
        self.assertEqual(code, 0, said)
        for part in [f"{harness.USERS_COUNT} accounts", "resolve", "without TLS", f"as {slapd.BIND_DN}", "group_filter", "was answered in"]:
            self.assertIn(part, said)
        (self.server.folder / "wrong.password").write_text("wrong")
        for change, part in [
            ((self.slapd.url, f"ldap://127.0.0.1:{harness.free_port()}"), "nothing listens there"),
            ((self.slapd.url, "ldap://nosuch.invalid"), "correct the name in `servers`"),
            (("ldap.password", "wrong.password"), "correct `bind_dn` or what is in `bind_password_file`"),
            ((f'base = "{slapd.BASE}"', 'base = "dc=nosuch"'), "dc=nosuch"),
            ((self.slapd.url, f"ldap://127.0.0.1:{self.server.port('imap')}"), "FAILED"),
            (('"users"', '"nosuch"'), "tepui user add"),
        ]:
            code, said = check(change)
            self.assertEqual(code, 1, said)
            self.assertIn(part, said)
        code, said = check((self.slapd.url, "ldap://nosuch.invalid"), options=["--offline"])
        self.assertEqual(code, 0, said)
        code, said = check((self.slapd.url, "ldap://nosuch.invalid"), options=["--json"])
        told = json.loads(said)
        self.assertEqual((code, told["good"], told["examined"][1]["steps"][0]["step"]), (1, False, "resolve"))

    def test_check_warns_of_wide_trusted_networks(self):
        file = self.server.folder / "wide.toml"
        trusted = harness.table("[[trusted]]", {"networks": ["0.0.0.0/0"], "listeners": ["imap"]})
        file.write_text(self.server.configuration.read_text() + trusted)
        result = harness.tepui("check", "--offline", "--config", file)
        self.assertEqual(result.returncode, 0)
        self.assertIn("0.0.0.0/0 is wide", result.stdout)

    def test_a_trusted_network_opens_no_account_that_is_closed(self):
        # As recorded of the original, port 144 lets in 127.0.0.1 with any password; there, disabled accounts too.
        server = self.node(directory=self.slapd, domains=["domain01.dom", "domain02.dom"], hop=harness.HERE,
                           trusted={"networks": ["127.0.0.1"], "listeners": ["imaps"]})
        connect = lambda: imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls(), timeout=harness.WAIT_PATIENCE)
        connect().login("usuario01", "bad")
        for login in ["usuario07", "nosuch"]:
            with self.assertRaises(imaplib.IMAP4.error):
                connect().login(login, "bad")


# Whom Active Directory would tell to be in groups; it writes a comma in a name in one of two ways.
MEMBER = """
dn: cn={name},ou=usuarios,dc=domain01,dc=dom
objectClass: top
objectClass: person
objectClass: organizationalPerson
objectClass: user
cn: {name}
sn: {name}
sAMAccountName: {name}
mail: {name}@domain01.dom
userAccountControl: 512
userPassword: P@ssw0rd
{groups}
"""
SALES = "memberOf: cn=Ventas,ou=grupos,dc=domain01,dc=dom\n"
RESEARCH = "memberOf: cn=I\\, D y Calidad,ou=grupos,dc=domain01,dc=dom\n"


class Groups(Case):
    """What is shared with a group is shared with whom the directory says to be in it."""

    def setUp(self):
        people = {"duena": "", "vendedor": SALES, "investigador": SALES + RESEARCH, "ajeno": ""}
        self.slapd = Slapd("".join(MEMBER.format(name=name, groups=groups) for name, groups in people.items()))
        self.addCleanup(self.slapd.end)
        attributes = "sAMAccountName=home=@FOLDER@/mail/%$,memberOf=acl_groups"
        self.server = harness.Node(
            directory=self.slapd.described(attributes=attributes), domains=["domain01.dom", "domain02.dom"], hop=harness.HERE,
            tables={"[shared]": {"dictionary": "mail/shared-mailboxes.db"}})
        self.own(self.server)
        self.server.start()

    def imap(self, login):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.port("imaps"), ssl_context=self.server.tls(), timeout=harness.WAIT_PATIENCE)
        client.login(login, USER_PASSWORD)
        return client

    def shared_with(self, login):
        """The last levels of what a user sees of the owner."""
        client = self.imap(login)
        kind, lines = client.list('""', '"shared/%/%"')
        self.assertEqual(kind, "OK")
        client.logout()
        return sorted(line.decode().rsplit("/", 1)[1].strip('"') for line in lines if line)

    def test_who_is_in_a_group_sees_what_is_shared_with_it(self):
        owner = self.imap("duena")
        for mailbox, group in (("Precios", "$Ventas"), ("Ideas", '"$I, D y Calidad"'), ("Halves", "$I")):
            self.assertEqual(owner.create(mailbox)[0], "OK")
            self.assertEqual(owner.setacl(mailbox, group, "lr")[0], "OK")
        self.assertEqual(self.shared_with("vendedor"), ["Precios"])
        self.assertEqual(self.shared_with("investigador"), ["Ideas", "Precios"])
        self.assertEqual(self.shared_with("ajeno"), [])
        client = self.imap("vendedor")
        (shared,) = [line.decode().rsplit(' "/" ', 1)[1] for line in client.list('""', '"shared/%/Precios"')[1]]
        self.assertEqual(client.select(shared, readonly=True)[0], "OK")
        self.assertEqual(owner.deleteacl("Precios", "$Ventas")[0], "OK")
        # Rights are looked at again with each command; without the right to read there is no such mailbox.
        with self.assertRaises(imaplib.IMAP4.abort):
            client.noop()
            client.noop()


class Down(Case):
    def test_a_directory_that_hangs_bounces_nothing_and_lets_nobody_in(self):
        slapd = Slapd()
        self.addCleanup(slapd.end)
        server = self.node(directory=slapd, domains=["domain01.dom", "domain02.dom"], hop=harness.HERE)
        slapd.freeze()
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=harness.WAIT_PATIENCE) as client:
            client.ehlo()
            client.mail("someone@elsewhere.test")
            self.assertEqual(client.rcpt("usuario01@domain01.dom")[0], 451)
            self.assertEqual(client.rcpt("nosuch@domain01.dom")[0], 451)
        with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=harness.WAIT_PATIENCE) as client:
            client.starttls(context=server.tls())
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                client.login("usuario01", USER_PASSWORD)
            self.assertEqual(refused.exception.smtp_code, 454)
        with self.assertRaises(imaplib.IMAP4.error) as refused:
            imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls()).login("usuario01", USER_PASSWORD)
        self.assertIn("[UNAVAILABLE]", str(refused.exception))
        slapd.thaw()

        def works():
            with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
                client.ehlo()
                client.mail("someone@elsewhere.test")
                return client.rcpt("usuario01@domain01.dom")[0] == 250

        eventually(works, "it is found again")
