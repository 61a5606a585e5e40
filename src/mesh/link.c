/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/link.h"

#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/hello.h"
#include "mesh/link_cost.h"
#include "mesh/ping.h"
#include "mesh/snapshot.h"
#include "mesh/state.h"
#include "mqtt/wire.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_MAX_MS = 5000, DRAIN_AFTER_MS = 1000, BYE_TEXT_MAX = 200 };

const char *link_state_name(enum link_state state)
{
    switch (state) {
    case LINK_DOWN: return "down";
    case LINK_DIALING: return "dialing";
    case LINK_HELLO: return "hello";
    case LINK_EXCHANGE: return "exchange";
    case LINK_FULL: return "full";
    case LINK_DRAINING: return "draining";
    }
    return "?";
}

struct link *link_at(const struct mesh *mesh, link_id id)
{
    return id < mesh->links.len ? mesh->links.at[id] : NULL;
}

struct str link_name(const struct mesh *mesh, const struct link *link, char text[32])
{
    if (link->peer_name[0])
        return str_from_c(link->peer_name);
    if (link->seed != MESH_ACCEPTED)
        return mesh->config.seeds[link->seed];
    snprintf(text, 32, "link %u", (unsigned)link->id);
    return str_from_c(text);
}

bool link_preferred(const struct mesh *mesh, const struct link *link)
{
    bool self_lower = node_id_compare(&lsdb_self(&mesh->lsdb)->id, &link->peer) < 0;

    return self_lower == (link->seed != MESH_ACCEPTED);
}

/* Which of the links to this neighbour carries traffic: a full one, the preferred first. */
static void elect(struct mesh *mesh, const struct node_id *peer)
{
    struct lsdb_node *node = lsdb_find(&mesh->lsdb, peer);
    struct link *best = NULL, *before = node && node->link ? link_at(mesh, node->link) : NULL;

    link_each(mesh, link)
    {
        if (link->state != LINK_FULL || !node_id_equal(&link->peer, peer))
            continue;
        if (!best || (link_preferred(mesh, link) && !link_preferred(mesh, best)))
            best = link;
    }
    if (!node || best == before)
        return;
    if (best && before && before->advertised && !best->advertised) {
        best->advertised = true; /* the neighbour stays: nothing to damp */
        best->cost = link_cost(best);
    }
    node->link = best ? best->id : 0;
    if (best)
        mesh_wake(mesh, best->advertise_ms);
    if (best ? best->advertised : before->advertised) {
        topology_ask(mesh);
        spf_ask(mesh);
    }
}

/* Several links to one neighbour: once the preferred is full, the others drain, a little
 * later, so that the neighbour has it full too. */
static void drain_duplicates(struct mesh *mesh, const struct link *full)
{
    link_each(mesh, link)
    {
        if (link == full || link->state != LINK_FULL || !node_id_equal(&link->peer, &full->peer))
            continue;
        struct link *loser = link_preferred(mesh, full) ? link : mesh->links.at[full->id];
        loser->drain_ms = mesh->now_ms + DRAIN_AFTER_MS;
        mesh_wake(mesh, loser->drain_ms);
    }
}

/* Does another link carry the traffic to this neighbour? */
static bool superseded(const struct mesh *mesh, const struct link *link)
{
    const struct lsdb_node *node = lsdb_find(&mesh->lsdb, &link->peer);

    return node && node->link && node->link != link->id;
}

static void enter_full(struct mesh *mesh, struct link *link)
{
    char text[32];

    link->full_ms = mesh->now_ms;
    link->reason[0] = '\0';
    link->digest_ms = mesh->now_ms + mesh->config.digest_ms;
    link->advertise_ms = mesh->now_ms + link_damping(mesh, link);
    mesh_wake(mesh, link->digest_ms);
    mesh_wake(mesh, link->advertise_ms);
    elect(mesh, &link->peer);
    drain_duplicates(mesh, link);
    mesh_fact(mesh, MESH_FACT_LINK_FULL, link->id, link_name(mesh, link, text), "%s", "");
}

static void enter_down(struct mesh *mesh, struct link *link)
{
    link_queue_finish(&link->queue, &mesh->pool);
    flood_finish(&link->flood);
    vec_finish(&link->wants);
    free(link->sums);
    link->sums = NULL;
    snapshot_link_down(mesh, link->id);
    link->deadline_ms = link->drain_ms = UINT64_MAX;
}

/* The only writer of a link's state. */
static void link_enter(struct mesh *mesh, struct link *link, enum link_state state)
{
    enum link_state before = link->state;

    link->state = state;
    switch (state) {
    case LINK_DOWN: enter_down(mesh, link); break;
    case LINK_DIALING: break;
    case LINK_HELLO:
        link->deadline_ms = mesh->now_ms + mesh->config.handshake_ms;
        hello_send(mesh, link);
        break;
    case LINK_EXCHANGE:
        link->deadline_ms = mesh->now_ms + mesh->config.handshake_ms;
        digest_send(mesh, link, true);
        break;
    case LINK_FULL: enter_full(mesh, link); break;
    case LINK_DRAINING: link->deadline_ms = mesh->now_ms + DRAIN_MAX_MS; break;
    }
    if (before == LINK_FULL)
        elect(mesh, &link->peer);
    mesh_wake(mesh, link->deadline_ms);
}

void link_handle(struct mesh *mesh, struct link *link, enum link_event event)
{
    if (event == LINK_EVENT_GONE) {
        if (link->state != LINK_DOWN)
            link_enter(mesh, link, LINK_DOWN);
        return;
    }
    switch (link->state) {
    case LINK_DOWN:
        if (event == LINK_EVENT_UP)
            link_enter(mesh, link, LINK_HELLO);
        return;
    case LINK_HELLO:
        if (event == LINK_EVENT_HELLO)
            link_enter(mesh, link, LINK_EXCHANGE);
        return;
    case LINK_EXCHANGE:
        if (event == LINK_EVENT_SYNCED)
            link_enter(mesh, link, LINK_FULL);
        else if (event == LINK_EVENT_DRAIN)
            link_enter(mesh, link, LINK_DRAINING);
        return;
    case LINK_FULL:
        if (event == LINK_EVENT_DRAIN)
            link_enter(mesh, link, LINK_DRAINING);
        return;
    case LINK_DIALING:
    case LINK_DRAINING: return;
    }
}

/* A place for the link's number in the table. */
static struct link **slot_of(struct mesh *mesh, link_id id)
{
    while (mesh->links.len <= id) {
        if (!vec_push(&mesh->links))
            return NULL;
    }
    return &mesh->links.at[id];
}

void link_up(struct mesh *mesh, link_id id, uint32_t seed)
{
    const char *no = mesh->stopped                                ? "shutting down"
                     : mesh->identity.quarantine_ms               ? "in quarantine: duplicate id"
                     : mesh->link_count >= mesh->config.links_max ? "too many links"
                                                                  : NULL;
    assert(id != 0 && (seed == MESH_ACCEPTED || seed < mesh->config.seed_count));
    if (link_at(mesh, id))
        link_down(mesh, id, STR("its number was used again"));
    struct link **slot = no ? NULL : slot_of(mesh, id);
    struct link *link = slot ? calloc(1, sizeof *link) : NULL;
    if (!link) {
        no = no ? no : "out of memory";
        if (seed != MESH_ACCEPTED)
            seed_lost(mesh, seed, str_from_c(no), false);
        mesh_act_bytes(mesh, MESH_CLOSE, id, MESH_CONTROL, no, strlen(no));
        return;
    }
    *slot = link;
    mesh->link_count++;
    link->id = id;
    link->seed = seed;
    link->room = MESH_LINK_ROOM;
    link->rx_ms = mesh->now_ms;
    link->drain_ms = link->advertise_ms = link->ping_ms = UINT64_MAX;
    link->nonce = (uint64_t)++mesh->link_nonce << 32 | (rand_next(&mesh->rand) >> 32);
    link_queue_init(&link->queue);
    snprintf(link->reason, sizeof link->reason, "shaking hands");
    if (seed != MESH_ACCEPTED)
        seed_up(mesh, seed, id);
    link_handle(mesh, link, LINK_EVENT_UP);
}

/* The link is no more in use: say so once, and let the seed try again. */
static void report_down(struct mesh *mesh, struct link *link)
{
    char text[32];
    bool lasted = link->full_ms && mesh->now_ms - link->full_ms >= SEED_STABLE_MS;

    link_handle(mesh, link, LINK_EVENT_GONE);
    mesh_fact(mesh, MESH_FACT_LINK_DOWN, link->id, link_name(mesh, link, text), "%s", link->reason);
    if (link->seed != MESH_ACCEPTED)
        seed_lost(mesh, link->seed, str_from_c(link->reason), lasted);
    seed_wake(mesh);
}

void link_down(struct mesh *mesh, link_id id, struct str why)
{
    struct link *link = link_at(mesh, id);

    if (!link)
        return;
    if (!link->closing) {
        snprintf(link->reason, sizeof link->reason, "%.*s", STR_ARG(why));
        report_down(mesh, link);
    }
    mesh->links.at[id] = NULL;
    mesh->link_count--;
    free(link);
}

/* Put a BYE behind all control. */
static void put_bye(struct mesh *mesh, struct link *link, bool drain, const char *text)
{
    struct buf *body = mesh_scratch(mesh);
    size_t len = strlen(text);

    buf_append_u8(body, 0);
    buf_append_u8(body, drain);
    wire_put_binary(body, (struct str){ text, len < BYE_TEXT_MAX ? len : BYE_TEXT_MAX });
    link_put(mesh, link, CLASS_CONTROL, FRAME_BYE, buf_str(body));
    link->bye_out = true;
}

/* Send the next bundle, room or not. */
static bool send_next(struct mesh *mesh, struct link *link)
{
    static const enum mesh_channel channel_of[CLASS_COUNT] = { MESH_CONTROL, MESH_CONTROL,
                                                               MESH_DATA, MESH_DATA, MESH_BULK };
    enum queue_class class;
    struct bundle *bundle = link_queue_take(&link->queue, &mesh->pool, &class);

    if (!bundle)
        return false;
    mesh_act_bytes(mesh, MESH_SEND, link->id, channel_of[class], bundle->data, bundle->len);
    link->room -= bundle->len < link->room ? bundle->len : link->room;
    mesh->stats.frames_out += bundle->frames;
    mesh->stats.bytes_out += bundle->len;
    bundle_release(&mesh->pool, bundle);
    return true;
}

void link_close(struct mesh *mesh, struct link *link, const char *format, ...)
{
    char reason[LINK_REASON_MAX];
    va_list args;

    if (link->closing)
        return;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    memcpy(link->reason, reason, sizeof reason);
    link->closing = true;
    if (!link->bye_in && !link->bye_out)
        put_bye(mesh, link, false, reason);
    while (link->queue.bytes[CLASS_CONTROL] && send_next(mesh, link))
        ;
    mesh_act_bytes(mesh, MESH_CLOSE, link->id, MESH_CONTROL, reason, strlen(reason));
    report_down(mesh, link);
}

void link_refuse(struct mesh *mesh, struct link *link, const char *what)
{
    char text[32];

    if (link->closing)
        return;
    mesh_fact(mesh, MESH_FACT_REFUSED, link->id, link_name(mesh, link, text), "%s", what);
    link_close(mesh, link, "refused: %s", what);
}

void link_put(struct mesh *mesh, struct link *link, enum queue_class class, uint8_t type,
              struct str body)
{
    size_t inner = body.len + 1, len = wire_varint_len((uint32_t)inner) + inner;

    assert(len <= MESH_BUNDLE_MAX);
    if (link->state == LINK_DOWN)
        return; /* closed meanwhile: nothing would free what waits */
    uint8_t *at = link_queue_add(&link->queue, &mesh->pool, class, len, mesh->now_ms);
    if (!at) {
        if (!link->closing)
            link_close(mesh, link, "too much control traffic waits");
        return;
    }
    at += wire_store_varint(at, (uint32_t)inner);
    *at++ = type;
    if (body.len)
        memcpy(at, body.ptr, body.len);
}

void link_flush(struct mesh *mesh, struct link *link)
{
    bool wrote = true;

    while (wrote && link->state != LINK_DOWN) {
        wrote = flood_pump(mesh, link);
        while (link->room && send_next(mesh, link))
            ;
        wrote = wrote && link->room;
    }
    if (link->state != LINK_DRAINING || !link_queue_empty(&link->queue) ||
        !snapshots_idle(&link->flood.snapshots))
        return;
    if (!link->bye_out) {
        put_bye(mesh, link, true, "duplicate link");
        while (send_next(mesh, link))
            ;
    }
    if (link->bye_in)
        link_close(mesh, link, "duplicate link");
}

int bye_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    struct wire_reader r = wire_reader(body.ptr, body.len, 0);

    wire_get_u8(&r); /* reason code: the text says more */
    bool drain = wire_get_u8(&r) & 1;
    struct str text = wire_get_utf8(&r);
    if (r.err)
        return r.err;
    link->bye_in = true;
    if (!drain) {
        link_close(mesh, link, "peer said bye: %.*s", STR_ARG(text));
        return ERR_OK;
    }
    if (link->state == LINK_DRAINING && link->bye_out) {
        link_close(mesh, link, "duplicate link");
        return ERR_OK;
    }
    link_handle(mesh, link, LINK_EVENT_DRAIN);
    return ERR_OK;
}

uint64_t link_run(struct mesh *mesh, struct link *link)
{
    uint64_t now_ms = mesh->now_ms, next_ms;

    if (link->closing)
        return UINT64_MAX;
    if (link->state != LINK_FULL && now_ms >= link->deadline_ms) {
        if (link->state == LINK_DRAINING)
            link_close(mesh, link, "duplicate link");
        else
            link_close(mesh, link, "%s timeout", link_state_name(link->state));
        return UINT64_MAX;
    }
    next_ms = ping_run(mesh, link);
    if (link->closing)
        return UINT64_MAX;
    if (link->state == LINK_FULL) {
        uint64_t cost_ms = link_cost_run(mesh, link), digest_ms = digest_run(mesh, link);
        next_ms = cost_ms < next_ms ? cost_ms : next_ms;
        next_ms = digest_ms < next_ms ? digest_ms : next_ms;
        if (now_ms >= link->drain_ms) {
            link->drain_ms = UINT64_MAX;
            if (superseded(mesh, link)) /* still: the better one may have gone meanwhile */
                link_handle(mesh, link, LINK_EVENT_DRAIN);
        }
        next_ms = link->drain_ms < next_ms ? link->drain_ms : next_ms;
    }
    if (link->state != LINK_FULL && link->deadline_ms < next_ms)
        next_ms = link->deadline_ms;
    uint64_t answer_ms = digest_answer_run(mesh, link);
    next_ms = answer_ms < next_ms ? answer_ms : next_ms;
    uint64_t age_ms = link_queue_expire(&link->queue, &mesh->pool, now_ms);
    uint64_t flood_ms = flood_deadline(mesh, link);
    next_ms = age_ms < next_ms ? age_ms : next_ms;
    return flood_ms < next_ms ? flood_ms : next_ms;
}
