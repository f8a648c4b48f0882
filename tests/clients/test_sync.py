"""Clients that were away and come back (QRESYNC), and connections that are compressed, against the real binary."""

import re
import zlib

from test_imap import Imap


class Deflated:
    """A socket whose octets are deflated, as COMPRESS makes it."""

    def __init__(self, socket):
        self.socket = socket
        self.deflate = zlib.compressobj(wbits=-15)
        self.inflate = zlib.decompressobj(wbits=-15)
        self.received = 0

    def sendall(self, data):
        self.socket.sendall(self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, length):
        text = b""
        while not text:
            data = self.socket.recv(length)
            if not data:
                return b""
            self.received += len(data)
            text = self.inflate.decompress(data)
        return text

    def close(self):
        self.socket.close()


class Sync(Imap):
    def test_a_client_that_was_away_hears_what_vanished_and_what_changed(self):
        self.deliver(*(f"number {number}" for number in range(1, 6)))
        away = self.raw()
        opened = "\n".join(away.tagged("s", "SELECT INBOX"))
        known = " ".join(re.search(rf"\[{name} (\d+)\]", opened)[1] for name in ("UIDVALIDITY", "HIGHESTMODSEQ"))
        away.close()
        other = self.open()
        self.ok(other.store("2,4", "+FLAGS.SILENT", "\\Deleted"))
        self.ok(other.expunge())
        self.ok(other.store("3", "+FLAGS.SILENT", "\\Flagged"))
        back = self.raw()
        self.assertIn("* ENABLED QRESYNC", back.tagged("e", "ENABLE QRESYNC"))
        heard = back.tagged("s", f"SELECT INBOX (QRESYNC ({known}))")
        self.assertIn("* VANISHED (EARLIER) 2,4", heard)
        changed = [line for line in heard if "FETCH" in line]
        self.assertEqual(len(changed), 1, changed)
        self.assertRegex(changed[0], r"^\* 3 FETCH \(UID 5 FLAGS \(\\Flagged.*\) MODSEQ \(\d+\)\)$")

    def test_a_conversation_may_be_compressed_from_its_middle_on(self):
        self.deliver(*(f"a subject that repeats itself {number}" for number in range(200)))
        wire = self.raw()
        self.assertIn("OK", wire.tagged("c", "COMPRESS DEFLATE")[-1])
        wire.socket = Deflated(wire.socket)
        self.assertIn("OK", wire.tagged("s", "SELECT INBOX")[-1])
        lines = wire.tagged("f", "FETCH 1:* (UID FLAGS ENVELOPE)")
        self.assertEqual(sum("FETCH (UID" in line for line in lines), 200)
        self.assertLess(wire.socket.received, sum(map(len, lines)) / 2)
        self.assertIn("NO [COMPRESSIONACTIVE]", wire.tagged("d", "COMPRESS DEFLATE")[-1])
        for number in range(20):
            self.assertIn("OK", wire.tagged(f"n{number}", "NOOP")[-1])
        self.assertEqual(wire.tagged("t", "UID SORT (REVERSE ARRIVAL) UTF-8 UID 1:2")[0][:7], "* SORT ")


# Its tests have run already.
del Imap
