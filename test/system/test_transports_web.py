# SPDX-License-Identifier: Apache-2.0
"""The web port against the rest of the world: what is not spoken, what never ends, what is
larger than it may be. With and without TLS, a client is served all the while."""
import contextlib
import json
import socket
import ssl
import time

import pytest

import brokers
import rawmqtt as m
from certificates import Authority
from rawmqtt import V5, Raw, Web

PLAIN_AND_TLS = pytest.mark.parametrize("listener", ["web", "wss"])
UPGRADE = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n")


class Port:
    """One broker's web ports."""

    def __init__(self, broker, authority):
        self.broker, self.authority = broker, authority

    def number(self, listener):
        return int(self.broker.wait_log(rf"\b(?:listener\.)?{listener}=\S*:(\d+)").group(1))

    def connect(self, listener, alpn=()):
        plain = socket.create_connection(("127.0.0.1", self.number(listener)), 30)
        if listener == "web":
            return plain
        context = ssl.create_default_context(cafile=self.authority.path("ca.pem"))
        if alpn:
            context.set_alpn_protocols(alpn)
        return context.wrap_socket(plain, server_hostname="localhost")

    def web(self, listener, **more):
        return Web(None, socket_=self.connect(listener), **more)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("web")).make("server", "localhost")
    started = brokers.Brokers()
    try:
        yield Port(started.start("web", args=["--set", "listeners=" + json.dumps([
            {"name": "wss", "address": "127.0.0.1:0", "protocol": "web",
             "tls": authority.tls("server")}])]), authority)
    finally:
        started.stop()


@pytest.fixture(autouse=True)
def canary(port):
    """Served before and after."""
    client = Raw(port.web("web"), V5).hello("canary")
    yield client
    assert client.until_ping() == []
    client.drop()


def until_closed(connection):
    """All that comes until the broker closes."""
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := connection.recv(65536):
            said += data
    return said


def ask(port, listener, request):
    """The status of the answer, 0 when there is none, and all of it."""
    request = request.encode("latin-1") if isinstance(request, str) else request
    with port.connect(listener) as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(request)
        said = until_closed(connection)
        return int(said.split(b" ")[1]) if said.startswith(b"HTTP/1.") else 0, said


def get(path, headers="", method="GET", version="1.1"):
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n{headers}\r\n"


@PLAIN_AND_TLS
def test_a_frame_that_is_not_masked_closes_with_1002(port, listener):
    """[RFC6455 5.1]"""
    client = Raw(port.web(listener), V5).hello()
    client.transport.frame(Web.BINARY, m.PING, masked=False)
    assert client.until_closed() == []
    assert client.transport.closed_with == 1002
    client.drop()


@PLAIN_AND_TLS
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_frames_of_any_size_pass(port, listener, size):
    """[MQTT-6.0.0-2]"""
    client = Raw(port.web(listener), V5)
    story = m.connect(V5, "") + m.subscribe(V5, 1, "own") + m.publish(V5, "own", b"x" * 3000)
    for at in range(0, len(story), size):
        client.transport.frame(Web.BINARY if at == 0 else 0, story[at:at + size],
                               final=at + size >= len(story))
        if at % 7 == 0:
            client.transport.frame(Web.PING, b"%d" % at)
    assert [client.next().kind for _ in range(3)] == [m.CONNACK, m.SUBACK, m.PUBLISH]
    assert client.until_ping() == []
    client.drop()


@PLAIN_AND_TLS
def test_a_large_message_passes_both_ways_with_pings_between(port, listener):
    client = Raw(port.web(listener), V5).hello()
    client.subscribe("own")
    payload = bytes(range(256)) * 20000
    for _ in range(3):
        client.send(m.publish(V5, "own", payload))
        client.transport.frame(Web.PING, b"still there?")
    assert [one.payload == payload for one in client.until_ping()] == [True] * 3
    assert client.until_ping() == [] and client.transport.pongs[-1] == b"still there?"
    client.drop()


@PLAIN_AND_TLS
def test_compression_is_not_taken_up(port, listener):
    """[RFC6455 9.1]"""
    web = port.web(listener, extra="Sec-WebSocket-Extensions: permessage-deflate; "
                                   "client_max_window_bits, x-webkit-deflate-frame\r\n")
    assert web.status == 101 and "sec-websocket-extensions" not in web.headers
    web.close()


def test_http_2_is_not_spoken(port):
    """[RFC7540 3.2] [RFC7540 3.4]"""
    settings = b"\0\0\0\4\0\0\0\0\0"
    for listener in ("web", "wss"):
        status, said = ask(port, listener, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        assert status == 505 and settings[:4] not in said
        # Who asks to change to HTTP/2 is answered in HTTP/1.1, as curl --http2 expects.
        upgrade = "Connection: close, Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
        assert ask(port, listener, get("/healthz", upgrade + "Upgrade: h2c\r\n"))[0] == 200
    with port.connect("wss", ["h2", "http/1.1"]) as both:
        assert both.selected_alpn_protocol() == "http/1.1"
        both.sendall(get("/healthz", "Host: y\r\n").encode())
        assert until_closed(both).startswith(b"HTTP/1.1 400 ")
    with pytest.raises(ssl.SSLError):
        port.connect("wss", ["h2"])


@pytest.mark.parametrize("change, status", [
    (("Version: 13", "Version: 12"), 426), (("Version: 13", "Version: 8"), 426),
    (("Version: 13", "Version: x"), 426), (("AAAAA==", "AAAAA"), 400), (("AAAAA==", "AA=="), 400),
    (("Key: A", "Key: AA"), 400), (("websocket", "h2c"), 426), (("websocket", "other"), 426)])
def test_an_upgrade_that_is_not_ours_is_refused(port, change, status):
    """[RFC6455 4.2.1] [RFC6455 4.4]"""
    got, said = ask(port, "web", get("/mqtt", UPGRADE.replace(*change)))
    assert got == status
    assert (b"sec-websocket-version: 13" in said) == (status == 426)
    assert ask(port, "web", get("/mqtt", UPGRADE, version="1.0"))[0] == 426
    assert ask(port, "web", get("/mqtt", UPGRADE, method="POST"))[0] == 405


@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/mqtt/", "/mqtt/../x",
    "/api", "/api/v1", "/index.html", "/error.css", "http://127.0.0.1/", "/.well-known/x", "/%00"])
def test_what_is_not_a_route_is_not_there(port, path):
    """No directory, no file, no redirect, no proxying."""
    status, said = ask(port, "web", get(path, "Connection: close\r\n"))
    assert status == (200 if path.startswith("http:") else 400 if "%00" in path else 404)
    assert b"location:" not in said.lower()


@pytest.mark.parametrize("request_, status", [
    (get("/healthz", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n", 501),
    (get("/healthz", "Transfer-Encoding: chunked\r\n", "POST") + "0\r\n\r\n", 501),
    (get("/healthz", "Content-Length: -5\r\n", "POST"), 400),
    (get("/healthz", "Content-Length: 0x5\r\n", "POST"), 400),
    (get("/healthz", "Content-Length: 5\r\nContent-Length: 6\r\n", "POST") + "hello", 400),
    (get("/healthz", "Content-Length: 99999999999999999999999999\r\n", "POST"), 413),
    (get("/healthz", "Content-Length: 9999999999\r\n", "POST"), 413),
    (get("/healthz", "Content-Length: 400000\r\n", "POST") + "x" * 400000, 413),
    (get("example.com:80", method="CONNECT"), 400), (get("/", "Connection: close\r\n", "TRACE"), 405),
    (get("/" + "a" * 20000), 414), (get("/", "X: " + "x" * 20000 + "\r\n"), 431),
    (get("/", "Cookie: " + "x" * 20000 + "\r\n"), 431), (get("/", "Cookie: y\r\n" * 3000), 431),
    (get("/", "".join(f"X-{i}: y\r\n" for i in range(3000))), 431),
    (get("/", "".join(f"X-{i}: y\r\n" for i in range(200))), 431),
    (get("/?" + "&".join(["a=b"] * 3000)), 414), ("\r\n" * 10000, 400),
    (get("/", "X: y\r\n folded\r\n"), 400), (get("/", "Host: y\r\n"), 400),
    ("GET / HTTP/1.1\r\n\r\n", 400), (get("/", version="3.0"), 505),
    (b"\xff\xfe\0garbage\r\n\r\n", 400), (bytes.fromhex("100c00044d5154540402003c0000"), 400),
    (b"\x16\x03\x01\x00\x05hello", 400)], ids=range(25))
def test_a_bad_request_is_refused_and_closed(port, request_, status):
    """Chunks are not read: who cannot tell where a body ends takes the rest for a request."""
    for listener in ("web", "wss"):
        got, said = ask(port, listener, request_)
        assert got == status and said.count(b"HTTP/1.") == 1, said


def test_requests_in_one_write_are_answered_in_order(port):
    with port.connect("web") as connection:
        connection.sendall((get("/healthz") + get("/nothing") + get("/healthz")
                            + get("/healthz", "Connection: close\r\n", version="1.0")).encode())
        said = until_closed(connection)
    assert [part.split(b" ")[0] for part in said.split(b"HTTP/1.1 ")[1:]][:3] == [b"200", b"404", b"200"]


@PLAIN_AND_TLS
@pytest.mark.parametrize("masked", [True, False])
def test_frames_right_behind_the_upgrade_are_read(port, listener, masked):
    """[RFC6455 4.1] Whoever does not wait for the answer is served all the same."""
    frame = bytearray()
    Web.frame(None, Web.BINARY, m.connect(V5, "early") + m.PING, masked=masked, send=frame.extend)
    with port.connect(listener) as connection:
        connection.sendall(get("/mqtt", UPGRADE).encode() + frame)
        said = b""
        while (b"\xd0\x00" if masked else b"\x88\x02\x03\xea") not in said:
            said += connection.recv(4096)
    assert said.startswith(b"HTTP/1.1 101 ") and (b"\x82\x02\xd0\x00" in said) == masked


def drip(connection, piece):
    """Another byte or so; is it still open?"""
    try:
        connection.sendall(piece)
        connection.settimeout(0.001)
        return connection.recv(65536) != b""
    except (TimeoutError, socket.timeout, ssl.SSLWantReadError):
        return True
    except (OSError, ssl.SSLError):
        return False


def test_who_is_slow_is_closed_in_time_however_he_is_slow(port, canary):
    """Nothing, half a request, a request or a body byte by byte, half a handshake of TLS, an
    upgrade without a CONNECT, a connection that is kept alive and asks for nothing."""
    body = get("/healthz", "Content-Length: 9999\r\n", "POST").encode()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\1" * 200
    slow = []
    for listener in ("web", "wss"):
        for first, piece in [(b"", b""), (b"GET / HT", b""), (b"GET / HTTP/1.1\r\nX: ", b"x"),
                             (b"GET / HTTP/1.1\r\n", b"X: y\r\n"), (body, b""), (body, b"x"),
                             (get("/healthz").encode(), b""), (get("/mqtt", UPGRADE).encode(), b""),
                             (get("/mqtt", UPGRADE).encode(), Web.PING.to_bytes(1, "big"))]:
            connection = port.connect(listener)
            connection.sendall(first)
            slow.append((first, piece, connection))
    for first, piece in [(b"", b""), (hello, b""), (hello, b"\1")]:
        connection = socket.create_connection(("127.0.0.1", port.number("wss")), 30)
        connection.sendall(first)
        slow.append((first, piece, connection))
    deadline = time.monotonic() + 90
    while slow and time.monotonic() < deadline:
        slow = [each for each in slow if drip(each[2], each[1])]
        assert canary.until_ping() == []
        time.sleep(0.3)
    assert not slow, [(first[:60], piece) for first, piece, _ in slow]
