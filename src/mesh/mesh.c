/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/mesh.h"

#include "base/err.h"
#include "mesh/digest.h"
#include "mesh/hello.h"
#include "mesh/identity.h"
#include "mesh/install.h"
#include "mesh/interest_sync.h"
#include "mesh/ping.h"
#include "mesh/snapshot.h"
#include "mesh/state.h"
#include "mesh/tlsa.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void default_u32(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

void mesh_config_defaults(struct mesh_config *config)
{
    default_u32(&config->ping_ms, 1000);
    default_u32(&config->handshake_ms, 10000);
    default_u32(&config->dial_backoff_ms, 200);
    default_u32(&config->dial_backoff_max_ms, 30000);
    default_u32(&config->interest_batch_ms, 5);
    default_u32(&config->interest_linger_ms, 2000);
    default_u32(&config->interest_piece, 1000);
    default_u32(&config->digest_ms, 30000);
    default_u32(&config->stale_ms, 900000);
    default_u32(&config->links_max, 256);
    default_u32(&config->nodes_max, 4096);
    default_u32(&config->filters_max, 1000000);
    default_u32(&config->qos0_age_ms, 2000);
    if (config->link_queue_bytes_max == 0)
        config->link_queue_bytes_max = (size_t)32 * 1024 * 1024;
    if (config->mesh_name.len == 0)
        config->mesh_name = STR("plexus");
}

/* Copy one text to *at and point it there. */
static void own_text(struct str *text, char **at)
{
    if (text->len)
        memcpy(*at, text->ptr, text->len);
    text->ptr = *at;
    *at += text->len;
}

/* Take the configuration and copies of its strings. ERR_OK or ERR_NOMEM. */
static int own_config(struct mesh *mesh, const struct mesh_config *config)
{
    struct mesh_config *own = &mesh->config;

    *own = *config;
    mesh_config_defaults(own);
    while (own->name.len > TLSA_NAME_MAX || !str_is_mqtt_utf8(own->name))
        own->name.len--;
    size_t len = own->name.len + own->mesh_name.len + 1;
    for (size_t i = 0; i < own->seed_count; i++)
        len += config->seeds[i].len;
    char *at = mesh->text = malloc(len);
    mesh->seed_urls = calloc(own->seed_count + 1, sizeof *mesh->seed_urls);
    if (!at || !mesh->seed_urls)
        return ERR_NOMEM;
    own_text(&own->name, &at);
    own_text(&own->mesh_name, &at);
    for (size_t i = 0; i < own->seed_count; i++) {
        mesh->seed_urls[i] = config->seeds[i];
        own_text(&mesh->seed_urls[i], &at);
    }
    own->seeds = mesh->seed_urls;
    return ERR_OK;
}

static int set_up(struct mesh *mesh, const struct mesh_config *config)
{
    if (own_config(mesh, config) != ERR_OK || seeds_init(mesh) != ERR_OK ||
        lsdb_init(&mesh->lsdb, &config->id, mesh->config.nodes_max) != ERR_OK)
        return ERR_NOMEM;
    mesh->pool.bytes_max = mesh->config.link_queue_bytes_max;
    mesh->pool.age_max_ms = mesh->config.qos0_age_ms;
    mesh->index = interest_index_new(config->random_seed);
    mesh->local = local_interest_new(mesh->config.interest_linger_ms, mesh->config.interest_piece);
    if (!mesh->index || !mesh->local)
        return ERR_NOMEM;
    struct lsdb_node *self = lsdb_self(&mesh->lsdb);
    self->iinc = mesh->config.inc;
    self->iver = interest_base(mesh->config.boot);
    self->set = local_interest_told_set(mesh->local);
    topology_ask(mesh);
    topology_run(mesh);
    /* The first link is told at once. */
    mesh->tlsa_pace = mesh->spf_pace = (struct pace){ .due_ms = UINT64_MAX };
    return self->record ? ERR_OK : ERR_NOMEM;
}

struct mesh *mesh_new(const struct mesh_config *config, uint64_t now_ms)
{
    struct mesh *mesh = calloc(1, sizeof *mesh);
    struct mesh_out nothing = { 0 };

    if (!mesh)
        return NULL;
    delta_journal_init(&mesh->journal);
    list_init(&mesh->installing);
    frag_init(&mesh->frags);
    forward_init(&mesh->forward);
    rand_init(&mesh->rand, config->random_seed);
    mesh->now_ms = mesh->lsdb.now_ms = now_ms;
    mesh->wake_ms = now_ms;
    mesh->tlsa_pace.due_ms = mesh->spf_pace.due_ms = UINT64_MAX;
    mesh->stale_due_ms = UINT64_MAX;
    mesh->out = &nothing;
    int err = set_up(mesh, config);
    mesh->out = NULL;
    mesh_out_finish(&nothing);
    if (err) {
        mesh_free(mesh);
        return NULL;
    }
    mesh->lsdb.now_ms = now_ms;
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    if (!mesh)
        return;
    vec_each (&mesh->links, at) {
        if (!*at)
            continue;
        link_queue_finish(&(*at)->queue, &mesh->pool);
        flood_finish(&(*at)->flood);
        vec_finish(&(*at)->wants);
        free((*at)->sums);
        free(*at);
    }
    vec_finish(&mesh->links);
    vec_finish(&mesh->seeds.list);
    bundle_pool_finish(&mesh->pool);
    delta_journal_finish(&mesh->journal);
    forward_finish(&mesh->forward);
    frag_finish(&mesh->frags);
    spf_finish(&mesh->spf);
    vec_each (&mesh->lsdb.order, node) {
        snapshot_free((*node)->snapshot);
        install_finish(*node);
    }
    if (mesh->lsdb.order.len)
        lsdb_self(&mesh->lsdb)->set = NULL; /* is that of mesh->local */
    lsdb_finish(&mesh->lsdb);
    interest_index_free(mesh->index);
    local_interest_free(mesh->local);
    buf_finish(&mesh->scratch);
    buf_finish(&mesh->text_buf);
    free(mesh->seed_urls);
    free(mesh->text);
    free(mesh);
}

/* ---- frames ---- */

static int data_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    return forward_on_frame(mesh, link, FRAME_DATA, body);
}

static int frag_on_frame(struct mesh *mesh, struct link *link, struct str body)
{
    return forward_on_frame(mesh, link, FRAME_FRAG, body);
}

struct frame_kind {
    uint8_t type;
    bool shaking; /* may come before both sides know each other */
    int (*handle)(struct mesh *mesh, struct link *link, struct str body);
    const char *refusal;
};

static const struct frame_kind frame_kinds[] = {
    { FRAME_DATA, false, data_on_frame, "a malformed DATA frame" },
    { FRAME_FRAG, false, frag_on_frame, "a malformed FRAG frame" },
    { FRAME_PING, false, ping_on_frame, "a malformed PING frame" },
    { FRAME_PONG, false, pong_on_frame, "a malformed PONG frame" },
    { FRAME_TLSA, false, topology_on_frame, "a malformed TLSA frame" },
    { FRAME_IDELTA, false, idelta_on_frame, "a malformed IDELTA frame" },
    { FRAME_ISNAP, false, isnap_on_frame, "a malformed ISNAP frame" },
    { FRAME_DIGEST, false, digest_on_frame, "a malformed DIGEST frame" },
    { FRAME_DREQ, false, dreq_on_frame, "a malformed DREQ frame" },
    { FRAME_HELLO, true, hello_on_frame, "a malformed or repeated HELLO" },
    { FRAME_HELLO_ACK, true, hello_ack_on_frame, "a HELLO_ACK that does not answer our HELLO" },
    { FRAME_BYE, true, bye_on_frame, "a malformed BYE frame" },
};

static void on_frame(struct mesh *mesh, struct link *link, uint8_t type, struct str body)
{
    mesh->stats.frames_in++;
    for (size_t i = 0; i < sizeof frame_kinds / sizeof frame_kinds[0]; i++) {
        const struct frame_kind *kind = &frame_kinds[i];
        if (kind->type != type)
            continue;
        if (link->state == LINK_HELLO && !kind->shaking)
            link_refuse(mesh, link, "a frame before the handshake was done");
        else if (kind->handle(mesh, link, body) != ERR_OK)
            link_refuse(mesh, link, kind->refusal);
        return;
    }
    if (type & FRAME_MUST_UNDERSTAND)
        link_refuse(mesh, link, "a frame that this version does not understand");
}

static void on_bundle(struct mesh *mesh, link_id id, struct str bytes)
{
    struct link *link = link_at(mesh, id);

    if (!link || link->closing)
        return;
    link->rx_ms = mesh->now_ms;
    mesh->stats.bytes_in += bytes.len;
    struct wire_reader r = wire_reader(bytes.ptr, bytes.len, 0);
    while (wire_left(&r) && !link->closing) {
        uint32_t len = wire_get_varint(&r);
        struct str frame = wire_get_bytes(&r, len);
        if (r.err || len == 0) {
            link_refuse(mesh, link, "a bundle that is not whole");
            return;
        }
        on_frame(mesh, link, (uint8_t)frame.ptr[0], str_slice(frame, 1, frame.len));
    }
}

/* ---- time ---- */

/* If we were not called for long, silence on the links means nothing. */
static void forgive_stall(struct mesh *mesh)
{
    uint64_t late_ms = mesh->now_ms - mesh->wake_ms;

    if (mesh->wake_ms == UINT64_MAX || late_ms <= mesh->config.ping_ms / 2)
        return;
    link_each(mesh, link)
    {
        link->rx_ms += late_ms;
        if (link->rx_ms > mesh->now_ms)
            link->rx_ms = mesh->now_ms;
    }
}

static void run_timers(struct mesh *mesh)
{
    forgive_stall(mesh);
    mesh->wake_ms = UINT64_MAX;
    mesh_wake(mesh, identity_run(mesh));
    link_each(mesh, link) mesh_wake(mesh, link_run(mesh, link));
    mesh_wake(mesh, interest_run(mesh));
    mesh_wake(mesh, install_run(mesh));
    mesh_wake(mesh, topology_run(mesh));
    mesh_wake(mesh, spf_run(mesh));
    mesh_wake(mesh, forward_run(mesh));
    mesh_wake(mesh, frag_run(&mesh->frags, mesh->now_ms));
    mesh_wake(mesh, delta_journal_run(&mesh->journal, mesh->now_ms));
    mesh_wake(mesh, stale_run(mesh));
    mesh_wake(mesh, seeds_run(mesh));
}

static void flush(struct mesh *mesh)
{
    link_each(mesh, link)
    {
        if (!link->closing)
            link_flush(mesh, link);
    }
}

static void shut_down(struct mesh *mesh)
{
    mesh->stopped = true;
    flush(mesh);
    link_each(mesh, link) link_close(mesh, link, "shutting down");
}

void mesh_step(struct mesh *mesh, const struct mesh_event *event, struct mesh_out *out)
{
    struct link *link;

    assert(event->now_ms >= mesh->now_ms);
    mesh->now_ms = mesh->lsdb.now_ms = event->now_ms;
    mesh->now_us = event->now_us;
    mesh->out = out;
    switch (event->kind) {
    case MESH_LINK_UP: link_up(mesh, event->link, event->seed); break;
    case MESH_LINK_DOWN: link_down(mesh, event->link, event->text); break;
    case MESH_DIAL_FAILED: seed_failed(mesh, event->seed, event->text); break;
    case MESH_LINK_RX: on_bundle(mesh, event->link, event->bytes); break;
    case MESH_LINK_WRITABLE:
        link = link_at(mesh, event->link);
        if (link)
            link->room = event->room;
        break;
    case MESH_INTEREST: {
        struct interest interest = { event->interest.filter, event->interest.qos,
                                     event->interest.persistent };
        interest_changed(mesh, &interest, event->interest.wanted);
        break;
    }
    case MESH_TELLING:
        mesh->gathering = event->more;
        mesh_wake(mesh, mesh->now_ms);
        break;
    case MESH_PUBLISH: forward_publish(mesh, event->message); break;
    case MESH_FLUSH:
        if (mesh->now_ms >= mesh->wake_ms)
            run_timers(mesh);
        flush(mesh);
        break;
    case MESH_TICK:
        if (mesh->now_ms >= mesh->wake_ms)
            run_timers(mesh);
        break;
    case MESH_SHUTDOWN: shut_down(mesh); break;
    }
    mesh->out = NULL;
}

uint64_t mesh_deadline(const struct mesh *mesh)
{
    return mesh->wake_ms;
}

bool mesh_has_interest(const struct mesh *mesh)
{
    return !interest_index_empty(mesh->index) &&
           (mesh->reachable || mesh->spf_pace.due_ms != UINT64_MAX);
}
