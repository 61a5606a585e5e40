# SPDX-License-Identifier: Apache-2.0
"""The works that are measured, and the bars of the design they are held against."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """µs of broker CPU per delivered message (bytes, for idle connections). `ceiling` is
    what the bare forwarder took when the bars were set: on another machine the bars
    stretch with it. None where there is none."""
    ceiling: float | None
    first: float
    goal: float


@dataclass(frozen=True)
class Row:
    mode: str  # p2p fanout fanin latency idle
    n: int = 1
    qos: int = 0
    size: int = 64
    ws: bool = False
    hops: int = 0

    @property
    def id(self):
        wire = 'ws' if self.ws else 'tcp'
        if self.mode == 'idle':
            return f'idle/{wire}'
        work = self.mode
        if self.hops:
            work = f'hop{self.hops}' + ('-latency' if work == 'latency' else '')
        return f'{work}-{self.n}/q{self.qos}/{self.size}/{wire}'

    @property
    def title(self):
        wire = 'WebSocket' if self.ws else 'TCP'
        if self.mode == 'idle':
            return f'idle {wire} connection'
        work = {
            'p2p': f'{self.n} pair' + ('s' if self.n > 1 else ''),
            'fanout': f'1 → {self.n}',
            'fanin': f'{self.n} → 1',
            'latency': '1 pair, one message at a time',
        }[self.mode]
        if self.hops:
            work = ('one hop, ' if self.hops == 1 else 'two hops, ') + work
        size = '1 KiB' if self.size == 1024 else f'{self.size} B'
        return f'QoS{self.qos}, {work}, {size}, {wire}'

    @property
    def load(self):
        """Arguments of the load generator. Window and batch are calibrated: with them the
        ceiling takes about what the design's table says it takes, so that a row here is
        the row there. The batch is half the window or less: one half is under way while
        the other comes back, and how much coalesces hangs less on the scheduler."""
        mode = 'p2p' if self.mode == 'latency' else self.mode
        window, batch = {
            ('p2p', 0): (1024, 256) if self.size < 512 else (256, 32),
            ('p2p', 1): (100, 50),
            ('p2p', 2): (100, 50),
            ('fanout', 0): (20, 10),
            ('fanout', 1): (16, 8),
            ('fanout', 2): (16, 8),
            ('fanin', 0): (16, 8),
            ('fanin', 1): (16, 8),
            ('fanin', 2): (16, 8),
            ('latency', self.qos): (1, 1),
        }[self.mode, self.qos]
        return ['--mode', mode, '--n', self.n, '--qos', self.qos, '--size', self.size,
                '--window', window, '--batch', batch] + (['--ws'] if self.ws else [])

    @property
    def bar(self):
        return BARS.get(self.id)


BARS = {
    'p2p-10/q0/64/tcp': Bar(0.08, 0.7, 0.25),
    'p2p-10/q0/1024/tcp': Bar(0.70, 1.4, 0.9),
    'fanout-1000/q0/64/tcp': Bar(0.85, 1.3, 0.9),
    'fanin-1000/q0/64/tcp': Bar(0.51, 1.4, 0.7),
    'p2p-10/q1/64/tcp': Bar(0.26, 1.5, 0.8),
    'p2p-10/q2/64/tcp': Bar(0.47, 2.9, 1.6),
    'fanout-1000/q1/64/tcp': Bar(0.95, 2.0, 1.3),
    'hop1-10/q0/64/tcp': Bar(0.16, 1.6, 0.6),
    'hop1-10/q1/64/tcp': Bar(None, 3.0, 1.5),
    'idle/tcp': Bar(None, 1500, 800),
    'idle/ws': Bar(None, 8000, 6000),
}


def quick():
    """A handful that says in half a minute whether something broke."""
    return [Row('p2p', 10), Row('p2p', 10, qos=1), Row('p2p', 10, ws=True),
            Row('fanout', 1000), Row('fanin', 1000), Row('p2p', 10, hops=1), Row('idle')]


def usual():
    """Every bar, and what lies next to it."""
    tcp = [Row(mode, n, qos) for mode, n in WORKS for qos in (0, 1, 2)]
    large = [Row(mode, n, size=1024) for mode, n in WORKS]
    ws = [Row(mode, n, qos, ws=True) for mode, n in WORKS[1:] for qos in (0, 1)]
    return tcp + large + ws + REST


def full():
    """All combinations."""
    return [Row(mode, n, qos, size, ws) for ws in (False, True) for size in (64, 1024)
            for mode, n in WORKS for qos in (0, 1, 2)] + REST


WORKS = [('p2p', 1), ('p2p', 10), ('fanout', 1000), ('fanin', 1000)]
REST = [
    Row('latency'), Row('latency', qos=1), Row('latency', ws=True),
    Row('p2p', 10, hops=1), Row('p2p', 10, 1, hops=1), Row('p2p', 10, 2, hops=1),
    Row('p2p', 10, hops=2), Row('p2p', 10, 1, hops=2), Row('latency', hops=2),
    Row('idle'), Row('idle', ws=True),
]
