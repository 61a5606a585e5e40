/* SPDX-License-Identifier: Apache-2.0 */
#include "net/meter.h"

#include "net/stream.h"
#include "net/turn.h"

#include <stdlib.h>

enum { SECOND_US = 1000000 };

struct meter {
    struct stream *stream;
    uint64_t paid_us; /* when everything read so far is paid for */
    struct list waiting;
};

static struct meter *meter_of(struct stream *stream)
{
    if (!stream->meter) {
        stream->meter = calloc(1, sizeof *stream->meter);
        if (!stream->meter)
            return NULL;
        stream->meter->stream = stream;
        list_init(&stream->meter->waiting);
    }
    return stream->meter;
}

void meter_count(struct stream *stream, size_t len)
{
    struct net *net = stream->net;
    uint64_t rate = stream->limits->bytes_per_second_max;
    struct meter *meter = meter_of(stream);

    if (!meter)
        return;
    uint64_t credit = net->now_us > SECOND_US ? net->now_us - SECOND_US : 0;

    if (meter->paid_us < credit) /* a second of silence may be made up for, not more */
        meter->paid_us = credit;
    meter->paid_us += len * SECOND_US / rate;
    if (meter->paid_us <= net->now_us || stream->throttled)
        return;
    stream->throttled = true;
    list_push_back(&net->throttled, &meter->waiting);
    stream->transport->read(stream, false);
}

void meter_release(struct net *net)
{
    list_each_safe (&net->throttled, node, after) {
        struct meter *meter = list_entry(node, struct meter, waiting);
        struct stream *stream = meter->stream;
        if (meter->paid_us > net->now_us)
            continue;
        list_remove(&meter->waiting);
        stream->throttled = false;
        stream->transport->read(stream, stream_wants_reading(stream));
    }
}

void meter_forget(struct stream *stream)
{
    if (!stream->meter)
        return;
    list_remove(&stream->meter->waiting);
    free(stream->meter);
    stream->meter = NULL;
}
