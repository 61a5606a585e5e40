# SPDX-License-Identifier: Apache-2.0
"""The load generator sees every fault: between it and the forwarder stands a wire that
loses, repeats, swaps or spoils one message, and the report must say just that."""
import json
import os
import re
import socket
import subprocess
import threading

import pytest

PUBLISH = 3
AT = 500  # the message that meets the fault


@pytest.fixture
def ceiling():
    process = subprocess.Popen([os.environ['BENCH_CEILING']], stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    yield int(re.search(r'mqtt=127\.0\.0\.1:(\d+)', line)[1])
    process.terminate()
    process.wait()
    process.stderr.close()


def packets(data):
    """Split whole MQTT packets off; returns them and what is left."""
    found = []
    while len(data) >= 2:
        length, shift, at = 0, 0, 1
        while at < len(data):
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 128:
                break
        if data[at - 1] & 128 or len(data) < at + length:
            break
        found.append(data[:at + length])
        data = data[at + length:]
    return found, data


class Wire(threading.Thread):
    """Carries one connection to the forwarder; fault() turns message AT and the one behind
    it into what arrives instead."""

    def __init__(self, port, fault):
        super().__init__(daemon=True)
        self.fault, self.seen, self.held = fault, 0, None
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.broker = socket.create_connection(('127.0.0.1', port))
        self.start()

    def run(self):
        client, _ = self.listener.accept()
        threading.Thread(target=self._up, args=(client,), daemon=True).start()
        left = b''
        while data := self.broker.recv(65536):
            whole, left = packets(left + data)
            client.sendall(b''.join(out for p in whole for out in self._pass(p)))

    def _up(self, client):
        try:
            while data := client.recv(65536):
                self.broker.sendall(data)
        except OSError:
            pass
        self.broker.shutdown(socket.SHUT_RDWR)

    def _pass(self, packet):
        if packet[0] >> 4 != PUBLISH:
            return [packet]
        self.seen += 1
        if self.seen == AT:
            self.held = packet
            return []
        if self.seen == AT + 1:
            return self.fault(self.held, packet)
        return [packet]


def spoil(packet):
    """Another number in the payload, so that its seal does not hold."""
    return packet[:-64 + 8] + bytes([packet[-64 + 8] ^ 1]) + packet[-64 + 9:]


def measure(pub, sub, *more):
    done = subprocess.run(
        [os.environ['BENCH_LOAD'], '--pub', f'127.0.0.1:{pub}', '--sub', f'127.0.0.1:{sub}',
         '--count', '2000', '--window', '50', '--stall', '1', *more], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize('fault, expected', [
    (lambda a, b: [a, b], {}),
    (lambda a, b: [b], {'lost': 1}),
    (lambda a, b: [a, a, b], {'duplicated': 1}),
    (lambda a, b: [b, a], {'disordered': 1}),
    (lambda a, b: [b, a, b], {'disordered': 1, 'duplicated': 1}),
    (lambda a, b: [a, spoil(b)], {'corrupt': 1, 'lost': 1}),
], ids=['none', 'loss', 'repeat', 'swap', 'swap_and_repeat', 'spoilt'])
def test_a_fault_on_the_wire_is_reported_as_what_it_is(ceiling, fault, expected):
    status, report = measure(ceiling, Wire(ceiling, fault).port)
    found = {key: report[key] for key in
             ('lost', 'duplicated', 'disordered', 'corrupt', 'stray', 'ack_errors')}
    assert {k: v for k, v in found.items() if v} == expected
    assert report['ok'] is (not expected)
    assert status == (1 if expected else 0)


@pytest.mark.parametrize('qos', ['0', '1', '2'])
@pytest.mark.parametrize('wire', [[], ['--ws'], ['--ws-pack']], ids=['tcp', 'ws', 'ws_packed'])
@pytest.mark.parametrize('mode', ['p2p', 'fanout', 'fanin'])
def test_everything_arrives_once_through_the_forwarder(ceiling, mode, wire, qos):
    status, report = measure(ceiling, ceiling, '--mode', mode, '--n', '5', '--qos', qos,
                             '--batch', '7', '--size', '200', *wire)
    assert status == 0, report
    assert report['ok'] and report['delivered'] == 10000
