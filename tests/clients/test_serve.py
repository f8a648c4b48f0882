"""`tepui check` and `tepui serve`: the configuration file, and the signals that an operator sends."""

import re
import signal

import harness
import messages
from harness import Case, Node, Process, eventually
from wire import Wire

BAD_FILE = """[node]
name = "mail.example.test"
roles = ["outgoing", "mailbxo"]
state = "state"

[[listener]]
protocol = "smtp"
adress = "127.0.0.1:2025"

[domains]
local = ["example.test"]

[directory]
password_file = "users"

[mailboxes]
home = "mail/%d/%n"

[limits]
message_size = "ten"
"""
# Line, column and a word of each mistake in it.
MISTAKES = [(3, 22, "mailbox"), (8, 1, "did you mean `address`?"), (20, 16, "size")]


def bad_file():
    file = harness.temporary_folder() / "tepui.toml"
    file.write_text(BAD_FILE)
    return file


class Check(Case):
    def assert_every_mistake_is_told(self, file, told):
        for line, column, word in MISTAKES:
            self.assertIn(f"{file}:{line}:{column}", told)
            self.assertIn(word, told)
        self.assertIn("`address` is missing", told)

    def test_every_mistake_is_told_with_file_line_and_column(self):
        file = bad_file()
        checked = harness.tepui("check", "--config", file)
        self.assertEqual(checked.returncode, 2)
        self.assert_every_mistake_is_told(file, checked.stderr)

    def test_a_bad_file_starts_nothing(self):
        file = bad_file()
        served = harness.tepui("serve", "--config", file)
        self.assertEqual(served.returncode, 2)
        self.assert_every_mistake_is_told(file, served.stderr)
        self.assertEqual(list(file.parent.iterdir()), [file])

    def test_a_missing_file_and_a_wrong_option_are_misuse(self):
        self.assertEqual(harness.tepui("check", "--config", "/nowhere/tepui.toml").returncode, 2)
        self.assertEqual(harness.tepui("serve", "--port", "25").returncode, 2)

    def test_text_that_is_no_toml_is_told_with_its_line(self):
        file = harness.temporary_folder() / "tepui.toml"
        file.write_text("[node]\nname = \n\n= 3\n")
        checked = harness.tepui("check", "--config", file)
        self.assertEqual(checked.returncode, 2)
        self.assertRegex(checked.stderr, re.escape(f"{file}:2:"))

    def test_the_configuration_that_the_demo_writes_is_good(self):
        node = Node()
        checked = harness.tepui("check", "--config", node.configuration)
        self.assertEqual(checked.returncode, 0, checked.stderr)


class Reload(Case):
    def announced_size(self, node):
        with Wire(node.port("smtp")) as wire:
            wire.reply()
            return int(re.search(r"SIZE (\d+)", wire.ask("EHLO client.test")).group(1))

    def test_new_settings_count_for_new_sessions_and_old_sessions_keep_theirs(self):
        node = self.node(limits={"message_size": "2M"})
        with Wire(node.port("smtp")) as old:
            old.reply()
            node.limits["message_size"] = "1M"
            node.write_configuration()
            node.send_signal(signal.SIGHUP)
            eventually(lambda: "new settings are in force" in node.log(), "the log tells of the reload")
            self.assertEqual(self.announced_size(node), 1 << 20)
            self.assertIn(f"SIZE {2 << 20}", old.ask("EHLO client.test"))

    def test_a_bad_file_keeps_the_old_settings_and_says_so(self):
        node = self.node(limits={"message_size": "2M"})
        node.configuration.write_text(node.configuration.read_text().replace('"2M"', '"two"').replace("[domains]", "[domians]"))
        node.send_signal(signal.SIGHUP)
        eventually(lambda: "the old settings stay in force" in node.log(), "the log tells of the refusal")
        self.assertIn("did you mean `domains`?", node.log())
        self.assertEqual(self.announced_size(node), 2 << 20)

    def test_a_listener_can_move(self):
        node = self.node()
        old, new = node.port("smtp"), harness.free_port()
        text = node.configuration.read_text()
        node.configuration.write_text(text.replace(f'address = "127.0.0.1:{old}"', f'address = "127.0.0.1:{new}"'))
        node.send_signal(signal.SIGHUP)
        eventually(lambda: "new settings are in force" in node.log(), "the log tells of the reload")
        with Wire(new) as wire:
            self.assertTrue(wire.reply().startswith("220 "))
        with self.assertRaises(ConnectionRefusedError):
            Wire(old)


class Stop(Case):
    def open_transaction(self, node, user):
        wire = Wire(node.port("smtp"))
        wire.reply()
        for command in ["EHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{user.address}>"]:
            self.assertTrue(wire.ask(command).startswith("250"), command)
        self.assertTrue(wire.ask("DATA").startswith("354"))
        message = messages.text("half of me came before the signal")
        wire.send(message[:60])
        return wire, message

    def test_an_open_transaction_finishes_while_new_clients_find_no_server(self):
        node = self.node()
        user = node.user()
        wire, message = self.open_transaction(node, user)
        node.send_signal(signal.SIGTERM)
        eventually(lambda: harness.is_free(node.port("smtp")), "nobody listens any more")
        wire.send(message[60:] + b".\r\n")
        self.assertTrue(wire.reply().startswith("250 "))
        wire.rest()
        self.assertEqual(node.wait(15), 0)
        self.assertEqual(len(user.messages()), 1)

    def test_idle_sessions_hear_a_farewell_at_once(self):
        node = self.node(limits={"drain_time": "30s"})
        user = node.user()
        smtp, pop3 = Wire(node.port("smtp")), Wire(node.port("pop3"))
        smtp.reply()
        pop3.line()
        imap = Wire(node.port("imaps"), node.tls())
        imap.line()
        imap.tagged("a", f"LOGIN {user.address} {user.password}")
        node.send_signal(signal.SIGTERM)
        self.assertTrue(smtp.rest().startswith(b"421 "))
        self.assertTrue(imap.rest().startswith(b"* BYE"))
        pop3.rest()
        self.assertEqual(node.wait(15), 0)

    def test_a_client_that_never_ends_is_cut_at_the_bound(self):
        node = self.node(limits={"drain_time": "1s"})
        wire, _ = self.open_transaction(node, node.user())
        self.assertEqual(node.stop(patience=15), 0)
        wire.rest()
        self.assertIn("sessions_cut=1", node.log())

    def test_a_node_whose_queue_another_process_has_does_not_start(self):
        node = self.node()
        second = Node()
        text = second.configuration.read_text().replace('state = "state"', f'state = "{node.folder}/state"')
        second.configuration.write_text(text)
        second.ready = None
        self.own(second).start()
        self.assertEqual(second.wait(), 1)
        self.assertIn("queue", second.log())
        self.assertIn(node, Process.running)
