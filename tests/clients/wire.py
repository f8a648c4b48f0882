"""Conversations byte by byte: a client that says what it is told to say, and a next hop that answers as scripted."""

import socket
import struct
import threading

PATIENCE = 20


class Wire:
    """A client's end of a TCP connection. Every wait has a bound."""

    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Octets as they are; text with a line end behind it."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode() + b"\r\n")

    def start_tls(self, tls):
        assert not self.buffer, self.buffer
        self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")

    def line(self):
        """The next line without its end; empty bytes when the server closed."""
        while b"\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def reply(self):
        """An SMTP reply, all its lines joined by a line feed; empty when the server closed."""
        lines = [self.line().decode("ascii")]
        while lines[-1][3:4] == "-":
            lines.append(self.line().decode("ascii"))
        return "\n".join(lines)

    def ask(self, text):
        self.send(text)
        return self.reply()

    def tagged(self, tag, command):
        """An IMAP command: the untagged lines, then the completion."""
        self.send(f"{tag} {command}")
        return self.until(tag)

    def until(self, tag):
        lines = []
        while True:
            line = self.line().decode("utf-8", "replace")
            lines.append(line)
            if line.startswith(f"{tag} "):
                return lines
            if not line and not self.buffer:
                raise AssertionError(f"closed before the completion of {tag}: {lines}")

    def rest(self):
        """Everything until the server closes. A reset is an end too."""
        data = self.buffer
        self.buffer = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    def vanish(self):
        """The connection is reset, as by a machine that lost its power."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class NextHop:
    """An SMTP server that answers as its script says and keeps what it was sent.

    `script` maps the first word of a command (`.` for the content's end) to a reply; what it lacks is accepted. It may be
    changed while the hop runs. After a reply that ends in `CLOSES` the hop hangs up.
    """

    CLOSES = "<closes>"

    GOOD = {"EHLO": "250 hop.test", "DATA": "354 go on", "QUIT": "221 bye"}

    def __init__(self, script=None):
        self.script = script or {}
        self.messages, self.commands = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=[connection], daemon=True).start()

    def _converse(self, connection):
        with connection, connection.makefile("rwb") as stream:
            try:
                self._say(stream, "220 hop.test ready")
                while line := stream.readline():
                    self._obey(stream, line.decode("utf-8", "replace").strip())
            except OSError:
                pass

    def _obey(self, stream, command):
        self.commands.append(command)
        verb = command.split()[0].upper() if command else ""
        reply = self._answer(verb)
        self._say(stream, reply)
        if verb == "DATA" and reply.startswith("354"):
            content = b""
            while (line := stream.readline()) != b".\r\n":
                if not line:
                    raise OSError("the content has no end: nothing was sent")
                content += line
            reply = self._answer(".")
            if reply.startswith("250"):
                self.messages.append(content)
            self._say(stream, reply)

    def _answer(self, verb):
        return self.script.get(verb, self.GOOD.get(verb, "250 2.0.0 ok"))

    def _say(self, stream, reply):
        stream.write(reply.removesuffix(self.CLOSES).encode() + b"\r\n")
        stream.flush()
        if reply.endswith(self.CLOSES):
            raise OSError("as the script says")

    def close(self):
        self.listener.close()
