# SPDX-License-Identifier: Apache-2.0
"""Malformed packets of every kind, bytes in every portion, and clients that mean harm. The
broker closes whom it must and goes on serving the others.
"""
import random
import socket

import pytest

import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, broker, name, raw  # noqa: F401


def samples(version):
    """A good packet of each kind that a client may send, by name."""
    five = version == V5
    props = [(m.USER, ("k", "v")), (m.CONTENT_TYPE, "t")] if five else ()
    will = ("w", b"x", 1, True, [(m.WILL_DELAY, 1), *props])
    yield "CONNECT", m.connect(version, "sample", will=will, username="u", password="p",
                               props=[(m.RECEIVE_MAX, 5), (m.USER, ("k", "v"))])
    yield "PUBLISH", m.publish(version, "t/s", "payload", 1, 7, props=props)
    yield "SUBSCRIBE", m.subscribe(version, 1, ("a/b", 1), ("a/+", 0), props=props[:1])
    yield "UNSUBSCRIBE", m.unsubscribe(version, 2, "a/b", "a/+", props=props[:1])
    for kind, text in ((m.PUBACK, "PUBACK"), (m.PUBREC, "PUBREC"), (m.PUBREL, "PUBREL"),
                       (m.PUBCOMP, "PUBCOMP")):
        yield text, m.ack(kind, 1, *((0, props[:1]) if five else ()))
    yield "DISCONNECT", m.disconnect(*((0, props[:1]) if five else ()))


def body_of(whole):
    return whole[2:] if whole[1] < 128 else whole[3:]


# ---- malformed ----

@VERSIONS
def test_a_packet_that_ends_early_is_malformed_at_every_byte(raw, version):
    """[MQTT-4.13.1-1] The remaining length is kept, so that the broker need not wait.
    [MQTT311-4.8.0-1]"""
    for kind, whole in samples(version):
        if kind == "PUBLISH":  # any rest of it is payload
            whole = m.publish(version, "t/s", b"", 1, 7, props=((m.USER, ("k", "v")),))
        for cut in range(len(body_of(whole))):
            if version == V5 and cut in (2, 3) and kind.startswith("PUB") and kind != "PUBLISH":
                continue  # the reason may be left out, and the properties
            if kind == "DISCONNECT" and cut in (0, 1):
                continue
            if kind in ("SUBSCRIBE", "UNSUBSCRIBE") and version == V311 and cut == (
                    8 if kind == "SUBSCRIBE" else 7):
                continue  # behind the first entry
            if kind in ("SUBSCRIBE", "UNSUBSCRIBE") and version == V5 and cut == (
                    16 if kind == "SUBSCRIBE" else 15):
                continue
            client = raw(version, None if kind == "CONNECT" else "")
            client.send(m.packet(whole[0], body_of(whole)[:cut]))
            if kind == "CONNECT":
                assert all(one.reason for one in client.until_closed()), cut
            else:
                said = client.until_closed()
                assert [one.kind for one in said] == [m.DISCONNECT] * (version == V5), (kind, cut)
            client.drop()


@VERSIONS
def test_bytes_behind_the_end_of_a_packet_are_malformed(raw, version):
    """[MQTT-4.13.1-1] [MQTT311-4.8.0-1]"""
    for kind, whole in samples(version):
        if kind == "PUBLISH":
            continue
        client = raw(version, None if kind == "CONNECT" else "")
        client.send(m.packet(whole[0], body_of(whole) + b"\0"))
        assert all(one.reason for one in client.until_closed()), kind


@VERSIONS
def test_reserved_bits_of_the_first_byte_are_malformed(raw, version):
    """[MQTT-2.1.3-1] [MQTT311-2.2.2-1] [MQTT311-2.2.2-2]"""
    for kind, whole in samples(version):
        for flags in range(16):
            if kind == "PUBLISH" or flags == whole[0] & 15:
                continue
            client = raw(version, None if kind == "CONNECT" else "")
            client.send(bytes([whole[0] & 0xF0 | flags]) + whole[1:])
            assert all(one.reason for one in client.until_closed()), (kind, flags)
            client.drop()


@VERSIONS
@pytest.mark.parametrize("head", [0x36, 0x37, 0x38, 0x39, 0x3E, 0x3F])
def test_a_publish_at_qos_3_or_with_dup_at_qos_0_is_malformed(raw, version, head):
    """[MQTT-3.3.1-2] [MQTT-3.3.1-4] [MQTT311-3.3.1-2] [MQTT311-3.3.1-4]"""
    whole = m.publish(version, "t", "x", 1 if head & 6 else 0, 1 if head & 6 else None)
    raw(version, "").send(bytes([head]) + whole[1:]).closed_for(0x81)


@VERSIONS
@pytest.mark.parametrize("head", [0x00, 0x0F, 0x20, 0x90, 0xB0, 0xD0, 0xF0, 0xFF])
def test_what_only_a_server_says_or_nobody_closes(raw, version, head):
    """[MQTT5 2.1.2] [MQTT-4.13.1-1] [MQTT311-4.8.0-1]"""
    raw(version, "").send(m.packet(head, b"\0\1\0")).closed_for(0x81, 0x82)


@VERSIONS
@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x00",
                                    b"\x80\x80\x80\x80\x01"])
def test_a_remaining_length_of_five_bytes_is_malformed(raw, version, length):
    """[MQTT5 1.5.5] [MQTT311 2.2.3]"""
    raw(version, "").send(b"\x30" + length).closed_for(0x81)


UTF8 = [b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xff", b"\xfe", b"\x80", b"\xc3", b"\xe2\x82",
        b"\xf0\x9f\x92", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe0\x80\x80", b"\0", b"a\0b",
        b"\xc1\xbf", b"\xf0\x80\x80\x80", b"12345678\xff", b"1234567\0"]


@VERSIONS
@pytest.mark.parametrize("text", UTF8, ids=lambda text: text.hex())
def test_text_that_is_not_utf_8_closes_wherever_it_stands(raw, version, text):
    """[MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.7-1] [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12]
    [MQTT-3.3.2-13] [MQTT-3.3.2-19] [MQTT-4.7.3-2] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2]"""
    for whole in (m.publish(version, text, "x"), m.subscribe(version, 1, text),
                  m.unsubscribe(version, 1, text), m.subscribe(version, 1, "good", text)):
        raw(version, "").send(whole).closed_for(0x81, 0x82, 0x8F, 0x90)
    for whole in (m.connect(version, text), m.connect(version, "x", username=text),
                  m.connect(version, "x", will=(text, b"x"))):
        assert all(one.reason for one in raw(version, None).send(whole).until_closed())
    if version == V5:
        for props in ([(m.USER, ("a", text))], [(m.USER, (text, "a"))], [(m.CONTENT_TYPE, text)],
                      [(m.RESPONSE_TOPIC, text)]):
            raw(V5, "").send(m.publish(V5, "t", "x", props=props)).closed_for(0x81, 0x82, 0x90)


# ---- portions ----

@ALL_VERSIONS
def test_packets_may_come_byte_by_byte_and_all_at_once(raw, name, version):
    """[MQTT-4.2.0-1] [MQTT311-4.2.0-1] [MQTT311-7.1.1-1]"""
    story = b"".join([m.connect(version, name), m.subscribe(version, 1, (name, 2)),
                      m.publish(version, name, "a", 1, 2), m.publish(version, name, "b" * 300, 2, 3),
                      m.ack(m.PUBREL, 3), m.PING])

    def hear(client):
        said = [client.expect(m.CONNACK)]
        while said[-1].kind != m.PINGRESP:
            said.append(client.next())
        return [(one.kind, getattr(one, "payload", None)) for one in said]

    whole = raw(version, None).send(story)
    expected = hear(whole)
    assert len(expected) == 8
    whole.drop()
    trickle = raw(version, None)
    for at in range(len(story)):
        trickle.send(story[at:at + 1])
    assert hear(trickle) == expected
    trickle.drop()
    for at in range(1, len(story), 7):
        split = raw(version, None)
        split.send(story[:at])
        split.send(story[at:])
        assert hear(split) == expected
        split.drop()


@VERSIONS
def test_thousands_of_packets_may_come_in_one_write(raw, name, version):
    client = raw(version, "")
    client.subscribe((name, 0))
    client.send(*(m.publish(version, name, str(number)) for number in range(5000)))
    seen = client.payloads()
    assert seen == [str(number).encode() for number in range(5000)]


@VERSIONS
def test_a_goodbye_in_the_same_write_is_heard_after_the_rest(raw, name, version):
    watch = raw(version, "")
    watch.subscribe((name, 1))
    client = raw(version, None)
    client.send(m.connect(version, ""), m.publish(version, name, "x", 1, 1), m.disconnect())
    assert [one.kind for one in client.until_closed()] == [m.CONNACK, m.PUBACK]
    assert watch.expect(m.PUBLISH).payload == b"x"


@VERSIONS
def test_who_shuts_its_half_still_hears_its_answers(raw, version):
    client = raw(version, None)
    client.send(m.connect(version, ""), m.PING * 50)
    client.transport.socket.shutdown(socket.SHUT_WR)
    said = client.until_closed()
    assert [one.kind for one in said] == [m.CONNACK] + [m.PINGRESP] * 50


# ---- harm ----

def test_a_connect_that_never_ends_does_not_hold_up_others(raw):
    slow = [raw(V5, None) for _ in range(100)]
    for client in slow:
        client.send(b"\x10")
    for client in slow:
        client.send(b"\xff\xff\x1f"[:2])
    assert raw(V5, "").until_ping() == []
    for client in slow:
        client.send(b"\x7f")  # announces 2 MB and sends none of it
        assert client.until_closed() == []


def test_an_announced_length_costs_no_memory(raw, broker):
    """Buffers grow with what came, not with what is said to come."""
    def resident():
        with open(f"/proc/{broker.process.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    before = resident()
    clients = [raw(V5, "") for _ in range(100)]
    for client in clients:
        client.send(b"\x30" + m.varint(15 * 2**20) + b"\0\1t\0abc")
    assert clients[0].send(b"x") and raw(V5, "").until_ping() == []
    assert resident() - before < 100 * 2**20, "1.5 GB was announced"


@VERSIONS
def test_random_bytes_after_connect_harm_nobody(raw, version):
    dice = random.Random(version)
    witness = raw(version, "")
    for _ in range(300):
        client = raw(version, "")
        client.send(dice.randbytes(dice.randint(1, 300)))
        client.drop()
    assert witness.until_ping() == []


@VERSIONS
def test_good_packets_with_one_bad_byte_harm_nobody(raw, version):
    dice = random.Random(version)
    witness = raw(version, "")
    for round_ in range(40):
        for kind, whole in samples(version):
            broken = bytearray(whole)
            broken[dice.randrange(len(broken))] = dice.randrange(256)
            client = raw(version, None if kind == "CONNECT" else "")
            client.send(bytes(broken))
            client.drop()
    assert witness.until_ping() == []


def test_a_storm_of_subscribes_to_all_that_is_retained_is_survived(raw, name, broker):
    """Each entry asks for everything; a client that does not read gets no second helping."""
    client = raw(V5, "")
    for number in range(200):
        client.send(m.publish(V5, f"{name}/{number}", b"x" * 1000, retain=True))
    client.until_ping()
    greedy = raw(V5, "", transport=m.Tcp(broker, rcvbuf=4096))
    greedy.send(m.subscribe(V5, 1, *[f"{name}/#"] * 2000))
    try:
        greedy.transport.socket.settimeout(2)
        for _ in range(50):
            greedy.send(m.subscribe(V5, 1, *[f"{name}/#"] * 100))
    except (TimeoutError, ConnectionError):
        pass
    assert client.until_ping() == []
    client.send(*(m.publish(V5, f"{name}/{number}", retain=True) for number in range(200)))
    client.until_ping()


def test_one_read_that_fans_out_widely_is_carried_out_piece_by_piece(raw, name, broker):
    """8,000 tiny publishes to 200 subscribers are 1.6 million deliveries: memory stays bounded."""
    sinks = [raw(V311, "") for _ in range(200)]
    for sink in sinks:
        sink.subscribe("z")
    source = raw(V311, "")
    source.send(m.publish(V311, "z") * 8000)
    assert source.until_ping() == []
    assert sinks[0].until_ping()[-1].topic == "z"
    with open(f"/proc/{broker.process.pid}/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert peak < 700 * 1024, f"{peak} KiB"


def test_a_thousand_connections_come_and_go(raw):
    clients = [raw(V311, None) for _ in range(500)]
    for client in clients[::2]:
        client.drop()
    for client in clients[1::2]:
        client.hello("")
        client.drop()
    assert raw(V5, "").until_ping() == []
