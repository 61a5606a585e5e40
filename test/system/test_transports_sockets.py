# SPDX-License-Identifier: Apache-2.0
"""Unix sockets, IPv6, proxies in front, a service manager around: the ways in and out."""
import json
import os
import signal
import socket
import subprocess

import brokers
from brokers import wait_until

CONNECT = bytes.fromhex("10100004" + b"MQTT".hex() + "0502003c00" + "0003" + b"end".hex())
PROXY_2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton("192.0.2.9")
           + socket.inet_aton("192.0.2.1") + (4711).to_bytes(2, "big") + (1883).to_bytes(2, "big"))


def listening(*listeners):
    return ["--set", "listeners=" + json.dumps(listeners)]


def port_of(broker, name):
    return int(broker.wait_log(rf"listener\.{name}=\S*:(\d+)").group(1))


def connack(client, before=b""):
    client.sendall(before + CONNECT)
    return client.recv(1024)[:1] == b"\x20"


def closed(client):
    """Closed by the broker; with bytes unread that is a reset."""
    try:
        return client.recv(10) == b""
    except ConnectionResetError:
        return True


def test_clients_come_by_unix_socket_and_ipv6(mesh, tmp_path):
    path = str(tmp_path / "plexus.sock")
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()  # its file stays, as after a crash
    broker = mesh.start("sockets", args=listening(
        {"name": "local", "address": f"unix:{path}", "mode": "0600"},
        {"name": "six", "address": "[::1]:0"}))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert connack(client)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with socket.create_connection(("::1", port_of(broker, "six")), 10) as client:
        assert connack(client)
    broker.wait_log(r"client\.connected .*address=\[::1\]:")
    assert broker.stop() == 0
    assert not os.path.exists(path)


def test_the_log_names_the_client_behind_a_proxy(mesh):
    broker = mesh.start("proxied", args=listening(
        {"name": "behind", "address": "127.0.0.1:0", "proxy_protocol": True},
        {"name": "pages", "address": "127.0.0.1:0", "protocol": "web", "proxy_protocol": True}))
    with socket.create_connection(("127.0.0.1", port_of(broker, "behind")), 10) as client:
        assert connack(client, PROXY_2)
        broker.wait_log(r"client\.connected .*address=192\.0\.2\.9:4711")
    with socket.create_connection(("127.0.0.1", port_of(broker, "behind")), 10) as client:
        client.sendall(CONNECT)
        assert closed(client)
    with socket.create_connection(("127.0.0.1", port_of(broker, "pages")), 10) as client:
        client.sendall(PROXY_2 + b"GET /api/v1/status HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 403 " in client.recv(1024).split(b"\r\n")[0] + b" "


def test_a_listener_serves_what_it_says(mesh):
    broker = mesh.start("picky", args=listening(
        {"name": "health", "address": "127.0.0.1:0", "protocol": "web", "serve": ["mesh"]}))

    def status(path):
        with socket.create_connection(("127.0.0.1", port_of(broker, "health")), 10) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            return client.recv(1024).split(b" ")[1]

    assert status("/healthz") == b"200"
    assert status("/") == b"404"
    assert status("/api/v1/status") == b"404"


class Manager:
    """Hears what a service tells its manager."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(brokers.PATIENCE_S)

    def hear(self):
        return self.socket.recv(1024).decode()


def test_a_service_manager_hands_over_sockets_and_hears_how_we_are(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    with socket.create_server(("127.0.0.1", 0)) as given:
        words = [brokers.program(brokers.default_build(), "plexusd"), "--mqtt", "systemd:mqtt",
                 "--web", "none", "--set", "security.allow_anonymous=true"]
        env = {**brokers.PROGRAM_ENV, "NOTIFY_SOCKET": str(tmp_path / "notify"),
               "LISTEN_FDS": "1", "LISTEN_FDNAMES": "mqtt"}
        # LISTEN_PID must be the child's own, which only it knows: a shell says it.
        process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *words], env=env,
            stderr=subprocess.PIPE, pass_fds=[3], preexec_fn=lambda: os.dup2(given.fileno(), 3))
        assert manager.hear() == "READY=1"
        with socket.create_connection(given.getsockname(), 10) as client:
            assert connack(client)
        process.send_signal(signal.SIGHUP)
        assert manager.hear().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert manager.hear() == "READY=1"
        process.send_signal(signal.SIGTERM)
        assert manager.hear() == "STOPPING=1"
        log = process.communicate(timeout=20)[1].decode()
        assert process.returncode == 0, log
        assert not brokers.SANITIZER.search(log), log


def test_too_many_connections_of_one_listener_leave_the_others_alone(mesh):
    broker = mesh.start("full", args=listening(
        {"name": "small", "address": "127.0.0.1:0", "connections_max": 1}))
    with socket.create_connection(("127.0.0.1", port_of(broker, "small")), 10) as one:
        assert connack(one)
        with socket.create_connection(("127.0.0.1", port_of(broker, "small")), 10) as two:
            assert closed(two)
        with socket.create_connection(("127.0.0.1", broker.mqtt_port), 10) as other:
            assert connack(other)
    wait_until(lambda: "listener.refused" in broker.log(), "the refusal in the log")
