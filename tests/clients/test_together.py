"""A message that comes for several accounts at once is one file in all of their mailboxes, and each has it for himself."""

import os
from pathlib import Path

from harness import HERE, Case, eventually, shared_node, temporary_folder
from wire import Wire


def lmtp(node, recipients, content):
    """One transaction; gives the answer for each recipient."""
    with Wire(node.port("lmtp")) as wire:
        wire.reply()
        wire.ask("LHLO client.test")
        wire.ask("MAIL FROM:<sender@elsewhere.test>")
        for recipient in recipients:
            answer = wire.ask(f"RCPT TO:<{recipient}>")
            assert answer.startswith("250"), answer
        assert wire.ask("DATA").startswith("354")
        wire.send(content.encode() + b"\r\n.\r\n")
        return [wire.reply() for _ in recipients]


def files(users):
    """The one message file of each."""
    return [file for user in users for file in user.messages()]


class Together(Case):
    content = "From: ana\r\nSubject: for all\r\n\r\nBody."

    def deliver(self, node, users):
        for answer in lmtp(node, [user.address for user in users], self.content):
            self.assertTrue(answer.startswith("250"), answer)

    def test_three_recipients_have_one_file_that_names_none_of_them(self):
        node = shared_node()
        users = [node.user() for _ in range(3)]
        self.deliver(node, users)
        self.assertEqual([os.stat(file).st_nlink for file in files(users)], [3, 3, 3])
        self.assertEqual(len({os.stat(file).st_ino for file in files(users)}), 1)
        self.assertEqual([user.files("tmp") for user in users], [[], [], []])
        text = files(users)[0].read_text()
        self.assertTrue(text.startswith("Return-Path: <sender@elsewhere.test>\nReceived: from client.test"), text)
        self.assertNotIn("Delivered-To", text)
        self.assertFalse(any(user.address in text for user in users), text)

    def test_each_has_it_for_himself(self):
        node = shared_node()
        users = [node.user() for _ in range(3)]
        self.deliver(node, users)
        clients = [node.imap(user, "INBOX") for user in users]
        clients[0].store("1", "+FLAGS", "\\Seen")
        clients[1].store("1", "+FLAGS", "\\Deleted")
        clients[1].expunge()
        self.assertEqual([client.select("INBOX")[1] for client in clients], [[b"1"], [b"0"], [b"1"]])
        self.assertEqual([len(client.search(None, "SEEN")[1][0].split()) for client in clients], [1, 0, 0])
        self.assertIn(b"Body.", node.content(users[2])[0])

    def test_one_recipient_is_named(self):
        node = shared_node()
        user = node.user()
        self.deliver(node, [user])
        text = files([user])[0].read_text()
        self.assertIn(f"Delivered-To: {user.address}\n", text)
        self.assertIn(f"for <{user.address}>", text)

    def test_the_same_account_twice_gets_it_twice(self):
        node = shared_node()
        user = node.user()
        self.deliver(node, [user, user])
        self.assertEqual([os.stat(file).st_nlink for file in user.messages()], [2, 2])

    def test_switched_off_each_gets_a_file_of_his_own(self):
        node = self.node(tables={"[mailboxes]": {"single_instance": "off"}})
        users = [node.user() for _ in range(3)]
        self.deliver(node, users)
        for user, file in zip(users, files(users)):
            self.assertEqual(os.stat(file).st_nlink, 1)
            self.assertIn(f"Delivered-To: {user.address}\n", file.read_text())

    def test_a_recipient_who_fails_has_his_own_answer_and_the_others_their_mail(self):
        node = self.node()
        users = [node.user() for _ in range(20)]
        for user in users[::5]:
            # Whoever they run as, nobody writes into a file.
            user.maildir.parent.mkdir(parents=True)
            user.maildir.write_text("no folder")
        answers = lmtp(node, [user.address for user in users], self.content)
        codes = [answer[:3] for answer in answers]
        self.assertEqual(codes, ["451" if number % 5 == 0 else "250" for number in range(20)])
        self.assertTrue(all(user.address in answer for user, answer in zip(users, answers)))
        good = [user for user in users if user not in users[::5]]
        self.assertEqual([os.stat(file).st_nlink for file in files(good)], [16] * 16)

    def test_another_file_system_gets_a_file_of_its_own(self):
        elsewhere = Path("/dev/shm")
        node = self.node()
        if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == node.folder.stat().st_dev:
            self.skipTest("there is no second file system")
        users = [node.user() for _ in range(3)]
        home = temporary_folder(elsewhere)
        users[1].maildir.parent.parent.mkdir(parents=True, exist_ok=True)
        users[1].maildir.parent.symlink_to(home)
        self.deliver(node, users)
        self.assertEqual([os.stat(file).st_nlink for file in files(users)], [2, 1, 2])

    def test_a_message_out_of_the_queue_is_written_once_too(self):
        node = self.node(hop=HERE)
        users = [node.user() for _ in range(3)]
        client = node.smtp(users[0])
        client.sendmail(users[0].address, [user.address for user in users], self.content)
        client.quit()
        eventually(lambda: all(user.messages() for user in users), "all have it")
        node.drained()
        self.assertEqual([os.stat(file).st_nlink for file in files(users)], [3, 3, 3])
