# SPDX-License-Identifier: Apache-2.0
"""Medians and the printed table."""
from statistics import median

import durable

COUNTS = ('lost', 'duplicated', 'disordered', 'corrupt', 'stray', 'ack_errors')
HEAD = (f'{"":22}{"µs CPU/msg":>11}{"× ceiling":>11}{"msgs/s":>11}{"busy":>6}'
        f'{"p50":>10}{"p99":>10}{"p99.9":>10}  ')
HEAD_SUBS = f'{"":22}{"µs/publish":>11}{"above first":>12}{"bytes each":>11}{"subscribe µs":>13}'
HEAD_IDLE = f'{"":22}{"bytes each":>11}{"× ceiling":>11}{"connect µs":>11}{"cpu %":>6}'


def summary(runs):
    """One result out of several runs: medians of figures, sums of faults."""
    result = {'ok': all(r.get('ok', True) for r in runs)}
    for key in dict.fromkeys(key for r in runs for key in r):
        values = [r[key] for r in runs if key in r]
        if key == 'failure':
            result[key] = next((v for v in values if v), '')
        elif key in COUNTS:
            result[key] = sum(values)
        elif key == 'steps':
            result[key] = [summary(steps) for steps in zip(*values)]
        elif isinstance(values[0], list):
            result[key] = [median(v) for v in zip(*values)]
        elif not isinstance(values[0], bool):
            result[key] = median(values)
    return result


def figure(result):
    """What the bar of the row is about."""
    return result.get('rss_each', result.get('cpu_us'))


def ratio(runs, ceiling_runs, part=None):
    """To the ceiling's run of the same round, so that drift of the machine falls out."""
    pairs = [(a.get(part), b.get(part)) if part else (figure(a), figure(b))
             for a, b in zip(runs, ceiling_runs)]
    ratios = [a / b for a, b in pairs if a and b]
    return median(ratios) if ratios else None


def faults(result):
    """What went wrong, in words; empty when nothing did."""
    found = [f'{result[key]} {key.replace("_", " ")}' for key in COUNTS if result.get(key)]
    if result.get('failure'):
        found.append(result['failure'])
    return ', '.join(found)


def verdict(row, result, times_ceiling):
    """How the figure stands to the bars, directly or by its ratio to the ceiling."""
    bar = row.bar
    if not bar or not figure(result):
        return ''

    def meets(limit):
        by_ratio = bar.ceiling and times_ceiling and times_ceiling <= limit / bar.ceiling
        return figure(result) <= limit or bool(by_ratio)
    return 'meets the goal' if meets(bar.goal) else \
        'meets the first bar' if meets(bar.first) else 'ABOVE THE BAR'


def us(value):
    if value >= 1e6:
        return f'{value / 1e6:.2f} s'
    return f'{value / 1000:.1f} ms' if value >= 1000 else f'{value:.0f} µs'


def count(value):
    return f'{value / 1e6:.2f} M' if value >= 1e6 else f'{value / 1e3:.1f} k'


def head(row):
    return {'idle': HEAD_IDLE, 'subs': HEAD_SUBS, **durable.HEADS}.get(row.mode, HEAD)


def steps(kind, result):
    """A broker's lines of a row with many subscriptions."""
    lines, first = [], result['steps'][0]['cpu_us'] if result.get('steps') else 0
    for step in result.get('steps', []):
        lines.append(f'  {kind:12}{step["subs"]:8}{step["cpu_us"]:11.3f}'
                     f'{step["cpu_us"] - first:+12.3f}{step["bytes_each"]:11.0f}'
                     f'{step["subscribe_us"]:13.2f}')
    if not result['ok']:
        lines.append(f'  {kind:20}FAIL: ' + (faults(result) or 'nothing was delivered'))
    return '\n'.join(lines)


def line(kind, row, result, times_ceiling):
    """One broker's line of a row."""
    if row.mode == 'subs':
        return steps(kind, result)
    times = f'{times_ceiling:.2f}' if times_ceiling else '–'
    text = f'  {kind:20}'
    if not figure(result):
        text += f'{"–":>11}  '
    elif row.mode == 'idle':
        text += (f'{result["rss_each"]:11.0f}{times:>11}{result["connect_us"]:11.0f}'
                 f'{result["idle_cpu"] * 100:6.1f}  ')
    elif row.durable:
        text += durable.line(row, result, us, count)
    else:
        text += (f'{result["cpu_us"]:11.3f}{times:>11}{count(result["msgs_per_s"]):>11}'
                 f'{result["cpu_share"] * 100:5.0f}%{us(result["p50_us"]):>10}'
                 f'{us(result["p99_us"]):>10}{us(result["p999_us"]):>10}  ')
    if not result['ok']:
        return text + 'FAIL: ' + (faults(result) or 'nothing was delivered')
    if row.mode not in ('idle', 'storm', 'visit'):
        text += 'all once, in order'
    if result.get('times_p50_us'):
        text += f'; {result["times_p50_us"]:.2f} × its p50, {result["times_p99_us"]:.2f} × its p99'
    stand = verdict(row, result, times_ceiling) if kind == 'plexusd' else ''
    return text + (f'; {stand}' if stand else '')


def heading(row):
    """The title of a row with its bars."""
    text = row.title
    bar = row.bar
    if bar:
        ceiling = f', ceiling then {bar.ceiling:g}' if bar.ceiling else ''
        text += f'   [first bar ≤ {bar.first:g}, goal ≤ {bar.goal:g}{ceiling}]'
    return text + f'   ({row.id})'
