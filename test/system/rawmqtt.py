# SPDX-License-Identifier: Apache-2.0
"""MQTT by the byte, for tests that say what no client library would. Packets are built and
parsed here from the text of the specifications, and shared with nothing of the broker.
"""
import base64
import itertools
import os
import socket
import struct

import pytest

import brokers

V31, V311, V5 = 3, 4, 5
VERSIONS = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
ALL_VERSIONS = pytest.mark.parametrize("version", [V31, V311, V5], ids=["3.1", "3.1.1", "5"])

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)

# Properties: [MQTT5 2.2.2.2]
FORMAT, EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = 1, 2, 3, 8, 9
SUB_ID, SESSION_EXPIRY, ASSIGNED_ID, SERVER_KEEP_ALIVE = 11, 17, 18, 19
AUTH_METHOD, AUTH_DATA, PROBLEM_INFO, WILL_DELAY, RESPONSE_INFO = 21, 22, 23, 24, 25
REASON_STRING, RECEIVE_MAX, ALIAS_MAX, ALIAS, MAX_QOS, RETAIN_AVAILABLE = 31, 33, 34, 35, 36, 37
USER, PACKET_MAX, WILDCARD_AVAILABLE, SUB_ID_AVAILABLE, SHARED_AVAILABLE = 38, 39, 40, 41, 42
TYPES = {
    **dict.fromkeys((1, 23, 25, 36, 37, 40, 41, 42), "byte"),
    **dict.fromkeys((19, 33, 34, 35), "two"),
    **dict.fromkeys((2, 17, 24, 39), "four"),
    **dict.fromkeys((3, 8, 18, 21, 26, 28, 31), "text"),
    **dict.fromkeys((9, 22), "binary"), 11: "varint", 38: "pair",
}

# The reasons that a server may give. [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1]
# [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1]
REASONS = {
    CONNACK: b"\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97\x99\x9a\x9b\x9c\x9d"
             b"\x9f",
    **dict.fromkeys((PUBACK, PUBREC), b"\x00\x10\x80\x83\x87\x90\x91\x97\x99"),
    **dict.fromkeys((PUBREL, PUBCOMP), b"\x00\x92"),
    SUBACK: b"\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2",
    UNSUBACK: b"\x00\x11\x80\x83\x87\x8f\x91",
    DISCONNECT: b"\x00\x80\x81\x82\x83\x87\x89\x8b\x8d\x8e\x8f\x90\x93\x94\x95\x96\x97\x98\x99\x9a\x9b"
                b"\x9c\x9d\x9e\x9f\xa0\xa1\xa2",
    AUTH: b"\x00\x18",
}
# ... and could in 3.1.1. [MQTT311-3.9.3-2]
OLD_REASONS = {CONNACK: bytes(range(6)), SUBACK: b"\x00\x01\x02\x80", UNSUBACK: b""}


# ---- building ----

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def binary(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">H", len(data)) + data


def prop(number, value):
    kind = TYPES[number]
    if kind == "pair":
        return bytes([number]) + binary(value[0]) + binary(value[1])
    if kind in ("text", "binary"):
        return bytes([number]) + binary(value)
    if kind == "varint":
        return bytes([number]) + varint(value)
    return bytes([number]) + struct.pack({"byte": ">B", "two": ">H", "four": ">I"}[kind], value)


def properties(props):
    """Pairs of number and value, or bytes that are taken for properties as they are."""
    raw = props if isinstance(props, bytes) else b"".join(prop(*pair) for pair in props)
    return varint(len(raw)) + raw


def packet(head, body=b""):
    return bytes([head]) + varint(len(body)) + body


def connect(version=V5, client_id="", clean=True, keep_alive=0, props=(), will=None, username=None,
            password=None, flags=None, name=None, level=None):
    """will: topic, payload, qos, retain, properties."""
    bits = 2 * clean | (username is not None) << 7 | (password is not None) << 6
    payload = binary(client_id)
    if will:
        topic, text, qos, retain, will_props = (*will, *(b"", 0, False, ())[len(will) - 1:])
        bits |= 4 | qos << 3 | retain << 5
        payload += (properties(will_props) if version == V5 else b"") + binary(topic) + binary(text)
    for text in (username, password):
        payload += b"" if text is None else binary(text)
    head = binary(name if name is not None else "MQIsdp" if version == V31 else "MQTT")
    head += bytes([version if level is None else level, bits if flags is None else flags])
    head += struct.pack(">H", keep_alive) + (properties(props) if version == V5 else b"")
    return packet(0x10, head + payload)


def publish(version, topic, payload=b"", qos=0, pid=None, retain=False, dup=False, props=()):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = binary(topic) + (struct.pack(">H", pid) if pid is not None else b"")
    body += (properties(props) if version == V5 else b"") + payload
    return packet(0x30 | dup << 3 | qos << 1 | retain, body)


def subscribe(version, pid, *entries, props=()):
    """entries: a filter, or a filter and its options."""
    body = struct.pack(">H", pid) + (properties(props) if version == V5 else b"")
    for entry in entries:
        text, options = (entry, 0) if isinstance(entry, (str, bytes)) else entry
        body += binary(text) + bytes([options])
    return packet(0x82, body)


def unsubscribe(version, pid, *filters, props=()):
    body = struct.pack(">H", pid) + (properties(props) if version == V5 else b"")
    return packet(0xA2, body + b"".join(binary(text) for text in filters))


def ack(kind, pid, reason=None, props=None):
    body = struct.pack(">H", pid) + (b"" if reason is None else bytes([reason]))
    return packet(kind << 4 | 2 * (kind == PUBREL),
                  body + (b"" if props is None else properties(props)))


def disconnect(reason=None, props=None):
    return packet(0xE0, (b"" if reason is None else bytes([reason]))
                  + (b"" if props is None else properties(props)))


def auth(reason, props):
    return packet(0xF0, bytes([reason]) + properties(props))


PING = packet(0xC0)


# ---- parsing ----

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), f"packet ends early: {self.data.hex()}"
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def binary(self):
        return self.take(self.number(2))

    def text(self):
        return self.binary().decode()

    def left(self):
        return len(self.data) - self.at

    def props(self):
        inner, found = Reader(self.take(self.varint())), []
        while inner.left():
            number = inner.varint()
            kind = TYPES[number]
            found.append((number, {
                "byte": lambda: inner.number(1), "two": lambda: inner.number(2),
                "four": lambda: inner.number(4), "varint": inner.varint, "text": inner.text,
                "binary": inner.binary, "pair": lambda: (inner.text(), inner.text())}[kind]()))
        return found


class Packet:
    """What the broker said; it is checked to be a packet that a server may send."""

    def __init__(self, head, body, version):
        self.kind, self.flags, self.body, self.props = head >> 4, head & 15, body, []
        reader = Reader(body)
        five = version == V5
        self.reason, self.pid = 0, None
        if self.kind == CONNACK:
            self.present, self.reason = reader.number(1), reader.number(1)
            assert self.present < 2  # [MQTT-3.2.2-1]
            self.props = reader.props() if five else []
        elif self.kind == PUBLISH:
            self.qos, self.retain, self.dup = self.flags >> 1 & 3, self.flags & 1, self.flags >> 3
            self.topic = reader.text()
            self.pid = reader.number(2) if self.qos else None
            self.props = reader.props() if five else []
            self.payload = reader.take(reader.left())
            assert self.qos < 3 and self.pid != 0 and not (self.dup and not self.qos)
        elif self.kind in (SUBACK, UNSUBACK):
            self.pid = reader.number(2)
            self.props = reader.props() if five else []
            self.reasons = list(reader.take(reader.left()))
        elif self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.pid = reader.number(2)
            assert five or not reader.left()
        if self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT, AUTH) and reader.left():
            self.reason = reader.number(1)
            self.props = reader.props() if reader.left() else []
        allowed = (REASONS if five else OLD_REASONS).get(self.kind, b"\0")
        assert set(getattr(self, "reasons", [self.reason])) <= set(allowed), vars(self)
        assert self.kind != DISCONNECT or self.prop(SESSION_EXPIRY) is None  # [MQTT-3.14.2-2]
        assert self.kind == PUBLISH or self.flags == 2 * (self.kind == PUBREL)
        assert self.kind not in (CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ)
        assert reader.left() == 0, f"packet goes on too long: {head:02x} {body.hex()}"

    def prop(self, number):
        return next((value for key, value in self.props if key == number), None)

    def all(self, number):
        return [value for key, value in self.props if key == number]

    def __repr__(self):
        return f"<{self.kind} {vars(self)}>"


# ---- transports and clients ----

class Tcp:
    def __init__(self, broker, rcvbuf=None, source=None):
        self.socket = socket.socket()
        if source:  # another loopback address: another client, for who counts addresses
            self.socket.bind((source, 0))
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(brokers.PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", broker.mqtt_port))

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """Some bytes, or none when the broker has closed."""
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def close(self):
        self.socket.close()


class Web(Tcp):
    """MQTT in WebSocket frames, one for each send. [MQTT5 6] [RFC6455]"""
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    polite = True  # answers a Close frame

    def __init__(self, broker, protocol="mqtt", path="/mqtt", extra="", socket_=None):
        """socket_: a connected one, through TLS say."""
        self.socket = socket_ or socket.create_connection(("127.0.0.1", broker.web_port),
                                                          brokers.PATIENCE_S)
        self.rest, self.status, self.headers = bytearray(), None, {}
        self.closed_with, self.pongs, self.frames = None, [], 0
        key = base64.b64encode(os.urandom(16)).decode()
        offer = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offer}{extra}\r\n".encode())
        while b"\r\n\r\n" not in self.rest:
            data = super().receive()
            if not data:
                return
            self.rest += data
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = bytes(head).decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, v in
                        (line.split(":", 1) for line in lines[1:])}

    def frame(self, opcode, data=b"", final=True, masked=True, reserved=0, send=None):
        head = bytes([final << 7 | reserved << 4 | opcode])
        size, bit = len(data), masked << 7
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", size)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", size)
        if masked:
            mask = b"\x5a\x00\xff\x13"
            head += mask
            data = (int.from_bytes(data, "big")
                    ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        try:
            (send or self.socket.sendall)(head + data)
        except ConnectionError:
            pass  # receive() tells

    def send(self, data):
        self.frame(self.BINARY, data)

    def need(self, count):
        while len(self.rest) < count:
            data = super().receive()
            if not data:
                return False
            self.rest += data
        return True

    def receive(self):
        while self.need(2):
            opcode, size, at = self.rest[0] & 15, self.rest[1], 2
            assert size < 128, "a server must not mask [RFC6455 5.1]"
            if size > 125:
                at += 2 if size == 126 else 8
                if not self.need(at):
                    return b""
                size = int.from_bytes(self.rest[2:at], "big")
            if not self.need(at + size):
                return b""
            data = bytes(self.rest[at:at + size])
            del self.rest[:at + size]
            self.frames += 1
            if opcode == self.PONG:
                self.pongs.append(data)
            elif opcode == self.CLOSE:
                self.closed_with = int.from_bytes(data[:2], "big")
                if self.polite:
                    self.frame(self.CLOSE, data[:2])
            else:
                assert opcode in (0, self.BINARY), "[MQTT-6.0.0-4] packets go in binary frames"
                if data:
                    return data
        return b""


class Raw:
    """A client that says what it is told to. Closed by the fixture that made it."""

    def __init__(self, transport, version=V5):
        self.transport, self.version, self.connack = transport, version, None
        self.rest = bytearray()
        self.waiting = []

    def send(self, *packets):
        self.transport.send(b"".join(packets))
        return self

    def next(self):
        """The next packet, or None when the broker has closed."""
        if self.waiting:
            return self.waiting.pop(0)
        while True:
            found = self.cut()
            if found:
                return found
            data = self.transport.receive()
            if not data:
                assert not self.rest, f"closed in the middle of a packet: {self.rest.hex()}"
                return None
            self.rest += data

    def cut(self):
        for digits in range(1, 5):
            if len(self.rest) <= digits:
                return None
            if self.rest[digits] < 128:
                break
        size = Reader(bytes(self.rest[1:5])).varint()
        end = 1 + digits + size
        if len(self.rest) < end:
            return None
        whole = bytes(self.rest[:end])
        del self.rest[:end]
        self.size = end
        return Packet(whole[0], whole[1 + digits:], self.version)

    def expect(self, kind, pid=None):
        found = self.next()
        assert found is not None, f"closed instead of a packet {kind}"
        assert found.kind == kind and pid in (None, found.pid), found
        return found

    def hello(self, client_id="", **more):
        """Connect; the CONNACK is self.connack."""
        self.send(connect(self.version, client_id, **more))
        self.connack = self.expect(CONNACK)
        return self

    def until_ping(self):
        """All that comes before the answer to a PINGREQ that is sent now."""
        self.send(PING)
        found = []
        while (one := self.next()) is not None:
            if one.kind == PINGRESP:
                return found
            found.append(one)
        raise AssertionError(f"closed after {found}")

    def until_closed(self):
        """All that comes before the broker closes."""
        found = []
        while (one := self.next()) is not None:
            found.append(one)
        return found

    def closed_for(self, *reasons):
        """The broker closes; in version 5 it says one of these reasons before."""
        said = [one for one in self.until_closed() if one.kind == DISCONNECT]
        if self.version == V5:
            assert [one.reason for one in said] and said[0].reason in reasons, said
        else:
            assert not said, "a server of 3.1.1 sends no DISCONNECT"

    def subscribe(self, *entries, props=(), pid=1):
        """The reasons of the SUBACK; what comes before it waits."""
        self.send(subscribe(self.version, pid, *entries, props=props))
        return self.await_kind(SUBACK, pid).reasons

    def await_kind(self, kind, pid):
        before = []
        while True:
            one = self.next()
            assert one is not None, f"closed instead of a packet {kind}"
            if one.kind == kind:
                assert one.pid == pid
                self.waiting = before + self.waiting
                return one
            before.append(one)

    def publish(self, topic, payload=b"", qos=0, pid=None, **more):
        """Publish and go through the whole exchange; its last reason."""
        pid = (pid or 1) if qos else None
        self.send(publish(self.version, topic, payload, qos, pid, **more))
        if qos == 0:
            before = self.until_ping()
            self.waiting = before + self.waiting
            return 0
        first = self.await_kind(PUBACK if qos == 1 else PUBREC, pid)
        if qos == 1 or first.reason >= 0x80:
            return first.reason
        self.send(ack(PUBREL, pid))
        return self.await_kind(PUBCOMP, pid).reason

    def messages(self):
        """The PUBLISH packets that have come by now, acknowledged."""
        found = [one for one in self.until_ping() if one.kind == PUBLISH]
        for one in found:
            if one.qos == 1:
                self.send(ack(PUBACK, one.pid))
            elif one.qos == 2:
                self.send(ack(PUBREC, one.pid))
                self.await_kind(PUBREL, one.pid)
                self.send(ack(PUBCOMP, one.pid))
        return found

    def payloads(self):
        return [one.payload for one in self.messages()]

    def drop(self):
        """Go without a word."""
        self.transport.close()


# ---- fixtures ----

@pytest.fixture(scope="module")
def broker():
    """One broker for all tests of a file, alive and clean after each (see raw)."""
    started = brokers.Brokers()
    try:
        yield started.start("raw")
    finally:
        started.stop()


NUMBERS = itertools.count(1)


@pytest.fixture
def raw(broker):
    """Makes clients of the file's broker: raw(V5), raw(V311, "id", keep_alive=5), raw(V5, None)
    for one that has not said CONNECT yet."""
    made = []

    def make(version=V5, client_id="", transport=None, **more):
        client = Raw(transport or Tcp(broker), version)
        made.append(client)
        if client_id is None:
            return client
        if version == V31 and not client_id:  # which knows no empty one
            client_id = f"old-{next(NUMBERS)}"
        client.hello(client_id, **more)
        assert client.connack.reason == 0, client.connack
        return client

    make.broker = broker
    yield make
    for client in made:
        client.drop()
    assert broker.alive(), f"the broker died:\n{broker.log()[-4000:]}"
    broker.check_clean()


@pytest.fixture
def name(request):
    """A client id and topic of this test's own."""
    return f"n{abs(hash(request.node.nodeid)) % 10**12}"
