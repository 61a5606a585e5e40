# SPDX-License-Identifier: Apache-2.0
"""The daemon's face: flags, exit codes, signals, its web port."""
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import brokers
from clients import Client

LOOPBACK = ["--mqtt", "127.0.0.1:0", "--web", "127.0.0.1:0", "--no-data"]
CONNECT_5 = bytes.fromhex("1010 0004 4d515454 05 02 003c 00 0003 656e64".replace(" ", ""))


def plexusd(*words, env=None):
    """Run to the end. A daemon that stays up instead is a failure."""
    done = subprocess.run([brokers.program(brokers.default_build(), "plexusd"), *words],
                          capture_output=True, text=True, timeout=brokers.PATIENCE_S,
                          env={**brokers.PROGRAM_ENV, **(env or {})})
    assert not brokers.SANITIZER.search(done.stderr), done.stderr
    return done


def config(tmp_path, text):
    path = tmp_path / "plexus.json"
    path.write_text(text)
    return str(path)


def get(broker, path):
    with urllib.request.urlopen(broker.web_url + path, timeout=10) as answer:
        return answer.status, answer.headers, answer.read()


def test_sigterm_tells_clients_and_ends_with_nought_within_five_seconds(mesh):
    broker = mesh.start("leaving")
    with socket.create_connection(("127.0.0.1", broker.mqtt_port), 10) as client:
        client.sendall(CONNECT_5)
        assert client.recv(1024)[:1] == b"\x20"
        since = time.monotonic()
        assert broker.stop(5) == 0
        assert time.monotonic() - since < 5
        data = b""
        while chunk := client.recv(1024):
            data += chunk
        # DISCONNECT, reason 0x8B: server shutting down. [MQTT5 3.14.2.1]
        assert data[:1] == b"\xe0" and data[2] == 0x8B, data.hex()


def test_sigterm_does_not_wait_for_a_client_that_does_not_read(mesh, topic):
    """However much waits for it, and however long it may take on other days."""
    broker = mesh.start("patient", args=["--set", "limits.close_wait_ms=60s"])
    with socket.create_connection(("127.0.0.1", broker.mqtt_port), 10) as client, \
            Client(broker) as other:
        client.sendall(CONNECT_5)
        client.recv(1024)
        client.sendall(bytes.fromhex("8207 0001 00 0001 23 00"))
        client.recv(1024)
        for _ in range(100):
            other.publish(topic, bytes(100000), 1)
        assert broker.stop(6) == 0


def test_signals_that_come_while_it_ends_change_nothing(mesh):
    broker = mesh.start("hurried")
    with socket.create_connection(("127.0.0.1", broker.mqtt_port), 10) as client:
        client.sendall(CONNECT_5)
        client.recv(1024)
        while broker.process.poll() is None:
            for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                broker.process.send_signal(each)
        assert broker.process.returncode == 0


def test_a_port_in_use_is_said_and_ends_with_two():
    with socket.create_server(("127.0.0.1", 0)) as taken, \
            socket.create_server(("127.0.0.1", 0)) as taken_too:
        ports = [s.getsockname()[1] for s in (taken, taken_too)]
        done = plexusd("--mqtt", f"127.0.0.1:{ports[0]}", "--web", f"127.0.0.1:{ports[1]}",
                       "--no-data")
    assert done.returncode == 2
    for port in ports:
        assert str(port) in done.stderr, "every problem at once"
    assert "in use" in done.stderr


def test_files_and_ports_that_cannot_be_had_are_said_together():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = plexusd("--mqtt", f"127.0.0.1:{port}", "--web", "127.0.0.1:0", "--data",
                       "/proc/none", "--set", "mesh.ca_file=/nowhere/ca.pem")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    for words in (str(port), "/proc/none", "/nowhere/ca.pem"):
        assert [words in line for line in lines].count(True) == 1, done.stderr


def test_unknown_keys_are_refused_with_the_nearest_known_one(tmp_path):
    path = config(tmp_path, '{\n  "security": { "allow_anonymus": true },\n'
                            '  "mqtt": { "lissten": ["127.0.0.1:0"] }\n}\n')
    done = plexusd("--config", path)
    assert done.returncode == 2
    for words in ("allow_anonymus", "allow_anonymous", "lissten", "listen", ":2", ":3"):
        assert words in done.stderr, words


@pytest.mark.parametrize("words, said", [
    (["--set", "security.allow_anonymus=true"], "allow_anonymous"),
    (["--config", "/nowhere/plexus.json"], "/nowhere/plexus.json"),
    (["--mqtt", "127.0.0.1:99999"], "99999"),
    (["--no-such-flag"], "no-such-flag"),
    (["--join", "gopher://x/"], "gopher")])
def test_what_cannot_be_meant_is_one_clear_line_and_two(words, said):
    done = plexusd(*LOOPBACK, *words)
    assert done.returncode == 2
    assert said in done.stderr and done.stdout == ""


def test_check_accepts_the_documented_configuration():
    done = plexusd("--check", "--config", str(brokers.ROOT / "config" / "plexus.json"))
    assert done.returncode == 0, done.stderr


def test_check_refuses_a_broken_file_with_its_line(tmp_path):
    done = plexusd("--check", "--config", config(tmp_path, '{\n "mqtt": {\n'))
    assert done.returncode == 2
    assert re.search(r"plexus\.json:\d+", done.stderr), done.stderr


def test_a_listener_open_to_all_needs_somebody_to_say_who_may_enter():
    done = plexusd("--mqtt", "0.0.0.0:0", "--web", "127.0.0.1:0", "--no-data")
    assert done.returncode == 2
    assert "allow_anonymous" in done.stderr


def test_variables_override_the_file_and_flags_override_both(tmp_path):
    path = config(tmp_path, '{ "security": { "allow_anonymous": false } }')
    wide = ["--check", "--config", path, "--mqtt", "0.0.0.0:1883", "--web", "127.0.0.1:0"]
    variable = {"PLEXUS_SECURITY_ALLOW_ANONYMOUS": "true"}
    assert plexusd(*wide).returncode == 2
    assert plexusd(*wide, env=variable).returncode == 0
    assert plexusd(*wide, "--set", "security.allow_anonymous=false", env=variable).returncode == 2


def test_sighup_reloads_and_connected_clients_stay(mesh, tmp_path, topic):
    path = config(tmp_path, '{ "log": { "level": "info" } }')
    broker = mesh.start("reloading", args=["--config", path])
    with Client(broker) as client:
        client.subscribe(topic, 1)
        config(tmp_path, '{ "log": { "level": "debug" } }')
        broker.process.send_signal(signal.SIGHUP)
        broker.wait_log(r"reload")
        client.publish(topic, b"still here", 1)
        assert client.receive().payload == b"still here"
        config(tmp_path, '{ "log": { "levle": "debug" } }')
        broker.process.send_signal(signal.SIGHUP)
        broker.wait_log(r"levle")
        client.publish(topic, b"and still", 1)
        assert client.receive().payload == b"and still"


def test_the_web_port_answers_health_and_shows_a_page(one):
    for path in ("/healthz", "/readyz"):
        assert get(one, path)[0] == 200
    status, headers, page = get(one, "/")
    assert status == 200 and "text/html" in headers["Content-Type"]
    assert b"<script" in page
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(one, "/no/such/path")
    assert refused.value.code == 404


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1", 200), ("localhost:8080", 200), ("[::1]:8080", 200), ("127.0.0.1:1", 200),
    ("plexus.example", 403), ("127.0.0.1.plexus.example:8080", 403), ("8080", 403),
    ("[::2]", 403), ("x" * 300, 403)])
def test_the_api_answers_only_who_asks_for_this_machine_by_name(one, host, status):
    asked = urllib.request.Request(one.web_url + "/api/v1/status", headers={"Host": host})
    try:
        got = urllib.request.urlopen(asked, timeout=10).status
    except urllib.error.HTTPError as refused:
        got = refused.code
    assert got == status


@pytest.mark.parametrize("length", ["Content-Length: 0\r\n", "Content-Length: 3\r\n"])
def test_a_request_is_answered_once_whatever_its_body(one, length):
    body = "abc" if "3" in length else ""
    with socket.create_connection(("127.0.0.1", one.web_port), 10) as client:
        client.sendall(f"POST /healthz HTTP/1.1\r\nHost: x\r\n{length}\r\n{body}"
                       "GET /no/such/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := client.recv(1024):
            data += chunk
    assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"405", b"404"], data


def test_health_is_a_mode_of_the_binary(one, mesh):
    assert plexusd("--health", one.web_url).returncode == 0
    gone = mesh.start("gone")
    gone.kill()
    assert plexusd("--health", gone.web_url).returncode == 1


def test_status_says_who_and_how_long(one):
    status = one.ask("status")
    assert one.name in json.dumps(status)


def test_the_json_log_is_json_in_every_line(mesh):
    broker = brokers.Broker("talking", args=["--log-json"])
    mesh.all.append(broker)
    broker.start(wait=False)
    broker.wait_log(r"server\.ready")
    lines = [json.loads(line) for line in broker.log().splitlines()]
    ready = [line for line in lines if "server.ready" in line.values()]
    assert ready and "mqtt" in ready[0] and "web" in ready[0]


def test_version_and_help_answer_on_standard_output():
    assert re.search(r"\d+\.\d+\.\d+", plexusd("--version").stdout)
    help_text = plexusd("--help").stdout
    for flag in ("--config", "--name", "--mqtt", "--web", "--join", "--set", "--check"):
        assert flag in help_text, flag


def test_two_listeners_of_a_kind_and_none_of_the_other(mesh):
    broker = brokers.Broker("both", args=["--mqtt", "127.0.0.1:0"])
    mesh.all.append(broker)
    broker.start(wait=False)
    match = broker.wait_log(brokers.READY)
    addresses = match.group(1).split(",")
    assert len(addresses) == 2
    for address in addresses:
        socket.create_connection(brokers.split_port(address), 10).close()
