/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/ping.h"

#include "base/err.h"
#include "mesh/state.h"
#include "mqtt/wire.h"

enum { PINGS_MISSED_MAX = 3, PINGS_FAST = 8, PING_FAST_MS = 100, PONGS_SLOW = 16 };

static void put(struct mesh *mesh, struct link *link, uint8_t type, uint32_t seq, uint64_t tx_us)
{
    struct buf *body = mesh_scratch(mesh);

    wire_put_u32(body, seq);
    wire_put_u64(body, tx_us);
    wire_put_u32(body, 0); /* membership hash: with DS_MAP */
    buf_append_u8(body, 0);
    link_put(mesh, link, CLASS_CONTROL, type, buf_str(body));
}

uint64_t ping_run(struct mesh *mesh, struct link *link)
{
    uint64_t silent_ms = (uint64_t)mesh->config.ping_ms * PINGS_MISSED_MAX;

    if (link->ping_ms == UINT64_MAX)
        return UINT64_MAX; /* still shaking hands */
    if (mesh->now_ms >= link->rx_ms + silent_ms) {
        link_close(mesh, link, "no bytes for %llu ms", (unsigned long long)silent_ms);
        return UINT64_MAX;
    }
    if (mesh->now_ms >= link->ping_ms) {
        put(mesh, link, FRAME_PING, ++link->ping_seq, mesh->now_us);
        uint32_t gap_ms = mesh->config.ping_ms;
        if (link->ping_seq < PINGS_FAST && gap_ms > PING_FAST_MS)
            gap_ms = PING_FAST_MS; /* to know soon how far away the peer is */
        link->ping_ms = mesh->now_ms + gap_ms;
    }
    uint64_t dead_ms = link->rx_ms + silent_ms;
    return link->ping_ms < dead_ms ? link->ping_ms : dead_ms;
}

int ping_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    uint32_t seq = wire_get_u32(&r);
    uint64_t tx_us = wire_get_u64(&r);

    if (r.err)
        return r.err;
    put(mesh, link, FRAME_PONG, seq, tx_us);
    return ERR_OK;
}

/* What the way takes without queues: the least of late. It creeps up, and jumps when many
 * answers in a row took twice as long: then the way has changed. */
static void learn_least(struct link *link, uint64_t rtt_us)
{
    if (rtt_us <= link->rtt_min_us * 2) {
        link->slow_pongs = 0;
    } else {
        if (link->slow_pongs == 0 || rtt_us < link->slow_min_us)
            link->slow_min_us = rtt_us;
        if (++link->slow_pongs == PONGS_SLOW) {
            link->slow_pongs = 0;
            link->rtt_min_us = link->slow_min_us;
            return;
        }
    }
    if (rtt_us < link->rtt_min_us)
        link->rtt_min_us = rtt_us;
    else
        link->rtt_min_us += (rtt_us - link->rtt_min_us) / 64;
}

int pong_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);
    uint32_t seq = wire_get_u32(&r);
    uint64_t tx_us = wire_get_u64(&r);

    if (r.err)
        return r.err;
    if (seq > link->ping_seq || tx_us > mesh->now_us)
        return ERR_OK; /* not an answer to what was asked */
    uint64_t rtt_us = mesh->now_us - tx_us;
    /* What the handshake took says less than the first answer to a PING. */
    if (seq == 1)
        link->rtt_min_us = rtt_us;
    learn_least(link, rtt_us);
    link->srtt_us = seq == 1 ? rtt_us : (link->srtt_us * 7 + rtt_us) / 8;
    return ERR_OK;
}
