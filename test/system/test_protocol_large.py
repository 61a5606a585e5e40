# SPDX-License-Identifier: Apache-2.0
"""Images and other large things, in queues and over links."""
import pytest

import brokers
import rawmqtt as m
from rawmqtt import V311, V5, VERSIONS, Tcp, Web, name, raw  # noqa: F401

IMAGE = 500000
LIMITS = ["--set", "limits.out_queue_bytes_max=256KiB",
          "--set", "limits.out_queue_bytes_hard_max=1MiB"]


@pytest.fixture(scope="module")
def broker():
    """Its connections may have few bytes waiting, as if the images were larger."""
    started = brokers.Brokers()
    try:
        yield started.start("large", args=LIMITS)
    finally:
        started.stop()


@VERSIONS
@pytest.mark.parametrize("way", [Tcp, Web])
def test_a_queue_of_images_is_delivered_when_the_client_returns(raw, broker, name, version, way):
    """All of it may go at once: that makes nobody slow."""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    client, source = raw(version, name, **keep), raw(version, "")
    client.subscribe((name, 1))
    client.drop()
    for number in range(25):
        source.publish(name, bytes([number]) * IMAGE, 1)
    client = raw(version, name, transport=way(broker), **keep)
    for number in range(25):
        one = client.expect(m.PUBLISH)
        assert one.payload == bytes([number]) * IMAGE
        client.send(m.ack(m.PUBACK, one.pid))
    assert client.until_ping() == []


@pytest.mark.parametrize("way", [Tcp, Web])
def test_all_retained_images_greet_a_subscriber(raw, broker, name, way):
    """[MQTT-3.3.1-9]"""
    source = raw(V5, "")
    for number in range(25):
        source.publish(f"{name}/{number}", bytes([number]) * IMAGE, retain=True)
    client = raw(V5, "", transport=way(broker))
    client.subscribe((name + "/#", 0))
    assert {one.payload[0] for one in client.messages()} == set(range(25))
    for number in range(25):
        source.publish(f"{name}/{number}", retain=True)
    client.messages()


def test_an_image_of_the_largest_size_crosses_a_link(mesh, name):
    patient = ["--set", "mesh.qos0_age_ms=60s"]  # for sanitizers on a busy machine
    east = mesh.start("east", args=patient)
    west = mesh.start("west", [east], patient)
    brokers.wait_converged([east, west])
    sink, source = m.Raw(Tcp(west), V5).hello(""), m.Raw(Tcp(east), V5).hello("")
    sink.subscribe((name, 1))
    probes = 0
    while not probes:  # until the interest is known
        source.publish(name, "probe")
        sink.transport.socket.settimeout(0.3)
        try:
            probes = len([sink.expect(m.PUBLISH)])
        except TimeoutError:
            pass
    sink.transport.socket.settimeout(20)
    sink.messages()
    image = bytes(range(256)) * (4 * 15 * 2**10)
    source.publish(name, image, 1)
    while (one := sink.expect(m.PUBLISH)).payload == b"probe":
        pass
    assert one.payload == image
    sink.drop()
    source.drop()
