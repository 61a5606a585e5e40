# SPDX-License-Identifier: Apache-2.0
"""Two clients talk nonsense to a real broker, by TCP and in WebSocket frames, and a third is
served all the while.

FUZZ_SECONDS says how long (`./dev fuzz SECONDS broker` does), FUZZ_SEED which nonsense: a round
is its seed's and number's, and FUZZ_ROUND plays that one alone.
"""
import os
import random
import socket
import time

import pytest

import brokers
import rawmqtt as m
from rawmqtt import V5, V31, V311, Raw, Tcp, Web

SECONDS = float(os.environ.get("FUZZ_SECONDS", 4))
SEED = os.environ.get("FUZZ_SEED", "1")
ROUND = os.environ.get("FUZZ_ROUND")
LOUD = bytes([0, 1, 2, 0x7F, 0x80, 0xFF, 0x23, 0x2B, 0x2F, 0x24, 0x10, 0x30, 0x32, 0x34, 0x82])


def story(dice, who):
    """What a well-behaved client would say, a packet each."""
    version = dice.choice([V31, V311, V5, V5])
    five = version == V5
    props = [(m.SESSION_EXPIRY, dice.choice([0, 5, 2**32 - 1])), (m.RECEIVE_MAX, dice.randint(1, 5)),
             (m.ALIAS_MAX, 3), (m.PACKET_MAX, dice.choice([30, 5000]))] if five else ()
    will = dice.choice([None, ("f/will", b"gone", dice.randint(0, 2), dice.random() < 0.3)])
    said = [m.connect(version, dice.choice([who, who, "shared"]), dice.random() < 0.7, 0,
                      dice.sample(props, dice.randint(0, len(props))), will)]
    for pid in range(1, dice.randint(2, 12)):
        topic = dice.choice(["f/a", "f/b", "f/a/b/c", "g"])
        text = dice.choice(["f/#", "+/+", "#", "f/a", "$SYS/#", "$share/g/f/+", "$share/h/#"])
        qos = dice.randint(0, 2)
        extra = dice.sample([(m.ALIAS, dice.randint(1, 3)), (m.EXPIRY, 1), (m.USER, ("k", "v")),
                             (m.CONTENT_TYPE, "x"), (m.CORRELATION, b"\0\1")],
                            dice.randint(0, 3)) if five else ()
        said += dice.choice([
            [m.subscribe(version, pid, (text, qos | (dice.choice([0, 4, 8, 16]) if five else 0)),
                         props=[(m.SUB_ID, pid)] if five and dice.random() < 0.5 else ())],
            [m.publish(version, topic, b"x" * dice.choice([0, 5, 200, 5000]), qos,
                       pid if qos else None, dice.random() < 0.3, props=extra)],
            [m.ack(m.PUBREL, pid)], [m.ack(m.PUBACK, pid), m.ack(m.PUBREC, pid), m.ack(m.PUBCOMP, pid)],
            [m.unsubscribe(version, pid, text)], [m.PING]])
    return said + dice.choice([[], [m.disconnect(4) if five else m.disconnect()]])


def mutate(dice, pieces):
    """The same with a few things wrong, in packets or in bytes."""
    pieces = [bytearray(piece) for piece in pieces]
    for _ in range(dice.choice([0, 1, 1, 2, 4, 16])):
        at = dice.randrange(len(pieces))
        piece = pieces[at]
        spot = dice.randrange(len(piece)) if piece else 0
        what = dice.randrange(8)
        if what < 3 and piece:
            piece[spot] = dice.choice([piece[spot] ^ 1 << dice.randrange(8), dice.choice(LOUD)])
        elif what == 3:
            del piece[spot:spot + dice.randint(1, 8)]
        elif what == 4:
            piece[spot:spot] = bytes(dice.choice(LOUD) for _ in range(dice.randint(1, 8)))
        elif what == 5:
            pieces.insert(dice.randrange(len(pieces)), bytearray(dice.choice(pieces)))
        elif what == 6 and len(pieces) > 1:
            del pieces[at]
        else:
            pieces[at] = piece + bytes(dice.choice(pieces))
    return [bytes(piece) for piece in pieces]


class Talker:
    """One of the two: sends its pieces as the dice have it and hears nothing of the answers."""

    def __init__(self, broker, dice, who):
        self.dice = dice
        pieces = mutate(dice, story(dice, who))
        if dice.random() < 0.5:
            self.transport = Tcp(broker)
        else:
            self.transport = Web(broker)
            pieces = mutate(dice, [self.framed(piece) for piece in pieces])
        self.bytes = b"".join(pieces)
        self.transport.socket.setblocking(False)

    def framed(self, piece):
        kind = self.dice.choice([Web.BINARY] * 8 + [Web.PING, Web.TEXT, 0])
        sent = []
        self.transport.frame(kind, piece, self.dice.random() < 0.9, self.dice.random() < 0.98,
                             send=sent.append)
        return b"".join(sent)

    def go_on(self):
        """False: all is said, or nobody listens."""
        try:
            if self.dice.random() < 0.7:
                self.transport.socket.recv(65536)
        except BlockingIOError:
            pass
        except OSError:
            return False
        try:
            sent = self.transport.socket.send(self.bytes[:self.dice.choice([1, 7, 100, 100000])])
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.bytes = self.bytes[sent:]
        return bool(self.bytes)


def play(broker, number):
    dice = random.Random(f"{SEED}/{number}")
    talkers = [Talker(broker, dice, who) for who in ("pub", "sub")]
    going = list(talkers)
    while going:
        one = dice.choice(going)
        if not one.go_on():
            going.remove(one)
    for one in talkers:
        if dice.random() < 0.2:
            one.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.transport.close()


@pytest.fixture
def broker(mesh):
    return mesh.start("fuzzed")


def test_whatever_two_clients_say_a_third_is_served(broker):
    canary = Raw(Tcp(broker), V5).hello("canary-k3V9x")
    canary.subscribe(("canary/q8Zr2", 1))
    deadline, number = time.monotonic() + SECONDS, int(ROUND or 0)
    while time.monotonic() < deadline:
        play(broker, number)
        where = f"FUZZ_SEED={SEED} FUZZ_ROUND={number}"
        try:
            assert canary.publish("canary/q8Zr2", str(number), 1, 7) == 0, where
            assert canary.payloads() == [str(number).encode()], where
        except AssertionError:
            raise AssertionError(f"{where}: {broker.log()[-6000:]}") from None
        number += 1
        if ROUND:
            break
    assert not brokers.SANITIZER.search(broker.log())
    print(f"{number} rounds")
    canary.drop()
