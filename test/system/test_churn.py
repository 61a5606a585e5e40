# SPDX-License-Identifier: Apache-2.0
"""Many clients that come and go as they like, in good order, by a reset or by taking their own
place, and publish at every QoS to each other. What a publisher was told is taken arrives at
each session: at QoS 1 at least once, at QoS 2 exactly once, in order.

CHURN_SECONDS=60 CHURN_CLIENTS=1000 is the whole of it; the default is a taste. CHURN_SEED says
who does what, though not when.
"""
import asyncio
import collections
import os
import random
import resource

import rawmqtt as m
from rawmqtt import V5, V311, Packet

SECONDS = float(os.environ.get("CHURN_SECONDS", 5))
CLIENTS = int(os.environ.get("CHURN_CLIENTS", 250))
SEED = os.environ.get("CHURN_SEED", "1")
GROUP = 5  # so many hear what one of them says
PATIENCE_S = 60


class Gone(Exception):
    """The connection is over."""


class Wire(asyncio.Protocol):
    """One connection of a client, by TCP or in WebSocket frames."""

    def __init__(self, client, web):
        self.client, self.web, self.rest, self.bytes = client, web, bytearray(), bytearray()
        self.upgraded, self.open = asyncio.Event(), True

    def connection_made(self, transport):
        self.transport = transport
        if self.web:
            transport.write(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade"
                            b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13"
                            b"\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
        else:
            self.upgraded.set()

    def send(self, packet):
        if self.web:
            size = len(packet)
            head = bytes([128 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
            packet = b"\x82" + head + b"\0\0\0\0" + packet
        self.transport.write(packet)

    def data_received(self, data):
        if not self.open:
            return
        self.rest += data
        if self.web:
            self.unframe()
        else:
            self.bytes, self.rest = self.rest, self.bytes
            self.bytes += self.rest
            self.rest.clear()
        self.cut()

    def unframe(self):
        if not self.upgraded.is_set():
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101")
            self.rest = rest
            self.upgraded.set()
        while len(self.rest) >= 4 or (len(self.rest) >= 2 and self.rest[1] < 126):
            size, at = self.rest[1], 2
            if size == 126:
                size, at = int.from_bytes(self.rest[2:4], "big"), 4
            if len(self.rest) < at + size:
                return
            if self.rest[0] == 0x82:
                self.bytes += self.rest[at:at + size]
            del self.rest[:at + size]

    def cut(self):
        """Hand on the whole packets; none here is longer than its length takes two bytes."""
        while self.open and len(self.bytes) >= 2:
            size, at = self.bytes[1] & 127, 2
            if self.bytes[1] > 127:
                if len(self.bytes) < 3:
                    return
                size, at = size | self.bytes[2] << 7, 3
            if len(self.bytes) < at + size:
                return
            packet = Packet(self.bytes[0], bytes(self.bytes[at:at + size]), self.client.version)
            del self.bytes[:at + size]
            self.client.hear(self, packet)

    def connection_lost(self, error):
        self.upgraded.set()
        self.forget()
        self.client.lost(self)

    def forget(self):
        self.open = False


class Client:
    def __init__(self, number, broker, dice):
        self.number, self.broker, self.dice = number, broker, dice
        self.version = dice.choice([V311, V5])
        self.web = dice.random() < 0.25
        self.wire = self.waits = None
        self.group, self.subscribed = number // GROUP, False
        self.sent = self.connects = 0
        self.pending = None  # pid, QoS, number; released
        self.taken = {1: [], 2: []}  # numbers of ours that were acknowledged
        self.got = collections.defaultdict(list)  # by publisher and QoS
        self.receiving = set()  # of QoS 2, until released

    # ---- what comes ----

    def lost(self, wire):
        if wire is self.wire and self.waits and not self.waits[1].done():
            self.waits[1].set_exception(Gone())

    def hear(self, wire, packet):
        if wire is not self.wire:
            return
        if packet.kind == m.PUBLISH:
            self.take(wire, packet)
        elif packet.kind == m.PUBREL:
            self.receiving.discard(packet.pid)
            wire.send(m.ack(m.PUBCOMP, packet.pid))
        elif packet.kind == m.DISCONNECT:
            wire.forget()
            wire.transport.abort()
        elif self.waits and packet.kind == self.waits[0] and not self.waits[1].done():
            self.waits[1].set_result(packet)

    def take(self, wire, packet):
        publisher, number = (int(part) for part in packet.payload.split())
        if packet.qos < 2 or packet.pid not in self.receiving:
            self.got[publisher, packet.qos].append(number)
        if packet.qos == 2:
            self.receiving.add(packet.pid)
        if packet.qos:
            wire.send(m.ack(m.PUBACK if packet.qos == 1 else m.PUBREC, packet.pid))

    async def answer(self, kind, packet):
        """Say packet and await what answers it."""
        if not self.wire.open:
            raise Gone
        self.waits = kind, asyncio.get_running_loop().create_future()
        self.wire.send(packet)
        return await asyncio.wait_for(self.waits[1], PATIENCE_S)

    # ---- what it does ----

    async def connect(self):
        port = self.broker.web_port if self.web else self.broker.mqtt_port
        old = self.wire
        _, wire = await asyncio.get_running_loop().create_connection(
            lambda: Wire(self, self.web), "127.0.0.1", port)
        await asyncio.wait_for(wire.upgraded.wait(), PATIENCE_S)
        if old:
            old.forget()  # what it has not told us yet comes again
        self.wire = wire
        props = [(m.SESSION_EXPIRY, 3600)] if self.version == V5 else ()
        packet = await self.answer(m.CONNACK, m.connect(self.version, f"churn-{self.number}", False,
                                                        props=props))
        assert packet.reason == 0 and packet.present == (self.connects > 0), vars(packet)
        self.connects += 1
        if old:
            old.transport.abort()
        if not self.subscribed:
            await self.answer(m.SUBACK, m.subscribe(self.version, 9, (f"churn/{self.group}/+", 2)))
            self.subscribed = True
        await self.resume()

    async def resume(self):
        """Go on with what was under way."""
        if not self.pending:
            return
        pid, qos, number, released = self.pending
        if not released:
            await self.offer(pid, qos, number, dup=True)
        if qos == 2:
            self.pending = pid, qos, number, True
            await self.answer(m.PUBCOMP, m.ack(m.PUBREL, pid))
        self.pending = None

    async def offer(self, pid, qos, number, dup=False):
        payload = f"{self.number} {number}"
        packet = m.publish(self.version, f"churn/{self.group}/{self.number}", payload, qos, pid, dup=dup)
        reply = await self.answer(m.PUBACK if qos == 1 else m.PUBREC, packet)
        assert reply.reason < 0x80 and reply.pid == pid
        self.taken[qos].append(number)

    async def publish(self):
        number, qos = self.sent, self.dice.choice([0, 1, 1, 2, 2])
        self.sent += 1
        if qos == 0:
            self.wire.send(m.publish(self.version, f"churn/{self.group}/{self.number}",
                                     f"{self.number} {number}"))
            return
        self.pending = number % 60000 + 1, qos, number, False
        await self.offer(*self.pending[:3])
        if qos == 2:
            self.pending = *self.pending[:3], True
            await self.answer(m.PUBCOMP, m.ack(m.PUBREL, self.pending[0]))
        self.pending = None

    async def leave(self):
        """One way or the other; taking one's own place is left by connecting."""
        way = self.dice.randrange(4)
        if way == 0:
            return
        if way == 1:
            self.wire.send(m.disconnect())
            self.wire.transport.close()
        elif way == 2:
            self.wire.transport.abort()
        else:  # with a publish on its way, whatever becomes of it
            if not self.pending and self.wire.open:
                self.pending = self.sent % 60000 + 1, self.dice.choice([1, 2]), self.sent, False
                self.sent += 1
                self.wire.send(m.publish(self.version, f"churn/{self.group}/{self.number}",
                                         f"{self.number} {self.pending[2]}", *self.pending[1::-1]))
            self.wire.transport.abort()
        await asyncio.sleep(self.dice.random() * 0.5)

    async def churn(self, deadline):
        loop = asyncio.get_running_loop()
        while loop.time() < deadline:
            try:
                await self.connect()
                for _ in range(self.dice.randrange(6)):
                    await asyncio.sleep(self.dice.random() * CLIENTS / 250)
                    if loop.time() < deadline:
                        await self.publish()
            except (Gone, OSError):
                pass
            if self.wire:
                await self.leave()

    async def settle(self):
        """Be there, and have said and heard everything."""
        while True:
            try:
                await self.connect()
                return
            except (Gone, OSError):
                await asyncio.sleep(0.1)


def missing(clients):
    """What was acknowledged to a publisher and has not come to a session of its group."""
    return [(publisher.number, subscriber.number, qos, number)
            for publisher in clients for qos in (1, 2)
            for subscriber in clients[publisher.group * GROUP:publisher.group * GROUP + GROUP]
            for number in set(publisher.taken[qos]) - set(subscriber.got[publisher.number, qos])]


def check(clients):
    for client in clients:
        for (publisher, qos), numbers in client.got.items():
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first), (client.number, publisher, qos, numbers)
            assert qos == 1 or len(first) == len(numbers), (client.number, publisher, qos, numbers)


async def play(broker):
    dice = random.Random(SEED)
    clients = [Client(number, broker, random.Random(dice.random())) for number in range(CLIENTS)]
    for at in range(0, CLIENTS, 50):  # the listeners' backlog is no subject here
        await asyncio.gather(*(client.connect() for client in clients[at:at + 50]))
    deadline = asyncio.get_running_loop().time() + SECONDS
    await asyncio.gather(*(client.churn(deadline) for client in clients))
    for at in range(0, CLIENTS, 50):
        await asyncio.gather(*(client.settle() for client in clients[at:at + 50]))
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while missing(clients) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)
    await asyncio.gather(*(client.answer(m.PINGRESP, m.PING) for client in clients))
    for client in clients:
        client.wire.transport.abort()
    return clients


def test_nothing_that_was_taken_is_lost_however_clients_come_and_go(mesh):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * CLIENTS + 200)), hard))
    broker = mesh.start("churn")
    clients = asyncio.run(play(broker))
    taken = {qos: sum(len(client.taken[qos]) for client in clients) for qos in (1, 2)}
    print(f"{CLIENTS} clients, {sum(client.connects for client in clients)} connections, taken {taken}, "
          f"delivered {sum(len(got) for client in clients for got in client.got.values())}")
    lost = missing(clients)
    assert not lost, f"{len(lost)} lost, such as {lost[:5]} of {taken}"
    assert min(taken.values()) > 0
    check(clients)
