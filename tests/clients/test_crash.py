"""`kill -9` while mail comes in: what was answered 250 is in the mailbox, once.

TEPUI_CRASH_ROUNDS sets how often the server is killed (`./test long`).
"""

import os
import smtplib
import threading
from collections import Counter

import messages
from harness import Case, eventually

ROUNDS = int(os.environ.get("TEPUI_CRASH_ROUNDS", "5"))
SENDERS = 6
# Each round ends when so many more messages were acknowledged; odd, so that the kill comes at ever other moments.
ACKNOWLEDGED_A_ROUND = 37


class Sender(threading.Thread):
    """Sends one message after the other until the server dies, and remembers which were acknowledged."""

    def __init__(self, connect, sender, recipient, names):
        super().__init__(daemon=True)
        self.connect, self.envelope, self.names = connect, (sender, recipient), names
        self.acknowledged, self.tried, self.trouble = [], [], None

    def run(self):
        try:
            client = self.connect()
            for name in self.names:
                self.tried.append(name)
                client.sendmail(self.envelope[0], [self.envelope[1]], messages.of_size(name, 500 + len(self.tried) * 997))
                self.acknowledged.append(name)
        except (OSError, smtplib.SMTPServerDisconnected):
            pass
        except Exception as trouble:  # a reply that is not 250 is none of the ways in which a dead server looks
            self.trouble = trouble


def subject(message):
    return next(line for line in message.split(b"\r\n") if line.startswith(b"Subject: "))[9:].decode()


class Crash(Case):
    patience = 120 + 30 * ROUNDS

    def crash_and_count(self, connect, sender, user, node):
        acknowledged, tried = [], []
        for number in range(ROUNDS):
            senders = [Sender(connect, sender, user.address, self.names(number, one)) for one in range(SENDERS)]
            for each in senders:
                each.start()
            goal = ACKNOWLEDGED_A_ROUND + number
            eventually(lambda: sum(len(each.acknowledged) for each in senders) >= goal or any(each.trouble for each in senders),
                       f"{goal} messages are acknowledged", 60)
            node.kill()
            for each in senders:
                each.join(60)
                self.assertIsNone(each.trouble)
                acknowledged += each.acknowledged
                tried += each.tried
            node.start()
        node.drained(60)
        found = Counter(subject(message) for message in node.content(user))
        self.assertEqual([name for name in acknowledged if found[name] == 0], [], "lost")
        self.assertEqual([name for name in acknowledged if found[name] > 1], [], "more than once")
        self.assertLessEqual(set(found), set(tried))
        self.assert_whole(node, user)

    def assert_whole(self, node, user):
        for message in node.content(user):
            whole = messages.without_trace(message)
            self.assertEqual(whole, messages.of_size(subject(message), len(whole)))
        self.assertEqual(list((node.folder / "state/held").iterdir()), [])

    @staticmethod
    def names(number, sender):
        return [f"round {number} sender {sender} message {n}" for n in range(10_000)]

    def test_what_submission_acknowledged_is_in_the_mailbox_once(self):
        node = self.node(level="info", queue={"retry_first": "1s"})
        ana, bob = node.user(), node.user()
        self.crash_and_count(lambda: node.smtp(ana), ana.address, bob, node)

    def test_what_the_mailbox_layer_acknowledged_is_in_the_mailbox_once(self):
        node = self.node(level="info")
        user = node.user()
        connect = lambda: smtplib.LMTP("127.0.0.1", node.port("lmtp"))
        self.crash_and_count(connect, "sender@elsewhere.test", user, node)
