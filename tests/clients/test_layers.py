"""The two layers as two processes: what happens to mail while one of them is down."""

import messages
from harness import Case, eventually


class Layers(Case):
    def setUp(self):
        self.mailboxes = self.node(roles=["mailbox"])
        self.outgoing = self.node(roles=["outgoing"], hop=self.mailboxes.port("smtp"), queue={"retry_first": "1s", "retry_max": "1s"})
        # Both know the same accounts.
        self.ana, self.bob = self.outgoing.user(), self.mailboxes.user()

    def send(self, *subjects):
        with self.outgoing.smtp(self.ana) as client:
            for subject in subjects:
                client.sendmail(self.ana.address, [self.bob.address], messages.text(subject))

    def received(self):
        return sorted(messages.without_trace(message) for message in self.mailboxes.content(self.bob))

    def test_mail_goes_from_the_one_to_the_other(self):
        self.send("through both")
        self.outgoing.drained()
        message = self.mailboxes.content(self.bob)[0]
        self.assertEqual(messages.without_trace(message), messages.text("through both"))
        self.assertEqual(message.count(b"Received: "), 2)
        self.assertEqual(self.mailboxes.queued(), [])

    def test_mail_waits_while_the_mailbox_layer_is_down_and_comes_once_when_it_is_back(self):
        self.mailboxes.kill()
        subjects = [f"waiting {n}" for n in range(5)]
        self.send(*subjects)
        eventually(lambda: all(r["state"] == "deferred" for entry in self.outgoing.queued() for r in entry["recipients"]), "all are deferred")
        self.mailboxes.start()
        self.outgoing.drained()
        self.assertEqual(self.received(), sorted(map(messages.text, subjects)))

    def test_the_mailbox_layer_may_die_while_it_is_delivered_to(self):
        subjects = [f"in flight {n:02}" for n in range(60)]
        self.send(*subjects[:30])
        self.mailboxes.kill()
        self.send(*subjects[30:])
        self.mailboxes.start()
        self.outgoing.drained()
        # The answer to what was in flight was lost with the process: nothing is missing, and nothing is there twice.
        self.assertEqual(self.received(), sorted(map(messages.text, subjects)))

    def test_the_outgoing_layer_may_die_while_it_delivers(self):
        subjects = [f"in flight {n:02}" for n in range(60)]
        self.send(*subjects)
        self.outgoing.kill()
        self.outgoing.start()
        self.outgoing.drained()
        self.assertEqual(self.received(), sorted(map(messages.text, subjects)))
