"""Messages of every kind that the tests send, and how to compare what arrived with what was sent."""

import email.policy
import random
import re
from email.message import EmailMessage

# What servers put on top of a message on its way (RFC 5321 §4.4; Delivered-To by custom).
TRACE_FIELDS = (b"return-path:", b"delivered-to:", b"received:")


def without_trace(message):
    """The message below the trace fields on its top."""
    while message.lower().startswith(TRACE_FIELDS):
        field = re.match(rb"[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*", message)
        message = message[field.end():]
    return message


def text(subject, body="Hello,\r\n\r\na line.\r\n", sender="ana@example.test", to="bob@example.test"):
    """A plain message. Its Message-ID is made of the subject."""
    name = re.sub(r"[^A-Za-z0-9]", "-", subject)
    return (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: Fri, 20 Nov 2026 10:00:00 -0600\r\n"
            f"Message-ID: <{name}@tests.example>\r\n\r\n{body}").encode()


def of_size(subject, size):
    """A plain message of exactly so many octets, in lines that are not all alike."""
    head = text(subject, body="")
    line = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,;\r\n"
    body = (line * ((size - len(head)) // len(line) + 1))[:size - len(head) - 2]
    # A piece of a line end must not stay behind at the cut.
    return head + body.removesuffix(b"\r") .ljust(size - len(head) - 2, b"x") + b"\r\n"


def eight_bit(subject):
    """UTF-8 in its body, not encoded (RFC 6152)."""
    return text(subject, body="").replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                          b"Content-Transfer-Encoding: 8bit\r\n\r\n") + "ñandú, águila, 日本\r\n.\r\n..x\r\n".encode()


def with_attachments(subject, seed):
    """Text, HTML and binary attachments, as mail programs make them."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = "ana@example.test", "bob@example.test", subject
    message["Date"], message["Message-ID"] = "Fri, 20 Nov 2026 10:00:00 -0600", f"<attachments-{seed}@tests.example>"
    message.set_content("See the attachments.\n")
    message.add_alternative("<p>See the <b>attachments</b>.</p>\n", subtype="html")
    dice = random.Random(seed)
    message.add_attachment(dice.randbytes(30_000), maintype="image", subtype="png", filename="picture.png")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="números.csv")
    return message.as_bytes()
