"""The queue and its commands: what cannot be delivered waits, is shown, tried again, returned or removed."""

import email
import json
import smtplib

import harness
import messages
from harness import Case, eventually
from wire import NextHop


class Waiting(Case):
    """A route on which nobody listens."""

    def setUp(self):
        self.closed = harness.free_port()
        self.server = self.node(routes=[("closed.test", self.closed)])
        self.ana = self.server.user()
        with self.server.smtp(self.ana) as client:
            client.sendmail(self.ana.address, ["someone@closed.test"], messages.of_size("waits", 5000))
        self.entry = eventually(self.deferred, "the first attempt failed")

    def deferred(self):
        entries = self.server.queued()
        return entries[0] if entries and entries[0]["recipients"][0]["state"] == "deferred" else None

    def test_a_message_for_a_closed_port_stays_and_is_shown(self):
        listed = self.server.queue("list").stdout
        for part in [self.entry["id"], f"<{self.ana.address}>", "someone@closed.test", "1 messages"]:
            self.assertIn(part, listed)
        shown = self.server.queue("show", self.entry["id"]).stdout
        for part in [self.entry["trace"], "someone@closed.test", "deferred", "1 attempts"]:
            self.assertIn(part, shown)
        self.assertEqual(json.loads(self.server.queue("show", "--json", self.entry["id"]).stdout)["id"], self.entry["id"])
        self.assertGreaterEqual(self.entry["size"], 5000)

    def test_flush_tries_at_once(self):
        self.server.queue("flush", self.entry["id"])
        eventually(lambda: self.server.queued()[0]["recipients"][0]["attempts"] == 2, "a second attempt was made")
        self.server.queue("flush")
        eventually(lambda: self.server.queued()[0]["recipients"][0]["attempts"] == 3, "a third attempt was made")

    def test_remove_removes_and_tells_nobody(self):
        self.server.queue("remove", self.entry["id"])
        self.assertEqual(self.server.queued(), [])
        self.assertIn("empty", self.server.queue("list").stdout)
        self.assertEqual(self.ana.messages(), [])

    def test_an_id_that_is_none_is_an_error(self):
        for arguments in [("show", "1234567"), ("remove", "nonsense"), ("flush", "1234567")]:
            refused = self.server.queue(*arguments, check=False)
            self.assertEqual(refused.returncode, 1, arguments)
            self.assertTrue(refused.stderr.startswith("tepui: "), refused.stderr)

    def test_the_queue_survives_kill_9_and_restart(self):
        self.server.kill()
        refused = self.server.queue("list", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is it running?", refused.stderr)
        self.server.start()
        self.assertEqual([entry["id"] for entry in self.server.queued()], [self.entry["id"]])


class Answers(Case):
    """A next hop that answers as it is told."""

    def setUp(self):
        self.hop = NextHop()
        self.addCleanup(self.hop.close)
        self.server = self.node(routes=[("hop.test", self.hop.port)])
        self.ana = self.server.user()

    def send(self, *recipients, message=None):
        self.message = message or messages.text("to the hop")
        with self.server.smtp(self.ana) as client:
            client.sendmail(self.ana.address, recipients or ["someone@hop.test"], self.message)

    def report(self):
        eventually(lambda: self.ana.messages(), "a report came")
        return email.message_from_bytes(self.server.content(self.ana)[0])

    def test_what_is_accepted_leaves_the_queue(self):
        self.send(message=messages.text("dots", body=".\r\n..\r\n.x\r\n"))
        self.server.drained()
        self.assertIn(b"\r\n\r\n..\r\n...\r\n..x\r\n", self.hop.messages[0])
        self.assertEqual(self.ana.messages(), [])

    def test_a_refusal_for_good_is_returned_as_a_delivery_report(self):
        self.hop.script["RCPT"] = "550 5.1.1 never heard of them"
        self.send()
        report = self.report()
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual(report["Return-Path"], "<>")
        text, status, original = report.get_payload()
        self.assertIn("someone@hop.test", text.get_payload())
        of_message, of_recipient = status.get_payload()
        self.assertIn("mail.example.test", of_message["Reporting-MTA"])
        self.assertIn("someone@hop.test", of_recipient["Final-Recipient"])
        self.assertEqual((of_recipient["Action"], of_recipient["Status"]), ("failed", "5.1.1"))
        self.assertIn("550 5.1.1 never heard of them", of_recipient["Diagnostic-Code"])
        self.assertIn("Subject: to the hop", original.as_string())
        self.server.drained()

    def test_only_the_refused_recipient_is_reported(self):
        self.hop.script["RCPT"] = "550 5.1.1 no"
        self.send("bad@hop.test", self.server.user().address)
        report = self.report()
        self.assertEqual([part["Final-Recipient"] for part in report.get_payload()[1].get_payload()[1:]], ["rfc822; bad@hop.test"])

    def test_a_refusal_for_now_waits_and_goes_when_flushed(self):
        self.hop.script["MAIL"] = "451 4.3.0 not now"
        self.send()
        deferred = lambda: [r for entry in self.server.queued() for r in entry["recipients"] if r["state"] == "deferred"]
        self.assertIn("451 4.3.0 not now", eventually(deferred, "the first attempt failed")[0]["reply"])
        self.assertEqual(self.hop.messages, [])
        del self.hop.script["MAIL"]
        self.server.queue("flush")
        self.server.drained()
        self.assertEqual([messages.without_trace(message) for message in self.hop.messages], [self.message])
        self.assertEqual(self.ana.messages(), [])

    def test_a_refusal_of_the_content_is_returned_too(self):
        self.hop.script["."] = "554 5.7.1 it smells"
        self.send()
        self.assertIn("554 5.7.1 it smells", self.report().as_string())

    def test_a_hop_that_hangs_up_after_the_content_gets_the_message_again(self):
        self.hop.script["."] = "421 4.3.2 going down"
        self.send()
        eventually(lambda: [entry for entry in self.server.queued() if entry["recipients"][0]["state"] == "deferred"], "it is deferred")
        del self.hop.script["."]
        self.server.queue("flush")
        self.server.drained()
        self.assertEqual(len(self.hop.messages), 1)

    def test_a_handshake_that_fails_is_no_reason_not_to_deliver(self):
        self.hop.script.update({"EHLO": "250-hop.test\r\n250 STARTTLS", "STARTTLS": "220 go" + NextHop.CLOSES})
        self.send()
        eventually(lambda: self.hop.messages, "it was delivered in clear")
        self.assertIn("STARTTLS", self.hop.commands)
        self.server.drained()

    def test_a_kept_connection_that_the_hop_closed_delays_nothing(self):
        self.hop.script["."] = "250 2.0.0 ok" + NextHop.CLOSES
        for count in [1, 2, 3]:
            self.send()
            eventually(lambda: len(self.hop.messages) == count, f"message {count} was delivered at once")
        self.server.drained()

    def test_a_damaged_message_is_set_aside_and_the_others_go(self):
        self.hop.script["MAIL"] = "451 4.3.0 not now"
        self.send(message=messages.of_size("damaged", 500_000))
        self.send(message=messages.of_size("whole", 500_000))
        eventually(lambda: [r["state"] for entry in self.server.queued() for r in entry["recipients"]] == ["deferred"] * 2, "both wait")
        damaged = self.server.folder / "state/queue/content" / f"{self.server.queued()[0]['id']}.msg"
        with open(damaged, "r+b") as file:
            file.seek(400_000)
            file.write(b"\0\0\0\0")
        del self.hop.script["MAIL"]
        self.server.queue("flush")
        self.server.drained()
        self.assertEqual([messages.without_trace(message) for message in self.hop.messages], [self.message])
        self.assertIn("the damaged message was set aside", self.server.log())
        self.assertTrue(list((self.server.folder / "state/queue/damaged").iterdir()))

    def test_a_domain_without_a_route_is_refused_at_submission(self):
        with self.server.smtp(self.ana) as client:
            client.mail(self.ana.address)
            self.assertEqual(client.rcpt("someone@elsewhere.test")[0], 550)


class Here(Case):
    """Without a route the queue delivers into the mailboxes of its own node."""

    def test_messages_of_every_size_arrive_whole(self):
        server = self.node(hop=harness.HERE)
        ana, bob = server.user(), server.user()
        # In the log of the queue, in a file of their own, and in several pieces.
        sent = [messages.of_size(f"size {size}", size) for size in [300, 5000, 200_000, 1_000_000]]
        with server.smtp(ana) as client:
            for message in sent:
                client.sendmail(ana.address, [bob.address], message)
        eventually(lambda: len(bob.messages()) == len(sent), "all arrived")
        self.assertEqual(sorted(messages.without_trace(content) for content in server.content(bob)), sorted(sent))
        server.drained()


    def test_who_can_be_reached_has_it_and_the_rest_waits(self):
        server = self.node(hop=harness.HERE)
        ana, bob = server.user(), server.user()
        home = server.folder / "mail/example.test" / bob.address.split("@")[0]
        home.parent.mkdir(parents=True, exist_ok=True)
        home.write_text("in the way of a folder")
        message = messages.text("for two")
        with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
            client.sendmail("someone@elsewhere.test", [ana.address, bob.address], message)
        self.assertEqual([messages.without_trace(content) for content in server.content(ana)], [message])
        waiting = eventually(lambda: [r for entry in server.queued() for r in entry["recipients"] if r["state"] == "deferred"], "it waits")
        self.assertEqual([recipient["address"] for recipient in waiting], [bob.address])
        home.unlink()
        server.queue("flush")
        eventually(lambda: bob.messages(), "it arrived")
        self.assertEqual([messages.without_trace(content) for content in server.content(bob)], [message])
        self.assertEqual(len(ana.messages()), 1)
        with smtplib.SMTP("127.0.0.1", server.port("smtp")) as client:
            home.rename(home.with_suffix(".away"))
            home.write_text("in the way again")
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                client.sendmail("someone@elsewhere.test", [bob.address], message)
        self.assertEqual(refused.exception.smtp_code, 451)
        server.drained()


class Lifetime(Case):
    def test_what_is_never_taken_is_returned_at_the_end_of_its_lifetime(self):
        hop = NextHop({"RCPT": "450 4.2.0 later"})
        self.addCleanup(hop.close)
        node = self.node(routes=[("hop.test", hop.port)], queue={"retry_first": "200ms", "retry_max": "200ms", "lifetime": "1s"})
        ana = node.user()
        with node.smtp(ana) as client:
            client.sendmail(ana.address, ["someone@hop.test"], messages.text("too late"))
        eventually(lambda: ana.messages(), "a report came")
        self.assertIn("450 4.2.0 later", node.content(ana)[0].decode())
        node.drained()
