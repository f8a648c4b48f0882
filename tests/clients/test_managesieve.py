"""ManageSieve: a session byte by byte, sieve-connect, and Pigeonhole on the same home, before us and after us."""

import json
import os
import re
import shutil
import signal

import harness
from harness import Case, Process, eventually, plain, run, shared_node, tepui
from wire import Wire

GOOD = 'require ["fileinto"];\r\nif header :contains "subject" "factura" { fileinto "Facturas"; }\r\n'
STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Session(Wire):
    """A client that has logged in."""

    def __init__(self, port, user, tls=None):
        super().__init__(port)
        self.greeting = self.answer()
        if tls:
            self.send("STARTTLS")
            assert self.answer()[-1].startswith(b"OK"), "STARTTLS"
            self.start_tls(tls)
            self.greeting = self.answer()
        self.login = self.ask_for(f'AUTHENTICATE "PLAIN" "{plain(user)}"')

    def answer(self):
        """The lines of an answer to its end; a literal is one line with the one before it."""
        lines = []
        while True:
            line = self.line()
            literal = re.search(rb"\{(\d+)\}$", line)
            if literal:
                line += b"\n" + self.octets(int(literal[1])) + self.line()
            lines.append(line)
            if not line or re.match(rb"(OK|NO|BYE)\b", line):
                return lines

    def octets(self, count):
        while len(self.buffer) < count:
            self.buffer += self.socket.recv(65536)
        octets, self.buffer = self.buffer[:count], self.buffer[count:]
        return octets

    def ask_for(self, command):
        self.send(command)
        return self.answer()

    def put(self, name, script):
        octets = script.encode()
        self.send(f'PUTSCRIPT "{name}" {{{len(octets)}+}}\r\n'.encode() + octets + b"\r\n")
        return self.answer()[-1]

    def get(self, name):
        return self.ask_for(f'GETSCRIPT "{name}"')[0].split(b"\n", 1)[1].decode()

    def scripts(self):
        """The names, and which is active. Pigeonhole lists them as the folder does."""
        rows = sorted(self.ask_for("LISTSCRIPTS")[:-1])
        names = [STRING.match(row)[1].decode() for row in rows]
        return names, [name for name, row in zip(names, rows) if row.endswith(b" ACTIVE")]


class Pigeonhole(Process):
    def __init__(self, mail):
        folder = harness.temporary_folder()
        folder.chmod(0o755)
        self.port = harness.free_port()
        text = (harness.ROOT / "tests/peers/dovecot-sieve.conf").read_text()
        for mark, value in {"FOLDER": folder, "MAIL": mail, "SIEVE": self.port}.items():
            text = text.replace(f"@{mark}@", str(value))
        (folder / "dovecot.conf").write_text(text)
        super().__init__(folder, ["-F", "-c", folder / "dovecot.conf"], None, prefix=["setsid"])
        self.binary = "dovecot"

    def start(self):
        super().start()
        eventually(lambda: not harness.is_free(self.port), "Pigeonhole listens")
        return self


class Scripts(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.home = self.user.maildir.parent

    def session(self):
        session = Session(self.server.port("managesieve"), self.user, self.server.tls())
        self.addCleanup(session.close)
        self.assertEqual(session.login, [b'OK "Logged in."'])
        return session

    def test_a_session_leaves_what_pigeonhole_would(self):
        session = self.session()
        self.assertEqual(session.scripts(), ([], []))
        self.assertTrue(session.put("roundcube", GOOD).startswith(b"OK"))
        self.assertEqual(session.get("roundcube"), GOOD)
        self.assertEqual(session.ask_for('SETACTIVE "roundcube"')[-1], b'OK "Setactive completed."')
        self.assertEqual(session.scripts(), (["roundcube"], ["roundcube"]))
        self.assertEqual(os.readlink(self.home / ".dovecot.sieve"), "sieve/roundcube.sieve")
        self.assertEqual((self.home / "sieve/roundcube.sieve").read_bytes().decode(), GOOD)
        self.assertEqual(sorted(path.name for path in (self.home / "sieve").iterdir()), ["roundcube.sieve"])
        self.assertTrue(session.ask_for('DELETESCRIPT "roundcube"')[-1].startswith(b"NO (ACTIVE)"))
        self.assertTrue(session.ask_for('SETACTIVE ""')[-1].startswith(b"OK"))
        self.assertTrue(session.ask_for('DELETESCRIPT "roundcube"')[-1].startswith(b"OK"))
        self.assertEqual(session.scripts(), ([], []))

    def test_a_script_with_errors_is_not_kept_and_all_its_errors_are_told(self):
        session = self.session()
        told = session.put("malo", 'if header :contains "subject" "x" { fileinto "A"; }\r\nkep;\r\n').decode()
        self.assertRegex(told, r"(?s)^NO \{\d+\}\nmalo: line 1: error: .*fileinto.*\nmalo: line 2: error: .*kep")
        self.assertEqual(session.scripts(), ([], []))
        self.assertRegex(session.ask_for('CHECKSCRIPT "kep;"')[-1].decode(), r"(?s)^NO .*line 1: error: .*kep")
        self.assertTrue(session.ask_for('CHECKSCRIPT "keep;"')[-1].startswith(b"OK"))

    def test_another_user_sees_nothing_of_it(self):
        self.session().put("roundcube", GOOD)
        other = Session(self.server.port("managesieve"), self.server.user(), self.server.tls())
        self.addCleanup(other.close)
        self.assertEqual(other.scripts(), ([], []))

    def test_capabilities_name_what_scripts_may_require(self):
        session = self.session()
        rows = dict(re.findall(r'"(\w+)" "([^"]*)"', b"\n".join(session.ask_for("CAPABILITY")).decode()))
        self.assertLessEqual({"fileinto", "vacation", "variables", "imap4flags"}, set(rows["SIEVE"].split()))
        self.assertEqual(rows["NOTIFY"], "mailto")
        self.assertEqual((rows["OWNER"], rows["MAXREDIRECTS"], rows["VERSION"]), (self.user.address, "4", "1.0"))
        # `extracttext` needs two others (RFC 5703 §7).
        for extension in rows["SIEVE"].split():
            with self.subTest(extension):
                self.assertTrue(session.put("one", f'require ["variables", "foreverypart", "{extension}"];\r\n').startswith(b"OK"))

    def test_quotas_are_told_by_their_codes(self):
        session = self.session()
        big = "#" * ((1 << 20) + 1)
        self.assertTrue(session.put("big", big).startswith(b"NO (QUOTA/MAXSIZE)"))
        self.assertTrue(session.ask_for('HAVESPACE "big" 1048577')[-1].startswith(b"NO (QUOTA/MAXSIZE)"))
        self.assertTrue(session.ask_for('HAVESPACE "big" 1048576')[-1].startswith(b"OK"))
        for number in range(100):
            self.assertTrue(session.put(f"s{number}", "keep;").startswith(b"OK"))
        self.assertTrue(session.put("more", "keep;").startswith(b"NO (QUOTA/MAXSCRIPTS)"))
        self.assertTrue(session.put("s7", "stop;").startswith(b"OK"))

    def sieve(self, command, *arguments, check=True, **options):
        done = tepui("sieve", command, "--config", self.server.configuration, self.user.address, *arguments, **options)
        self.assertTrue(done.returncode == 0 or not check, done)
        return done

    def test_the_operator_keeps_scripts_for_a_user(self):
        self.assertEqual(self.sieve("list").stdout, "")
        self.sieve("put", "one", input=GOOD)
        self.sieve("activate", "one")
        self.sieve("put", "two", input="keep;")
        self.assertEqual(self.sieve("list").stdout, "* one\n  two\n")
        self.assertEqual(json.loads(self.sieve("list", "--json").stdout), [{"name": "one", "active": True}, {"name": "two", "active": False}])
        self.assertEqual(self.sieve("show", "one").stdout.split(), GOOD.split())
        self.assertEqual(self.session().scripts(), (["one", "two"], ["one"]))
        bad = self.sieve("put", "two", check=False, input="kep;")
        self.assertEqual((bad.returncode, self.sieve("show", "two").stdout), (1, "keep;"))
        self.assertIn("two: line 1: error: unknown command 'kep'", bad.stderr)
        self.assertIn("the script is active", self.sieve("remove", "one", check=False).stderr)
        self.assertIn("no script of this name", self.sieve("show", "none", check=False).stderr)
        self.assertEqual(self.sieve("show", "a/b", check=False).returncode, 2)
        self.sieve("deactivate")
        self.sieve("remove", "one")
        self.assertEqual(self.sieve("list").stdout, "  two\n")

    def sieve_connect(self, *arguments, **options):
        read, write = os.pipe()
        with open(write, "w") as password:
            password.write(self.user.password + "\n")
        try:
            return run("sieve-connect", "--server", "localhost", "--port", self.server.port("managesieve"), "--user", self.user.address,
                       "--passwordfd", read, "--tlscafile", self.server.ca, "--4", *arguments, pass_fds=[read], **options)
        finally:
            os.close(read)

    def test_sieve_connect_uploads_activates_and_fetches(self):
        script = self.server.folder / f"{self.user.address}.sieve"
        script.write_text(GOOD.replace("\r", ""))
        self.sieve_connect("--upload", "--localsieve", script, "--remotesieve", "mine")
        self.sieve_connect("--activate", "--remotesieve", "mine")
        self.assertIn('"mine" ACTIVE', self.sieve_connect("--list").stdout)
        fetched = self.sieve_connect("--download", "--remotesieve", "mine", "--localsieve", "/dev/stdout").stdout
        self.assertIn("Facturas", fetched)
        script.write_text("kep;\n")
        refused = self.sieve_connect("--upload", "--localsieve", script, "--remotesieve", "bad", check=False)
        self.assertIn("kep", refused.stdout + refused.stderr)
        self.sieve_connect("--deactivate")
        self.sieve_connect("--delete", "--remotesieve", "mine")
        self.assertNotIn("mine", self.sieve_connect("--list").stdout)


class BesidePigeonhole(Case):
    """Both servers on one home, in turns."""

    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        # Pigeonhole works as nobody, who may not look into the node's folder.
        self.mail = harness.temporary_folder()
        self.mail.chmod(0o755)
        domain = self.user.maildir.parent.parent
        domain.mkdir(parents=True, exist_ok=True)
        self.their_home = self.mail / "example.test" / self.user.maildir.parent.name
        self.their_home.mkdir(parents=True)
        self.user.maildir.parent.symlink_to(self.their_home)
        self.pigeonhole = Pigeonhole(self.mail).start()
        self.addCleanup(self.pigeonhole.stop, signal.SIGTERM)

    def ours(self):
        return self.open(self.server.port("managesieve"), self.server.tls())

    def theirs(self):
        for path in [self.their_home, *self.their_home.rglob("*")]:
            shutil.chown(path, "nobody", "nogroup") if not path.is_symlink() else os.lchown(path, 65534, 65534)
        return self.open(self.pigeonhole.port)

    def open(self, port, tls=None):
        session = Session(port, self.user, tls)
        self.addCleanup(session.close)
        self.assertTrue(session.login[-1].startswith(b"OK"), session.login)
        return session

    def test_each_finds_what_the_other_left(self):
        ours = self.ours()
        self.assertTrue(ours.put("one", GOOD).startswith(b"OK"))
        self.assertTrue(ours.put("A\u00f1o", "keep;\r\n").startswith(b"OK"))
        ours.ask_for('SETACTIVE "one"')
        theirs = self.theirs()
        self.assertEqual(theirs.scripts(), (sorted(["A\u00f1o", "one"]), ["one"]))
        self.assertEqual(theirs.get("one"), GOOD)
        self.assertTrue(theirs.put("two", "discard;\r\n").startswith(b"OK"))
        self.assertTrue(theirs.ask_for('SETACTIVE "two"')[-1].startswith(b"OK"))
        self.assertTrue(theirs.ask_for('RENAMESCRIPT "one" "three"')[-1].startswith(b"OK"))
        self.assertEqual(ours.scripts(), (["A\u00f1o", "three", "two"], ["two"]))
        self.assertEqual(ours.get("two"), "discard;\r\n")
        self.assertTrue(ours.ask_for('RENAMESCRIPT "two" "four"')[-1].startswith(b"OK"))
        self.assertEqual(self.theirs().scripts(), (["A\u00f1o", "four", "three"], ["four"]))

    def test_a_file_in_the_place_of_the_link_is_rescued_alike(self):
        home = self.their_home
        rescued = []
        for session in (self.theirs, self.ours):
            shutil.rmtree(home / "sieve", ignore_errors=True)
            (home / ".dovecot.sieve").unlink(missing_ok=True)
            (home / ".dovecot.sieve").write_text("# by hand\n")
            session = session()
            self.assertTrue(session.put("one", "keep;\r\n").startswith(b"OK"))
            self.assertTrue(session.ask_for('SETACTIVE "one"')[-1].startswith(b"OK"))
            rescued.append((session.scripts(), session.get("dovecot.orig")))
        self.assertEqual(rescued[0], rescued[1])
