# SPDX-License-Identifier: Apache-2.0
"""Behind the real nginx and HAProxy: MQTT and WebSocket, with TLS ended there or none, by the
PROXY protocol in both versions; the log names the client and not the proxy."""
import json
import pathlib
import shutil
import socket
import ssl
import subprocess

import paho.mqtt.client as paho
import pytest

import brokers
from brokers import wait_until
from certificates import Authority
from rawmqtt import V5, Raw, Web

NGINX, HAPROXY = (shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("nginx", "haproxy"))
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
# The client comes from here, so that it cannot be taken for the proxy.
SOURCE = "127.0.0.77"

NGINX_CONF = """
load_module {stream};
{user} daemon off; pid {dir}/nginx.pid; error_log stderr info; worker_processes 1;
events {{}}
stream {{
    proxy_protocol on;
    server {{ listen 127.0.0.1:{tcp}; proxy_pass 127.0.0.1:{mqtt}; }}
    server {{
        listen 127.0.0.1:{tls} ssl; proxy_pass 127.0.0.1:{mqtt};
        ssl_certificate {pem}; ssl_certificate_key {key};
    }}
    server {{ listen 127.0.0.1:{passed}; proxy_pass 127.0.0.1:{web}; }}
}}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{ws}; listen 127.0.0.1:{wss} ssl;
        ssl_certificate {pem}; ssl_certificate_key {key};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        location / {{ proxy_pass http://127.0.0.1:{http}; }}
        location /bare/ {{ proxy_pass http://127.0.0.1:{bare}/; }}
        location /local/ {{ proxy_pass http://unix:{socket}:/; }}
    }}
}}
"""

HAPROXY_CONF = """
global
    maxconn 100
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
listen mqtt
    mode tcp
    bind 127.0.0.1:{tcp}
    bind 127.0.0.1:{tls} ssl crt {both}
    server plexus 127.0.0.1:{mqtt} send-proxy-v2
listen passed
    mode tcp
    bind 127.0.0.1:{passed}
    server plexus 127.0.0.1:{web} send-proxy
listen web
    mode http
    bind 127.0.0.1:{ws}
    bind 127.0.0.1:{wss} ssl crt {both} alpn http/1.1
    server plexus 127.0.0.1:{web} send-proxy-v2
"""

# How the client speaks at each port of a proxy.
PORTS = {"tcp": "tcp", "tls": "tls", "ws": "ws", "wss": "wss", "passed": "ws"}


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return numbers


class Proxy:
    """One of the two before the broker."""

    def __init__(self, name, values, directory):
        self.name, self.directory = name, directory
        self.values = {**values, "dir": directory, "stream": STREAM,
                       "user": "user root;" if pathlib.Path("/proc/self").owner() == "root" else ""}
        self.process = None

    def start(self):
        """On free ports; whoever takes one of them in between makes us try others."""
        for _ in range(5):
            self.values.update(zip(PORTS, free_ports(len(PORTS))))
            conf = self.directory / f"{self.name}.conf"
            conf.write_text((NGINX_CONF if self.name == "nginx" else HAPROXY_CONF).format(**self.values))
            command = [NGINX, "-p", str(self.directory), "-e", "stderr", "-c", str(conf)] \
                if self.name == "nginx" else [HAPROXY, "-db", "-f", str(conf)]
            self.log = open(self.directory / f"{self.name}.log", "w+")
            self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT,
                                            preexec_fn=brokers.in_own_group)
            wait_until(lambda: self.process.poll() is not None or self.listens(), f"{self.name} to start")
            if self.process.poll() is None:
                return self
        raise AssertionError((self.directory / f"{self.name}.log").read_text()[-3000:])

    def listens(self):
        try:
            for port in PORTS:
                socket.create_connection(("127.0.0.1", self.values[port]), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A broker, and a proxy for each name that is asked for."""
    directory = tmp_path_factory.mktemp("proxies")
    authority = Authority(directory).make("server", "localhost")
    both = directory / "both.pem"
    both.write_text("".join((directory / name).read_text() for name in ("server.pem", "server.key")))
    started, proxies = brokers.Brokers(), {}
    local = {"address": "127.0.0.1:0", "proxy_protocol": True}
    http = {"protocol": "web", "trusted_proxies": ["192.0.2.0/24", "127.0.0.1", "unix:"]}
    socket_path = str(directory / "http.sock")
    broker = started.start("behind", args=["--set", "listeners=" + json.dumps([
        {"name": "proxied", **local}, {"name": "pages", **local, "protocol": "web"},
        {"name": "http", "address": "127.0.0.1:0", **http},
        {"name": "unix", "address": f"unix:{socket_path}", **http}])])
    port = lambda name: int(broker.wait_log(rf"listener\.{name}=\S*:(\d+)").group(1))  # noqa: E731
    values = {"mqtt": port("proxied"), "web": port("pages"), "bare": broker.web_port, "both": both,
              "http": port("http"), "socket": socket_path,
              "pem": authority.path("server.pem"), "key": authority.path("server.key")}

    def proxy(name):
        if name not in proxies:
            proxies[name] = Proxy(name, values, directory)
            proxies[name].start()
        return proxies[name]

    try:
        yield broker, proxy, authority.path("ca.pem")
    finally:
        for each in proxies.values():
            each.stop()
        started.stop()


def client_through(proxy, port, ca, client_id):
    way = PORTS[port]
    client = paho.Client(client_id=client_id, transport="websockets" if way in ("ws", "wss") else "tcp")
    client.ws_set_options(path="/mqtt")
    if way in ("tls", "wss"):
        client.tls_set_context(ssl.create_default_context(cafile=ca))
    client.got, client.subscribed = [], False
    client.on_message = lambda c, u, message: c.got.append(message.payload)
    client.on_connect = lambda c, *_: c.subscribe(c.topic, 1)
    client.on_subscribe = lambda c, *_: setattr(c, "subscribed", True)
    client.topic = f"proxied/{client_id}"
    client.connect("localhost", proxy.values[port], bind_address=SOURCE)
    client.loop_start()
    wait_until(lambda: client.subscribed, "SUBACK")
    return client


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("name", [
    pytest.param("nginx", marks=pytest.mark.skipif(not NGINX or not pathlib.Path(STREAM).exists(),
                                                   reason="no nginx with stream")),
    pytest.param("haproxy", marks=pytest.mark.skipif(not HAPROXY, reason="no haproxy"))])
def test_a_client_behind_a_proxy_is_served_and_known(stage, name, port):
    broker, proxy, ca = stage
    client_id = f"{name}-{port}"
    client = client_through(proxy(name), port, ca, client_id)
    sent = [b"small", b"large" * 30000, b"", b"last"]
    for payload in sent:
        client.publish(client.topic, payload, 1)
    wait_until(lambda: len(client.got) >= len(sent), "all messages")
    assert client.got == sent
    # An upgrade that nginx passes on says in a header where it came from, without the port.
    source = SOURCE if name == "nginx" and port in ("ws", "wss") else SOURCE + r":\d+"
    broker.wait_log(rf'client\.connected client="{client_id}" address={source} ')
    client.disconnect()
    client.loop_stop()
    broker.wait_log(rf'client\.disconnected client="{client_id}" .*reason="success"')


def ask(proxy, path, source, headers="", extra="Connection: close\r\n"):
    """The answer by way of nginx's HTTP, from this address."""
    with socket.create_connection(("127.0.0.1", proxy.values["ws"]), 30, (source, 0)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{extra}\r\n".encode())
        said = b""
        while (data := connection.recv(65536)) and b"\r\n\r\n" not in said:
            said += data
        return int(said.split()[1])


@pytest.mark.skipif(not NGINX or not pathlib.Path(STREAM).exists(), reason="no nginx with stream")
@pytest.mark.parametrize("way", ["", "/local"])
def test_what_only_this_machine_may_see_is_not_shown_through_a_proxy(stage, way):
    """Who asks is the last that a trusted proxy saw, whatever stands before it."""
    _, proxy, _ = stage
    nginx, status = proxy("nginx"), way + "/api/v1/status"
    assert ask(nginx, status, "127.0.0.1") == 200
    assert ask(nginx, status, SOURCE) == 200  # it is this machine, too
    for claim in ("127.0.0.1", "unix:", "127.0.0.1, 127.0.0.1"):
        assert ask(nginx, status, SOURCE, f"X-Forwarded-For: {claim}\r\n") == 200
    for claim in ("203.0.113.7", "127.0.0.1, 203.0.113.7", "nobody"):
        assert ask(nginx, status, "127.0.0.1", f"X-Forwarded-For: {claim}\r\n") == 403
    # This listener trusts nobody: whoever comes through a proxy may be from anywhere.
    assert ask(nginx, "/bare/api/v1/status", "127.0.0.1") == 403
    assert ask(nginx, "/bare/healthz", "127.0.0.1") == 200


@pytest.mark.skipif(not NGINX or not pathlib.Path(STREAM).exists(), reason="no nginx with stream")
@pytest.mark.parametrize("way, claim, known", [
    ("", "203.0.113.7", SOURCE), ("/local", "203.0.113.7", SOURCE), ("/bare", "203.0.113.7", r"127.0.0.1:\d+")])
def test_a_client_cannot_say_itself_where_it_comes_from(stage, way, claim, known):
    broker, proxy, _ = stage
    nginx, client_id = proxy("nginx"), f"claims{way.strip('/')}"
    connection = socket.create_connection(("127.0.0.1", nginx.values["ws"]), 30, (SOURCE, 0))
    client = Raw(Web(None, path=way + "/mqtt", extra=f"X-Forwarded-For: {claim}\r\n", socket_=connection), V5)
    client.hello(client_id)
    broker.wait_log(rf'client\.connected client="{client_id}" address={known} ')
    client.drop()
