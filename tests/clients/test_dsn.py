"""Delivery reports that senders ask for (RFC 3461): of deliveries, of what is handed on, of delays, and none when they want none."""

import email

import harness
import messages
from harness import HERE, Case, eventually
from wire import NextHop


class Reports(Case):
    def setUp(self):
        self.hop = NextHop()
        self.addCleanup(self.hop.close)

    def send(self, node, sender, recipients, *options):
        with node.smtp(sender) as client:
            client.ehlo()
            self.assertTrue(client.has_extn("dsn"))
            client.sendmail(sender.address, recipients, messages.text("asked about"), ["RET=HDRS", "ENVID=q1+2B"], ["ORCPT=rfc822;first@x.test", *options])

    def reports(self, sender, count=1):
        eventually(lambda: len(sender.messages()) == count, f"{count} reports came")
        return [email.message_from_bytes(content) for content in sender.node.content(sender)]

    def told(self, report):
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual(report["Return-Path"], "<>")
        _, status, original = report.get_payload()
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: asked about", original.get_payload())
        of_message, *of_recipients = status.get_payload()
        self.assertEqual(of_message["Original-Envelope-Id"], "q1+")
        self.assertEqual({part["Original-Recipient"] for part in of_recipients}, {"rfc822;first@x.test"})
        return sorted((part["Action"], part["Status"][0], part["Final-Recipient"]) for part in of_recipients)

    def test_a_delivery_is_told_by_the_layer_that_has_the_mailbox(self):
        # The outgoing role hands it to the mailbox role over SMTP, which knows DSN: one report, not two.
        node = self.node()
        ana, bob = node.user(), node.user()
        self.send(node, ana, [bob.address], "NOTIFY=SUCCESS,FAILURE")
        self.assertEqual(self.told(self.reports(ana)[0]), [("delivered", "2", f"rfc822; {bob.address}")])
        node.drained()
        self.assertEqual((len(ana.messages()), len(bob.messages())), (1, 1))

    def test_a_delivery_out_of_the_queue_is_told_once(self):
        node = self.node(hop=HERE)
        ana, bob, eva = node.user(), node.user(), node.user()
        self.send(node, ana, [bob.address, eva.address], "NOTIFY=SUCCESS")
        expected = [("delivered", "2", f"rfc822; {user.address}") for user in (bob, eva)]
        self.assertEqual(self.told(self.reports(ana)[0]), expected)
        node.drained()
        self.assertEqual(len(ana.messages()), 1)

    def test_a_hop_without_dsn_has_it_relayed_and_one_with_it_is_told(self):
        knows = NextHop({"EHLO": "250-knows.test\r\n250 DSN"})
        self.addCleanup(knows.close)
        node = self.node(routes=[("hop.test", self.hop.port), ("knows.test", knows.port)])
        ana, bob = node.user(), node.user()
        self.send(node, ana, ["someone@hop.test"], "NOTIFY=SUCCESS")
        self.assertEqual(self.told(self.reports(ana)[0]), [("relayed", "2", "rfc822; someone@hop.test")])
        self.send(node, bob, ["someone@knows.test"], "NOTIFY=SUCCESS")
        node.drained()
        self.assertIn("RCPT TO:<someone@knows.test> NOTIFY=SUCCESS ORCPT=rfc822;first@x.test", knows.commands)
        self.assertEqual(bob.messages(), [])

    def test_who_asked_for_nothing_hears_nothing(self):
        self.hop.script["RCPT"] = "550 5.1.1 no"
        node = self.node(routes=[("hop.test", self.hop.port)])
        ana = node.user()
        self.send(node, ana, ["someone@hop.test"], "NOTIFY=NEVER")
        node.drained()
        self.assertEqual(ana.messages(), [])

    def test_a_delay_is_told_once_to_those_who_want_it(self):
        self.hop.script["RCPT"] = "451 4.2.0 later"
        node = self.node(routes=[("hop.test", self.hop.port)], queue={"retry_first": "200ms", "retry_max": "200ms", "delay_warning": "500ms"})
        ana, bob = node.user(), node.user()
        self.send(node, ana, ["someone@hop.test"], "NOTIFY=DELAY")
        self.send(node, bob, ["someone@hop.test"], "NOTIFY=FAILURE")
        report = self.reports(ana)[0]
        self.assertEqual(self.told(report), [("delayed", "4", "rfc822; someone@hop.test")])
        self.assertIn("Will-Retry-Until", report.as_string())
        tries = lambda: sum(command.startswith("RCPT") for command in self.hop.commands)
        now = tries()
        eventually(lambda: tries() > now + 4, "it was tried again")
        self.assertEqual((len(ana.messages()), bob.messages()), (1, []))
        del self.hop.script["RCPT"]
        node.queue("flush")
        node.drained()
        self.assertEqual(len(self.hop.messages), 2)

    def test_a_delivery_and_a_failure_are_two_reports(self):
        self.hop.script["RCPT"] = "550 5.1.1 no"
        node = self.node(routes=[("hop.test", self.hop.port)])
        ana, bob = node.user(), node.user()
        self.send(node, ana, [bob.address, "someone@hop.test"], "NOTIFY=SUCCESS,FAILURE")
        told = sorted(self.told(report)[0][0] for report in self.reports(ana, 2))
        self.assertEqual(told, ["delivered", "failed"])
