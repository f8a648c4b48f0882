"""What `[pop3]` changes: each switch alone, seen by Python's poplib, and on disk."""

import poplib

import messages
from harness import Case
from wire import Wire


def taken(client):
    """The subjects that a client is shown, by the messages' numbers."""
    count, _ = client.stat()
    tops = [b"\n".join(client.top(number + 1, 0)[1]) for number in range(count)]
    return [top.split(b"Subject: ")[1].split(b"\n")[0].decode() for top in tops]


def unique_ids(client):
    return [line.split()[1].decode() for line in client.uidl()[1]]


class Settings(Case):
    def serve(self, **options):
        self.server = self.node(tables={"[pop3]": options})
        self.user = self.server.user()

    def deliver(self, *subjects):
        self.server.deliver(self.user, *map(messages.text, subjects))

    def login(self):
        return self.server.pop3(self.user)

    def uidlist(self):
        return (self.user.maildir / "dovecot-uidlist").read_text()

    def test_a_second_session_is_refused_while_the_first_lasts(self):
        self.serve(lock_session="yes")
        self.deliver("one")
        first = self.login()
        self.assertTrue((self.user.maildir / "dovecot-pop3-session.lock").exists())
        with self.assertRaisesRegex(poplib.error_proto, "IN-USE"):
            self.login()
        # IMAP and deliveries are not in its way, and it keeps to what it saw.
        self.deliver("two")
        with self.server.imap(self.user, "INBOX") as imap:
            self.assertEqual(len(imap.search(None, "ALL")[1][0].split()), 2)
        self.assertEqual(first.stat()[0], 1)
        first.dele(1)
        first.quit()
        self.assertEqual(taken(self.login()), ["two"])

    def test_a_session_that_breaks_off_gives_its_lock_back_and_removes_nothing(self):
        self.serve(lock_session="yes")
        self.deliver("one")
        first = self.login()
        first.dele(1)
        first.close()
        self.assertEqual(taken(self.login()), ["one"])

    def test_what_is_fetched_is_not_marked(self):
        self.serve(no_flag_updates="yes")
        self.deliver("one")
        client = self.login()
        client.retr(1)
        client.quit()
        self.assertFalse(any(file.name.endswith("S") for file in self.user.messages()))

    def test_deleted_messages_get_a_keyword_and_are_hidden_from_pop3_only(self):
        self.serve(deleted_flag="$POP3Deleted")
        self.deliver("one", "two")
        client = self.login()
        client.dele(1)
        client.quit()
        self.assertEqual(taken(self.login()), ["two"])
        with self.server.imap(self.user, "INBOX") as imap:
            self.assertEqual(imap.search(None, "KEYWORD", "$POP3Deleted")[1], [b"1"])
            imap.store("1", "-FLAGS", "$POP3Deleted")
        self.assertEqual(taken(self.login()), ["one", "two"])

    def test_a_header_field_is_the_unique_id_where_it_can_be_told(self):
        self.serve(reuse_xuidl="yes", save_uidl="yes")
        fields = ["X-UIDL: from-the-old-server", "X-UIDL: two words", "X-Other: x"]
        for field in fields:
            self.server.deliver(self.user, field.encode() + b"\r\n" + messages.text("x"))
        before = unique_ids(self.login())
        self.assertEqual(before[0], "from-the-old-server")
        self.assertRegex(before[1], "^00000002[0-9a-f]{8}$")
        self.assertIn(" Pfrom-the-old-server ", self.uidlist())

    def test_saved_unique_ids_outlast_a_change_of_the_format(self):
        self.serve(save_uidl="yes")
        self.deliver("one", "two")
        before = unique_ids(self.login())
        self.assertEqual(self.uidlist().count(" P"), 2)
        self.server.stop()
        self.server.tables = {"[mailboxes]": {"pop3_uidl_format": "%u.%v"}}
        self.server.write_configuration()
        self.server.start()
        self.deliver("three")
        after = unique_ids(self.login())
        self.assertEqual(after[:2], before)
        self.assertRegex(after[2], r"^3\.\d+$")

    def test_messages_come_in_the_order_that_a_migration_saved(self):
        self.serve()
        self.deliver("one", "two", "three")
        before = unique_ids(self.login())
        self.server.stop()
        path = self.user.maildir / "dovecot-uidlist"
        path.write_text(self.uidlist().replace("\n3 ", "\n3 O1 ").replace("\n2 ", "\n2 O2 "))
        self.server.start()
        client = self.login()
        self.assertEqual(taken(client), ["three", "two", "one"])
        self.assertEqual(unique_ids(client), before[::-1])
        client.dele(1)
        client.quit()
        self.assertEqual(taken(self.login()), ["two", "one"])

    def test_last_is_the_highest_message_that_was_fetched(self):
        self.serve(enable_last="yes")
        self.deliver("one", "two", "three")
        client = self.login()
        self.assertEqual(client._shortcmd("LAST"), b"+OK 0")
        client.retr(2)
        client.quit()
        self.assertEqual(self.login()._shortcmd("LAST"), b"+OK 2")


class Announced(Case):
    def test_utf8_lang_and_what_may_be_expected_are_announced_and_hold(self):
        server = self.node(users=["ñandú@example.test"])
        with Wire(server.port("pop3s"), server.tls()) as wire:
            wire.line()
            for command in ["UTF8", "USER ñandú@example.test", "PASS correct-horse-42", "LANG *"]:
                wire.send(command)
                self.assertTrue(wire.line().startswith(b"+OK"), command)
        client = server.pop3(server.user())
        offered = client.capa()
        self.assertLessEqual({"UTF8": ["USER"], "LANG": [], "EXPIRE": ["NEVER"], "LOGIN-DELAY": ["0"]}.items(), offered.items())
