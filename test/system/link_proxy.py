# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy between two brokers, so that one link can be cut while both live."""
import selectors
import socket
import threading


class LinkProxy:
    """Listens on a free loopback port and forwards to target. cut() breaks what is open
    and refuses what comes; silence() keeps connections open and forwards nothing."""

    def __init__(self, target):
        self.target, self.state = target, "open"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.pairs = {}
        self.wake_read, self.wake_write = socket.socketpair()
        for watched in (self.listener, self.wake_read):
            self.selector.register(watched, selectors.EVENT_READ)
        self.orders, self.settled = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/mesh"

    def order(self, state):
        self.settled.clear()
        self.orders.append(state)
        self.wake_write.send(b"!")
        assert self.settled.wait(10), "the link proxy hangs"

    def cut(self):
        self.order("cut")

    def silence(self):
        self.order("silent")

    def mend(self):
        self.order("open")

    def close(self):
        self.order("closed")
        self.thread.join(10)

    def run(self):
        while self.state != "closed":
            for key, _ in self.selector.select():
                if key.fileobj is self.wake_read:
                    self.obey()
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.pairs:
                    self.forward(key.fileobj)
        self.listener.close()

    def obey(self):
        self.wake_read.recv(1)
        before, self.state = self.state, self.orders.pop(0)
        if before == "silent" and self.state == "open":
            for one in self.pairs:
                self.selector.register(one, selectors.EVENT_READ)
        elif self.state == "silent":
            for one in self.pairs:
                self.selector.unregister(one)
        elif self.state in ("cut", "closed"):
            for one in list(self.pairs):
                self.drop(one, unwatched=before == "silent")
        self.settled.set()

    def accept(self):
        one, _ = self.listener.accept()
        if self.state != "open":
            one.close()
            return
        try:
            other = socket.create_connection(self.target, 5)
        except OSError:
            one.close()
            return
        for end, peer in ((one, other), (other, one)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs[end] = peer
            self.selector.register(end, selectors.EVENT_READ)

    def forward(self, end):
        try:
            data = end.recv(65536)
            if data:
                self.pairs[end].sendall(data)
                return
        except OSError:
            pass
        self.drop(end)

    def drop(self, end, unwatched=False):
        for one in (end, self.pairs.pop(end, None)):
            if one is None or one.fileno() < 0:
                continue
            self.pairs.pop(one, None)
            if not unwatched:
                self.selector.unregister(one)
            one.close()
