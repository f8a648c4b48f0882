"""Policy services of others, asked as Postfix asks them."""

import socket
import threading

from harness import Case, Node, temporary_folder
from test_relay import INSIDE, Client

CONTENT = "Subject: s\r\n\r\nt\r\n"


class Service:
    """Answers what `judge` says of a question's attributes; None: hangs up."""

    def __init__(self, listener):
        self.asked, self.judge, self.listener = [], lambda asked: "DUNNO", listener
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rwb") as stream:
            question = {}
            for line in stream:
                name, is_attribute, value = line.decode().rstrip("\n").partition("=")
                if is_attribute:
                    question[name] = value
                    continue
                self.asked.append(question)
                answer = self.judge(question)
                if answer is None:
                    return
                stream.write(f"action={answer}\n\n".encode())
                stream.flush()
                question = {}


class Policy(Case):
    def setUp(self):
        self.rcpt = Service(socket.create_server(("127.0.0.1", 0)))
        path = temporary_folder() / "policy.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.end = Service(listener)
        self.addCleanup(self.rcpt.listener.close)
        self.addCleanup(self.end.listener.close)
        port = self.rcpt.listener.getsockname()[1]
        services = [{"address": f"127.0.0.1:{port}", "skip": ["networks"], "timeout": "1s"},
                    {"address": f"unix:{path}", "at": "end", "on_failure": "accept", "timeout": "1s"}]
        listeners = {"smtp": ("smtp", "off", {"auth": "offered"})}
        self.server = Node(tables={"[[policy_service]]": services, "[relay]": {"networks": [INSIDE]}}, listeners=listeners).start()
        self.addCleanup(self.server.stop)
        self.user = self.server.user()

    def answers(self, *addresses, source="127.0.0.9", login=None):
        with Client(self.server, source, login=login) as client:
            return client.rcpt(*addresses)

    def test_it_hears_what_postfix_would_tell(self):
        with Client(self.server, login=self.user) as client:
            client.rcpt(self.user.address, "nobody@example.test")
            self.assertEqual(client.content(CONTENT)[:3], "250")
        [asked] = self.rcpt.asked
        expected = {"request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "client_address": "127.0.0.9",
                    "helo_name": "client.test", "sender": "someone@elsewhere.test", "recipient": self.user.address,
                    "sasl_username": self.user.address, "recipient_count": "0"}
        self.assertEqual({name: asked.get(name) for name in expected}, expected)
        [ended] = self.end.asked
        self.assertEqual((ended["protocol_state"], ended["recipient_count"], ended["size"]), ("END-OF-MESSAGE", "1", str(len(CONTENT))))
        self.assertEqual(ended["instance"], asked["instance"])

    def test_its_action_is_done(self):
        for action, status in [("REJECT no", ["554", "5.7.1"]), ("DEFER_IF_PERMIT Greylisted", ["450", "4.7.1"]), ("550 5.1.6 moved", ["550", "5.1.6"])]:
            self.rcpt.judge = lambda asked, action=action: action
            self.assertEqual(self.answers(self.user.address), [status])
        # Nobody asks about those who are refused anyway.
        self.assertEqual(self.answers("nobody@example.test"), [["550", "5.1.1"]])
        self.assertEqual(self.answers(self.user.address, source=INSIDE), [["250", "2.1.5"]])

    def test_a_field_is_put_on_top_and_the_end_can_be_refused(self):
        self.rcpt.judge = lambda asked: "PREPEND X-Policy: seen"
        with Client(self.server) as client:
            client.rcpt(self.user.address)
            self.assertEqual(client.content(CONTENT)[:3], "250")
            self.end.judge = lambda asked: "REJECT too ugly"
            client.rcpt(self.user.address)
            self.assertEqual(client.content(CONTENT)[:9], "554 5.7.1")
        [message] = self.server.content(self.user)
        self.assertIn(b"\r\nX-Policy: seen\r\n", message.split(b"\r\n\r\n")[0])

    def test_one_that_hangs_up_or_talks_nonsense_or_is_gone_defers_or_not(self):
        for answer in [None, "NONSENSE"]:
            self.rcpt.judge = lambda asked, answer=answer: answer
            self.assertEqual(self.answers(self.user.address), [["451", "4.3.5"]])
        self.rcpt.judge, self.end.judge = (lambda asked: "OK"), (lambda asked: None)
        with Client(self.server) as client:
            client.rcpt(self.user.address)
            self.assertEqual(client.content(CONTENT)[:3], "250", "on_failure is accept")
            # A connection that was kept and is gone is made anew.
            self.end.judge = lambda asked: "OK"
            client.rcpt(self.user.address)
            self.assertEqual(client.content(CONTENT)[:3], "250")
