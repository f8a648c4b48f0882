"""Bad input over real sockets: a clear answer, nothing lost, nothing leaked, nothing left behind."""

import random

import messages
from harness import Case, eventually, plain, shared_node
from wire import Wire

LINE_PORTS = ["smtp", "lmtp", "imap", "pop3", "managesieve"]


def greet(wire, port):
    """Reads the greeting."""
    if port in ("smtp", "lmtp", "submissions"):
        wire.reply()
    elif port == "managesieve":
        while (line := wire.line()) and not line.startswith(b"OK"):
            pass
    else:
        wire.line()


class Listening(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()

    def tearDown(self):
        self.assertNotIn("panicked", self.server.log())
        self.assertIsNone(self.server.process.poll(), "the server is gone")

    def open(self, port, *commands):
        wire = Wire(self.server.port(port))
        self.addCleanup(wire.close)
        greet(wire, port)
        for command in commands:
            self.assertIn(wire.ask(command)[:3], ("250", "354"), command)
        return wire

    def transaction(self):
        return self.open("smtp", "EHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{self.user.address}>")

    def secure(self, port):
        wire = Wire(self.server.port(port), self.server.tls())
        self.addCleanup(wire.close)
        greet(wire, port)
        return wire


class Nonsense(Listening):
    def test_wrong_commands_are_answered_until_enough_is_enough(self):
        node = self.node(limits={"errors": 4})
        # The goodbye, and how many lines come up to it. IMAP allows three before the login, whatever is set.
        ends = {"smtp": (b"421 ", 5), "lmtp": (b"421 ", 5), "imap": (b"* BYE", 3), "pop3": (b"-ERR", 5), "managesieve": (b"BYE", 5)}
        for port, (end, lines) in ends.items():
            wire = Wire(node.port(port))
            self.addCleanup(wire.close)
            greet(wire, port)
            # The first words of these lines are a tag for IMAP and a command for the others.
            wire.send(b"a NONSENSE\r\n" * 12)
            said = wire.rest().splitlines()
            self.assertEqual(len(said), lines, (port, said))
            self.assertTrue(said[-1].startswith(end), (port, said[-1:]))

    def test_a_line_of_a_megabyte_is_refused_and_never_kept(self):
        for port in LINE_PORTS:
            before = self.server.resident()
            wire = self.open(port)
            try:
                for _ in range(64):
                    wire.send(b"x" * 16384)
                wire.send(b"\r\n")
            except OSError:
                pass
            try:
                answer = wire.line()
            except OSError:
                answer = b""
            self.assertRegex(answer, rb"^(500 |\S+ BAD|\* BAD|\* BYE|-ERR|NO|BYE|$)", port)
            self.assertLess(self.server.resident() - before, 8 << 20, port)

    def test_binary_junk_harms_nobody(self):
        dice = random.Random(2)
        for port in LINE_PORTS:
            for _ in range(20):
                wire = self.open(port)
                try:
                    wire.send(dice.randbytes(3000) + b"\r\n" + bytes(100) + b"\n\r\r\n")
                except OSError:
                    pass
                wire.close()
        for port in ["imaps", "submissions", "pop3s"]:
            wire = Wire(self.server.port(port))
            wire.send(dice.randbytes(500))
            wire.rest()
        self.transaction()

    def test_a_web_browser_is_sent_away(self):
        wire = self.open("smtp")
        wire.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO a\r\nMAIL FROM:<a@b.test>")
        self.assertTrue(wire.rest().startswith(b"221 2.7.0"))

    def test_plaintext_after_starttls_in_the_same_packet_is_not_obeyed(self):
        for port, hello, start in [("smtp", "EHLO a", "STARTTLS"), ("imap", None, "a STARTTLS"), ("pop3", None, "STLS")]:
            wire = self.open(port, *[hello] if hello else [])
            injected = {"smtp": "NOOP", "imap": "b NOOP", "pop3": "CAPA"}[port]
            wire.send(f"{start}\r\n{injected}")
            self.assertRegex(wire.line(), rb"^(220 |a OK|\+OK)", port)
            try:
                wire.start_tls(self.server.tls())
                wire.send({"smtp": "QUIT", "imap": "c LOGOUT", "pop3": "QUIT"}[port])
                said = wire.rest()
            except OSError:
                # Cutting the connection is as good.
                continue
            self.assertNotRegex(said, rb"(?m)^(250 |b OK|USER)", port)


class Passwords(Listening):
    SECRET = "secret-that-was-mistyped"

    def tearDown(self):
        super().tearDown()
        log = self.server.log()
        self.assertNotIn(self.SECRET, log)
        self.assertNotIn(plain(self.user), log)

    def test_a_wrong_password_is_told_in_each_protocol_and_logged_without_it(self):
        self.user.password = self.SECRET
        smtp, imap, pop3 = self.secure("submissions"), self.secure("imaps"), self.secure("pop3s")
        smtp.ask("EHLO client.test")
        self.assertTrue(smtp.ask(f"AUTH PLAIN {plain(self.user)}").startswith("535 5.7.8"))
        self.assertRegex(imap.tagged("a", f'LOGIN {self.user.address} "{self.SECRET}"')[-1], r"^a NO \[AUTHENTICATIONFAILED\]")
        pop3.send(f"USER {self.user.address}\r\nPASS {self.SECRET}")
        pop3.line()
        self.assertTrue(pop3.line().startswith(b"-ERR [AUTH]"))
        lines = [line for line in self.server.log().splitlines() if self.user.address in line and "session=" in line]
        self.assertGreaterEqual(len(lines), 3, lines)

    def test_unknown_users_hear_what_wrong_passwords_hear(self):
        imap = self.secure("imaps")
        known = imap.tagged("a", f"LOGIN {self.user.address} wrong")[-1]
        self.assertEqual(imap.tagged("a", "LOGIN nobody@example.test wrong")[-1], known)

    def test_a_broken_exchange_is_answered(self):
        smtp = self.secure("submissions")
        smtp.ask("EHLO client.test")
        for exchange, code in [("AUTH PLAIN !!!", "501"), ("AUTH GSSAPI", "504"), ("AUTH PLAIN AA==", "535")]:
            self.assertEqual(smtp.ask(exchange)[:3], code, exchange)
        self.assertEqual(smtp.ask("AUTH LOGIN")[:3], "334")
        self.assertEqual(smtp.ask("*")[:3], "501")
        self.assertTrue(smtp.ask(f"AUTH PLAIN {plain(self.user)}").startswith("235"))


class Sizes(Listening):
    def test_an_announced_size_over_the_limit_is_refused_at_once(self):
        limit = 25 << 20
        wire = self.open("smtp", "EHLO client.test")
        self.assertTrue(wire.ask(f"MAIL FROM:<a@elsewhere.test> SIZE={limit + 1}").startswith("552 5.3.4"))
        self.assertTrue(wire.ask(f"MAIL FROM:<a@elsewhere.test> SIZE={limit}").startswith("250"))

    def test_content_over_the_limit_is_read_refused_and_left_nowhere(self):
        node = self.node(limits={"message_size": "1M"})
        user = node.user()
        with Wire(node.port("smtp")) as wire:
            wire.reply()
            for command in ["EHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{user.address}>", "DATA"]:
                wire.ask(command)
            wire.send(messages.of_size("too big", (1 << 20) + 2) + b".\r\n")
            self.assertTrue(wire.reply().startswith("552 5.3.4"))
            self.assertTrue(wire.ask("NOOP").startswith("250"))
        self.assertEqual(user.messages(), [])
        self.assertEqual(list((node.folder / "state/held").iterdir()), [])
        with Wire(node.port("imaps"), node.tls()) as wire:
            wire.line()
            wire.tagged("a", f"LOGIN {user.address} {user.password}")
            wire.send(f"b APPEND INBOX {{{(1 << 20) + 1}}}")
            self.assertRegex(wire.line(), rb"^b NO \[TOOBIG\]")

    def test_too_many_recipients_are_refused_and_the_others_stand(self):
        node = self.node(limits={"recipients": 3, "errors": 100})
        users = [node.user() for _ in range(5)]
        with Wire(node.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            wire.ask("MAIL FROM:<a@elsewhere.test>")
            replies = [wire.ask(f"RCPT TO:<{user.address}>") for user in users]
            self.assertEqual([reply[:9] for reply in replies], ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2)
            wire.ask("DATA")
            wire.send(messages.text("many") + b".\r\n")
            self.assertTrue(wire.reply().startswith("250"))
        self.assertEqual([len(user.messages()) for user in users], [1, 1, 1, 0, 0])

    def test_an_unfinished_literal_leaves_nothing(self):
        wire = self.secure("imaps")
        wire.tagged("a", f"LOGIN {self.user.address} {self.user.password}")
        wire.send("b APPEND INBOX {100000}")
        self.assertTrue(wire.line().startswith(b"+"))
        wire.send(b"Subject: half\r\n\r\n" + b"x" * 70_000)
        wire.close()
        eventually(lambda: not self.user.files("tmp"), "tmp is empty")
        self.assertEqual(self.user.messages(), [])

    def test_a_literal_over_its_limit_is_refused_before_it_is_sent(self):
        wire = self.secure("imaps")
        wire.send("a LOGIN {99999999}")
        self.assertRegex(wire.line(), rb"^a (BAD|NO)")


class Smuggling(Listening):
    ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n\n", b"\r\n\x00.\r\n", b"\r\r\n.\r\r\n"]

    def test_only_cr_lf_dot_cr_lf_ends_content(self):
        for end in self.ENDS:
            wire = self.transaction()
            wire.ask("DATA")
            inner = f"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<{self.user.address}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx".encode()
            wire.send(b"Subject: outer\r\n\r\nbody" + end + inner + b"\r\n.\r\n")
            replies = [wire.reply()]
            wire.send("QUIT")
            replies += wire.rest().decode().splitlines()
            # One reply for the content, one for QUIT: nothing within was taken for commands.
            self.assertEqual(len(replies), 2, (end, replies))
            self.assertRegex(replies[0], r"^(250|550|554) ", end)
        for message in self.server.content(self.user):
            self.assertNotIn(b"\nSubject: smuggled", messages.without_trace(message).split(b"\r\n\r\n")[0])

    def test_a_bare_line_feed_ends_no_command(self):
        wire = self.open("smtp")
        wire.send(b"EHLO a\nMAIL FROM:<a@elsewhere.test>\r\n")
        self.assertTrue(wire.reply().startswith("500 5.5.2"))


class Vanishing(Case):
    """A client that is gone after each line of its session."""

    def setUp(self):
        self.server = self.node()
        self.user = self.server.user()

    def steps(self):
        large = messages.of_size("vanishing", 600_000)
        return ["EHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{self.user.address}>", "DATA", large[:100], large[100:400_000],
                large[400_000:]]

    def session_until(self, port, count, end):
        wire = Wire(port)
        wire.reply()
        for step in self.steps()[:count]:
            wire.send(step)
            if isinstance(step, str):
                wire.reply()
        end(wire)

    def test_nothing_is_delivered_and_nothing_stays_behind(self):
        for port in ["smtp", "lmtp"]:
            for count in range(len(self.steps()) + 1):
                for end in (Wire.vanish, Wire.close):
                    self.session_until(self.server.port(port), count, end)
        self.assert_nothing_left()

    def test_the_same_at_submission(self):
        for count in range(6):
            client = self.server.smtp(self.user)
            for step in self.steps()[1:count + 1]:
                client.send(step if isinstance(step, bytes) else step + "\r\n")
                if isinstance(step, str):
                    client.getreply()
            client.sock.close()
            client.file.close()
        self.assert_nothing_left()
        self.assertEqual(self.server.queued(), [])
        self.assertEqual(list((self.server.folder / "state/queue/content").iterdir()), [])

    def assert_nothing_left(self):
        held = self.server.folder / "state/held"
        eventually(lambda: not list(held.iterdir()), "no held content is left")
        self.assertEqual(self.user.messages() + self.user.files("tmp"), [])

    def test_files_and_memory_do_not_grow(self):
        self.rounds(5)
        files, resident = self.quiet_files(), self.server.resident()
        self.rounds(30)
        eventually(lambda: len(self.server.open_files()) <= len(files), f"no more files are open than {files}")
        self.assertLess(self.server.resident() - resident, 16 << 20)

    def quiet_files(self):
        eventually(lambda: not any(line.startswith("socket") for line in self.new_sockets()), "the sessions are over")
        return self.server.open_files()

    def new_sockets(self):
        """Connections beyond the listeners; the runtime has a pair of its own."""
        sockets = [line for line in self.server.open_files() if line.startswith("socket")]
        return sockets[len(self.server.start_sockets):]

    def rounds(self, count):
        if not hasattr(self.server, "start_sockets"):
            self.server.start_sockets = [line for line in self.server.open_files() if line.startswith("socket")]
        for number in range(count):
            self.session_until(self.server.port("smtp"), number % 8, Wire.vanish)
            imap = Wire(self.server.port("imaps"), self.server.tls())
            imap.line()
            imap.tagged("a", f"LOGIN {self.user.address} {self.user.password}")
            imap.tagged("b", "SELECT INBOX")
            imap.send("c IDLE")
            imap.vanish()
            pop3 = Wire(self.server.port("pop3"))
            pop3.line()
            pop3.send("USER x")
            pop3.vanish()


class Connections(Case):
    def test_one_address_gets_so_many_connections_and_then_a_polite_refusal(self):
        node = self.node(limits={"connections_per_address": 4})
        held = [Wire(node.port("imap")) for _ in range(4)]
        for wire in held:
            self.assertTrue(wire.line().startswith(b"* OK"))
        refusals = {"smtp": rb"^421 4\.7\.0 .*too many connections", "imap": rb"^\* BYE .*too many connections",
                    "pop3": rb"^-ERR .*too many connections", "submissions": rb"^$"}
        for port, refusal in refusals.items():
            with Wire(node.port(port)) as wire:
                self.assertRegex(wire.rest(), refusal, port)
        held[0].close()
        eventually(lambda: self.is_welcome(node), "there is room again")

    @staticmethod
    def is_welcome(node):
        with Wire(node.port("imap")) as wire:
            return wire.line().startswith(b"* OK")

    def test_silence_is_ended_with_a_word(self):
        node = self.node(limits={"idle_smtp": "1s", "idle_pop3": "1s", "login_time": "1s"})
        smtp, imap, pop3 = [Wire(node.port(port)) for port in ["smtp", "imap", "pop3"]]
        self.assertRegex(smtp.rest(), rb"(?m)^421 4\.4\.2 ")
        self.assertRegex(imap.rest(), rb"(?m)^\* BYE ")
        # RFC 1939 §3: the server closes without a response.
        self.assertTrue(pop3.rest().startswith(b"+OK"))
