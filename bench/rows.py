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
    mode: str  # p2p fanout fanin latency paced storm visit subs idle durable lone backlog
    n: int = 1
    qos: int = 0
    size: int = 64
    ws: bool = False
    hops: int = 0
    tls: bool = False
    data: bool = False  # plexusd has a data directory, though nothing is to be kept

    @property
    def wire(self):
        return {(False, False): 'tcp', (False, True): 'tls', (True, False): 'ws',
                (True, True): 'wss'}[self.ws, self.tls]

    @property
    def id(self):
        if self.mode in ('idle', 'storm', 'visit', 'subs'):
            return (f'hop{self.hops}-' if self.hops else '') + f'{self.mode}/{self.wire}'
        work = self.mode
        if self.hops:
            work = f'hop{self.hops}' + ('-latency' if work == 'latency' else '')
        return f'{work}-{self.n}/q{self.qos}/{self.size}/{self.wire}' + ('/data' if self.data else '')

    @property
    def title(self):
        wire = {'tcp': 'TCP', 'tls': 'TLS', 'ws': 'WebSocket', 'wss': 'secure WebSocket'}[self.wire]
        whole = {
            'idle': f'idle {wire} connection',
            'storm': f'connect and disconnect, {wire}, a cycle',
            'visit': f'connect, subscribe, publish, receive, disconnect, {wire}, a cycle',
            'subs': f'random topics for many subscriptions, {wire}, a publish',
        }.get(self.mode)
        if whole:
            return whole + (', a broker in a mesh' if self.hops else '')
        work = {
            'p2p': f'{self.n} pair' + ('s' if self.n > 1 else ''),
            'fanout': f'1 → {self.n}',
            'fanin': f'{self.n} → 1',
            'latency': '1 pair, one message at a time',
            'paced': f'{self.n} pairs, {PACE} messages a second in all',
            'durable': f'{self.n} publishers, to a kept session that is away',
            'lone': 'one message at a time, to a kept session that is away',
            'backlog': 'a million messages for a session that is away: fill, kill -9, restart, '
                       'take back',
        }[self.mode]
        if self.hops:
            work = ('one hop, ' if self.hops == 1 else 'two hops, ') + work
        size = '1 KiB' if self.size == 1024 else f'{self.size} B'
        with_data = ', with a data directory' if self.data else ''
        return f'QoS{self.qos}, {work}, {size}, {wire}{with_data}'

    @property
    def load(self):
        """Arguments of the load generator. Window and batch are calibrated: with them the
        ceiling takes about what the design's table says it takes, so that a row here is
        the row there. The batch is half the window or less: one half is under way while
        the other comes back, and how much coalesces hangs less on the scheduler."""
        mode = {'latency': 'p2p', 'paced': 'p2p', 'visit': 'storm', 'durable': 'offline',
                'lone': 'offline', 'backlog': 'offline'}.get(self.mode, self.mode)
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
            ('paced', 0): (1000, 1),
            ('subs', 0): (1024, 64),
            ('durable', 1): (100, 50),
            ('backlog', 1): (100, 50),
        }.get((self.mode, self.qos), (1, 1))
        more = {'paced': ['--rate', PACE], 'visit': ['--work']}.get(self.mode, [])
        return ['--mode', mode, '--n', self.n, '--qos', self.qos, '--size', self.size,
                '--window', window, '--batch', batch, *more,
                *(['--ws'] if self.ws else []), *(['--tls'] if self.tls else [])]

    def subs_steps(self, kind):
        """How many subscriptions to measure with; the first is what others are held against.
        A million of them would take Mosquitto a gigabyte and minutes."""
        return (1000, 100000) if kind == 'mosquitto' else (1000, 100000, 1000000)

    @property
    def bar(self):
        return BARS.get(self.id)

    @property
    def durable(self):
        """About what is kept: durable.py measures it."""
        return self.mode in ('durable', 'lone', 'backlog')

    def brokers(self, kinds):
        """Which of these work it. The ceiling has no TLS, no wildcards and keeps nothing; what
        plexusd pays for keeping shows beside itself without."""
        if self.mode == 'backlog' or (self.mode == 'subs' and self.hops):
            return [kind for kind in kinds if kind == 'plexusd']
        if self.durable or self.data:
            return [each for kind in kinds if kind != 'ceiling'
                    for each in ((kind, 'plexusd-no-data') if kind == 'plexusd' else (kind,))]
        return [kind for kind in kinds
                if kind != 'ceiling' or not (self.tls or self.mode == 'subs')]


PACE = 10000

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
    'idle/tls': Bar(None, 18000, 16000),
    'idle/wss': Bar(None, 26000, 22000),
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
    Row('paced', 10), Row('storm', 50), Row('visit', 50), Row('subs'),
    Row('subs', hops=1),
    Row('durable', 10, 1), Row('durable', 10, 1, 256), Row('lone', qos=1), Row('backlog', 10, 1, 256),
    Row('p2p', 10, data=True), Row('p2p', 10, 1, data=True),
    Row('p2p', 10, tls=True), Row('p2p', 10, size=1024, tls=True), Row('p2p', 10, 1, tls=True),
    Row('fanout', 1000, tls=True),
    Row('idle'), Row('idle', ws=True), Row('idle', tls=True), Row('idle', ws=True, tls=True),
]
