"""Whose sender it is, and what a message gets on its way in."""

from harness import HERE, Case, Node, eventually
from test_relay import INSIDE, OUTSIDE, Client
from slapd import USER_PASSWORD, Slapd
from wire import NextHop


def node(smtp, **more):
    tables = {"[smtp]": smtp, "[relay]": {"networks": [INSIDE]}}
    listeners = {"smtp": ("smtp", "off", {"auth": "offered"})}
    return Node(tables=tables, listeners=listeners, **more).start()


class Sender(Case):
    def test_a_user_sends_only_as_himself_where_that_is_wanted(self):
        server = node({"sender_login": "reject"})
        user, other = server.user(), server.user()
        with Client(server, login=user) as client:
            for sender, status in [(user.address, "250 2.1.0"), (user.address.replace("@", "+lists@").upper(), "250 2.1.0"), ("", "250 2.1.0"),
                                   (other.address, "553 5.7.1"), ("nobody@example.test", "553 5.7.1"), ("ceo@elsewhere.test", "553 5.7.1")]:
                self.assertEqual(client.ask(f"MAIL FROM:<{sender}>")[:9], status, sender)
                client.ask("RSET")
        # Who did not log in is bound by the relay policy alone.
        with Client(server, INSIDE) as client:
            self.assertEqual(client.ask(f"MAIL FROM:<{other.address}>")[:3], "250")
        server.stop()

    def test_a_warning_is_a_line_in_the_log(self):
        server = node({"sender_login": "warn"})
        user, other = server.user(), server.user()
        with Client(server, login=user) as client:
            self.assertEqual(client.ask(f"MAIL FROM:<{other.address}>")[:3], "250")
        self.assertIn("the sender's address is not his who logged in", server.log())
        server.stop()

    def test_members_send_as_their_group_and_a_directory_that_is_down_is_no_refusal(self):
        directory = Slapd()
        settings = {"sender_login": "reject", "group_senders": "members"}
        server = node(settings, directory=directory, domains=["domain01.dom", "domain02.dom"], hop=HERE)
        senders = [("usuario01@domain01.dom", "250 2.1.0"), ("ventas@domain01.dom", "250 2.1.0"), ("parcial@domain01.dom", "553 5.7.1")]
        with Client(server) as client:
            self.assertEqual(client.ask("AUTH PLAIN AHVzdWFyaW8wMQBQQHNzdzByZA==")[:3], "235", USER_PASSWORD)
            for sender, status in senders:
                self.assertEqual(client.ask(f"MAIL FROM:<{sender}>")[:9], status, sender)
                client.ask("RSET")
            directory.end()
            self.assertEqual(client.ask("MAIL FROM:<usuario02@domain01.dom>")[:9], "451 4.3.0")
        server.stop()


class Header(Case):
    def test_what_is_missing_is_added_and_who_logged_in_is_told(self):
        server = node({"authenticated_header": "yes"})
        user = server.user()
        with Client(server, login=user) as client:
            client.rcpt(user.address)
            client.content("Subject: s\r\n\r\nt\r\n")
        [message] = server.content(user)
        head = message.decode().split("\r\n\r\n")[0]
        for part in [f"(Authenticated sender: {user.address})", "with ESMTPA", "\r\nDate: ", "\r\nMessage-ID: <", "\r\nFrom: someone@elsewhere.test"]:
            self.assertIn(part, head)
        # From outside, and to one here: as it came.
        with Client(server, OUTSIDE) as client:
            client.rcpt(user.address)
            client.content("Subject: outside\r\n\r\nt\r\n")
        head = server.content(user)[1].decode().split("\r\n\r\n")[0]
        self.assertNotIn("Message-ID", head)
        self.assertNotIn("Authenticated", head)
        server.stop()

    def test_everybody_gets_what_is_missing_where_that_is_wanted(self):
        server = node({"add_missing_headers": "always"})
        user = server.user()
        with Client(server, OUTSIDE) as client:
            self.assertEqual(client.ask("MAIL FROM:<>")[:3], "250")
            client.ask(f"RCPT TO:<{user.address}>")
            client.content("fRoM: <a@x.test>\r\n\r\nt\r\n")
        head = server.content(user)[0].decode().split("\r\n\r\n")[0]
        self.assertIn("\r\nMessage-ID: <", head)
        self.assertEqual(head.lower().count("\r\nfrom:"), 1)
        server.stop()

    def test_a_message_that_was_in_this_mailbox_goes_round_in_a_circle(self):
        server = node({})
        user, other = server.user(), server.user()
        with Client(server) as client:
            client.rcpt(user.address)
            self.assertEqual(client.content(f"Delivered-To: {user.address.upper()}\r\n\r\nt\r\n")[:9], "554 5.4.6")
            client.rcpt(other.address)
            self.assertEqual(client.content(f"Delivered-To: {user.address}\r\n\r\nt\r\n")[:3], "250")
        self.assertEqual((len(user.messages()), len(other.messages())), (0, 1))
        server.stop()

    def test_etrn_lets_what_waits_be_tried_now(self):
        hop = NextHop({"MAIL": "451 later"})
        server = node({}, hop=hop.port, queue={"retry_first": "1h"})
        user = server.user()
        with server.smtp(user) as client:
            client.sendmail(user.address, [user.address], b"Subject: s\r\n\r\nt\r\n")
        eventually(lambda: any(command.startswith("MAIL") for command in hop.commands), "it was tried")
        hop.script.clear()
        # The answer may be on its way still: then it waits a moment later.
        with Client(server) as client:
            def asked():
                self.assertIn(client.ask("ETRN example.test")[:3], "250")
                return hop.messages
            eventually(asked, "it is tried again at once")
            self.assertEqual(client.ask("ETRN elsewhere.test")[:3], "459")
        server.stop()
        hop.close()
