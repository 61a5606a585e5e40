/* SPDX-License-Identifier: Apache-2.0 */
/* A mesh of two, for tests of what carries it: every bundle is one topic and payload, sent
 * on every link that is up. Seeds are dialled again 100 ms after they failed. */
#include "mesh/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS_MAX = 8, SEEDS_MAX = 4, AGAIN_MS = 100 };

struct mesh {
    bool up[LINKS_MAX];
    uint64_t dial_ms[SEEDS_MAX];
    bool busy[SEEDS_MAX];
    uint32_t seed_of[LINKS_MAX];
    size_t seed_count;
    struct mesh_stats stats;
    char reason[256]; /* why the last link went down */
};

void mesh_out_clear(struct mesh_out *out)
{
    vec_each (&out->actions, action)
        message_unref(action->message);
    vec_clear(&out->actions);
    vec_clear(&out->facts);
    buf_clear(&out->bytes);
}

void mesh_out_finish(struct mesh_out *out)
{
    mesh_out_clear(out);
    vec_finish(&out->actions);
    vec_finish(&out->facts);
    buf_finish(&out->bytes);
}

const char *mesh_fact_name(enum mesh_fact_kind kind)
{
    return kind == MESH_FACT_LINK_FULL ? "link.full" : "link.down";
}

struct mesh *mesh_new(const struct mesh_config *config, uint64_t now_ms)
{
    struct mesh *mesh = calloc(1, sizeof *mesh);

    if (mesh)
        mesh->seed_count = config->seed_count < SEEDS_MAX ? config->seed_count : SEEDS_MAX;
    for (size_t i = 0; mesh && i < mesh->seed_count; i++)
        mesh->dial_ms[i] = now_ms;
    return mesh;
}

void mesh_free(struct mesh *mesh)
{
    free(mesh);
}

static void keep_reason(struct mesh *mesh, struct str text)
{
    snprintf(mesh->reason, sizeof mesh->reason, "%.*s", STR_ARG(text));
}

static void add_fact(struct mesh_out *out, enum mesh_fact_kind kind, struct str text)
{
    struct mesh_fact *fact = vec_push(&out->facts);

    *fact = (struct mesh_fact){ .kind = kind, .text_at = out->bytes.len, .text_len = text.len };
    buf_append_str(&out->bytes, text);
}

static void publish(struct mesh *mesh, const struct message *message, struct mesh_out *out)
{
    struct str topic = message_topic(message), payload = message_payload(message);

    for (link_id link = 1; link < LINKS_MAX; link++) {
        if (!mesh->up[link])
            continue;
        struct mesh_action *action = vec_push(&out->actions);
        *action = (struct mesh_action){
            .kind = MESH_SEND, .channel = MESH_DATA, .link = link, .at = out->bytes.len
        };
        buf_append_u8(&out->bytes, (uint8_t)topic.len);
        buf_append_str(&out->bytes, topic);
        buf_append_str(&out->bytes, payload);
        action->len = out->bytes.len - action->at;
        mesh->stats.frames_out++;
    }
}

static void deliver(struct str bundle, struct mesh_out *out)
{
    size_t topic = (uint8_t)bundle.ptr[0];
    struct mesh_action *action = vec_push(&out->actions);

    *action = (struct mesh_action){
        .kind = MESH_DELIVER,
        .message = message_new(str_slice(bundle, 1, 1 + topic), (struct str){ 0 },
                               str_slice(bundle, 1 + topic, bundle.len)),
    };
    action->message->remote = 1;
}

static void tick(struct mesh *mesh, uint64_t now_ms, struct mesh_out *out)
{
    for (size_t i = 0; i < mesh->seed_count; i++) {
        if (mesh->busy[i] || mesh->dial_ms[i] > now_ms)
            continue;
        mesh->busy[i] = true;
        struct mesh_action *action = vec_push(&out->actions);
        *action = (struct mesh_action){ .kind = MESH_DIAL, .seed = (uint32_t)i };
    }
}

static void seed_free(struct mesh *mesh, uint32_t seed, uint64_t now_ms)
{
    if (seed == MESH_ACCEPTED)
        return;
    mesh->busy[seed] = false;
    mesh->dial_ms[seed] = now_ms + AGAIN_MS;
}

void mesh_step(struct mesh *mesh, const struct mesh_event *event, struct mesh_out *out)
{
    switch (event->kind) {
    case MESH_LINK_UP:
        mesh->up[event->link] = true;
        mesh->seed_of[event->link] = event->seed;
        add_fact(out, MESH_FACT_LINK_FULL, STR(""));
        break;
    case MESH_LINK_DOWN:
        mesh->up[event->link] = false;
        seed_free(mesh, mesh->seed_of[event->link], event->now_ms);
        keep_reason(mesh, event->text);
        add_fact(out, MESH_FACT_LINK_DOWN, event->text);
        break;
    case MESH_DIAL_FAILED:
        seed_free(mesh, event->seed, event->now_ms);
        keep_reason(mesh, event->text);
        add_fact(out, MESH_FACT_LINK_DOWN, event->text);
        break;
    case MESH_LINK_RX: deliver(event->bytes, out); break;
    case MESH_LINK_WRITABLE: mesh->stats.queue_bytes += event->room; break;
    case MESH_PUBLISH: publish(mesh, event->message, out); break;
    case MESH_SHUTDOWN:
        for (link_id link = 1; link < LINKS_MAX; link++) {
            if (!mesh->up[link])
                continue;
            struct mesh_action *action = vec_push(&out->actions);
            *action = (struct mesh_action){ .kind = MESH_CLOSE, .link = link };
        }
        mesh->seed_count = 0;
        break;
    case MESH_TICK: tick(mesh, event->now_ms, out); break;
    case MESH_INTEREST:
    case MESH_FLUSH: break;
    }
}

uint64_t mesh_deadline(const struct mesh *mesh)
{
    uint64_t due = UINT64_MAX;

    for (size_t i = 0; i < mesh->seed_count; i++) {
        if (!mesh->busy[i] && mesh->dial_ms[i] < due)
            due = mesh->dial_ms[i];
    }
    return due;
}

bool mesh_has_interest(const struct mesh *mesh)
{
    return mesh != NULL;
}

bool mesh_next_link(const struct mesh *mesh, size_t *cursor, struct mesh_link_view *ret_link)
{
    if ((*cursor)++ > 0)
        return false;
    *ret_link = (struct mesh_link_view){ .reason = str_from_c(mesh->reason) };
    return true;
}
