# SPDX-License-Identifier: Apache-2.0
"""Two thousand connections that say nothing, or begin and never end: a client is served all the
while, they are closed in time, and what they took is given back."""
import json
import pathlib
import re
import resource
import select
import socket
import struct
import time
import urllib.request

import pytest

import brokers
import rawmqtt as m
from brokers import wait_until
from certificates import Authority
from rawmqtt import V5, Raw, Tcp

CONNECTIONS = 2000
STORMS = 8
UPGRADE = (b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
           b"Sec-WebSocket-Protocol: mqtt\r\n\r\n")
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\1" * 100
CONNECT = m.connect(V5, "half")
# Where one goes, and what is said there.
HALVES = [("mqtt", b""), ("mqtt", CONNECT[:1]), ("mqtt", CONNECT[:-1]), ("mqtt", b"\x10\xff\xff\x10" + b"\0" * 2000),
          ("web", b""), ("web", b"GET /mq"), ("web", UPGRADE[:-2]), ("web", UPGRADE),
          ("web", UPGRADE + b"\x82"), ("tls", b""), ("tls", HELLO[:3]), ("tls", HELLO),
          ("wss", b""), ("wss", HELLO), ("auto", b""), ("auto", b"\x10"), ("auto", b"G"),
          ("auto", HELLO[:4]), ("auto", CONNECT[:-1]), ("auto", UPGRADE)]


@pytest.fixture
def broker(mesh, tmp_path, monkeypatch):
    """What is freed is to be seen as free."""
    monkeypatch.setitem(brokers.PROGRAM_ENV, "ASAN_OPTIONS", brokers.PROGRAM_ENV["ASAN_OPTIONS"]
                        + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, CONNECTIONS + 500)), hard))
    tls, local = Authority(tmp_path).make("server", "localhost").tls("server"), {"address": "127.0.0.1:0"}
    return mesh.start("stormy", args=[
        "--set", "limits.connect_timeout_ms=3000", "--set", "listeners=" + json.dumps([
            {"name": "tls", **local, "tls": tls}, {"name": "wss", **local, "protocol": "web", "tls": tls},
            {"name": "auto", **local, "protocol": "auto", "tls": tls}])])


def port(broker, listener):
    return int(broker.wait_log(rf"\b(?:listener\.)?{listener}=\S*:(\d+)").group(1))


def resident(broker):
    with urllib.request.urlopen(broker.web_url + "/api/v1/status", timeout=30) as answer:
        return int(re.search(r'"resident_bytes": ?(\d+)', answer.read().decode()).group(1))


def serve(canary):
    assert canary.publish("canary", "alive", 1) == 0
    assert canary.payloads() == [b"alive"]


def drop_closed(poll, waiting):
    """Forget those that the broker has closed; what it says meanwhile is of no interest."""
    for number, _ in poll.poll(0):
        try:
            if waiting[number].recv(65536):
                continue
        except BlockingIOError:
            continue
        except OSError:
            pass
        poll.unregister(number)
        waiting.pop(number).close()


def storm(broker, canary, leave):
    poll, waiting = select.poll(), {}
    for number in range(CONNECTIONS):
        listener, half = HALVES[number % len(HALVES)]
        one = socket.create_connection(("127.0.0.1", port(broker, listener)), brokers.PATIENCE_S)
        one.sendall(half)
        one.setblocking(False)
        waiting[one.fileno()] = one
        poll.register(one, select.POLLIN)
        if number % 250 == 0:
            serve(canary)
    if leave:  # all at once, with a reset
        for one in waiting.values():
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
        waiting.clear()
    most = resident(broker)
    deadline = time.monotonic() + 90
    while waiting and time.monotonic() < deadline:
        drop_closed(poll, waiting)
        serve(canary)
        time.sleep(0.05)
    assert not waiting, f"{len(waiting)} are still open"
    return most


def test_half_connections_are_closed_and_their_memory_comes_back(broker):
    canary = Raw(Tcp(broker), V5).hello("canary")
    canary.subscribe(("canary", 1))
    # The sanitizers' allocator keeps what it has: there, the next storm must find it free.
    sanitized = b"__asan_init" in pathlib.Path(brokers.program(broker.build, "plexusd")).read_bytes()
    calm, peaks = resident(broker), []
    for leave in (False, True, False):
        peaks.append(storm(broker, canary, leave))
        serve(canary)
        if not sanitized:
            wait_until(lambda: resident(broker) - calm < (peaks[-1] - calm) / 3,
                       f"memory to go back from {peaks[-1]} towards {calm}", every_s=0.1)
    # How many are open at the peak differs from storm to storm: what leaks makes every one of them
    # higher than all before it, and only that does.
    while peaks[-1] > max(peaks[:-1]) and len(peaks) < STORMS:
        peaks.append(storm(broker, canary, leave=False))
        serve(canary)
    canary.drop()
    assert peaks[-1] <= max(peaks[:-1]), (calm, peaks)
