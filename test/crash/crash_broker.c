/* SPDX-License-Identifier: Apache-2.0 */
#include "crash.h"

#include "base/err.h"

#include <assert.h>
#include <string.h>

static void on_durable(void *context, uint64_t token)
{
    struct crash *crash = context;

    broker_step(crash, (struct core_event){ .kind = CORE_DURABLE, .token = token });
}

static void on_loaded(void *context, const struct core_loaded *loaded)
{
    struct crash *crash = context;

    broker_step(crash, (struct core_event){ .kind = CORE_LOADED, .loaded = loaded });
}

static void on_health(void *context, enum store_health health, const char *why)
{
    struct crash *crash = context;

    (void)why;
    crash->full = health == STORE_FULL;
    if (health == STORE_FAILED)
        crash->disk_failed = true;
    else
        broker_step(crash, (struct core_event){ .kind = CORE_STORE,
                                                .store_full = health == STORE_FULL });
}

static int on_restore(void *context, const struct durable_op *op)
{
    struct crash *crash = context;

    return node_restore(crash->node, op, &crash->out);
}

/* What the step asked of the store. */
static void carry_store(struct crash *crash)
{
    struct core_out *out = &crash->out.core;

    if (out->stores.len) {
        store_submit(crash->store, out->stores.at, out->stores.len);
        vec_clear(&out->stores);
    }
    vec_each (&out->loads, load)
        store_load(crash->store, load->session, load->from, load->entries_max, load->bytes_max);
}

static void carry_message(struct crash *crash, const struct core_send *send)
{
    struct delivery delivery = { .version = MQTT_5,
                                 .qos = send->qos,
                                 .retain = send->retain,
                                 .dup = send->dup,
                                 .packet_id = send->packet_id };
    struct buf bytes = { 0 };
    size_t head = message_head(send->message, &delivery, NULL);

    message_head(send->message, &delivery, buf_reserve(&bytes, head));
    buf_advance(&bytes, head);
    buf_append_str(&bytes, message_payload(send->message));
    client_get(crash, send->conn, bytes.data, bytes.len);
    buf_finish(&bytes);
}

static struct client *client_of(struct crash *crash, conn_id conn)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        if (crash->clients[i].conn == conn)
            return &crash->clients[i];
    }
    return NULL;
}

static void carry_sends(struct crash *crash)
{
    struct core_out *out = &crash->out.core;

    for (size_t i = 0; i < out->sends.len; i++) {
        const struct core_send *send = &out->sends.at[i];
        struct client *client = client_of(crash, send->conn);
        switch ((enum core_send_kind)send->kind) {
        case CORE_SEND_MESSAGE: carry_message(crash, send); break;
        case CORE_SEND_BYTES:
            client_get(crash, send->conn, out->bytes.data + send->at, send->len);
            break;
        case CORE_SEND_PAUSE:
        case CORE_SEND_RESUME:
            if (client)
                client->paused = send->kind == CORE_SEND_PAUSE;
            break;
        case CORE_SEND_CLOSE:
            if (client)
                crash_wrong(crash, "%s is thrown out", client->name);
            break;
        }
    }
}

void broker_step(struct crash *crash, struct core_event event)
{
    event.now_ms = crash->now_ms;
    node_on_client(crash->node, &event, &crash->out);
    carry_store(crash);
    carry_sends(crash);
    node_out_clear(&crash->out);
}

void broker_start(struct crash *crash)
{
    struct node_config config = { .core = { .seed = 1,
                                            .queue_memory_bytes_max = 400,
                                            .inflight_max = 4 } };
    struct store_config store = { .dir = "store",
                                  .disk = &crash->vdisk.disk,
                                  .memory_tables = crash->tables,
                                  .journal_bytes_max = 1 << 20,
                                  .segment_bytes = 8192,
                                  .durable = on_durable,
                                  .loaded = on_loaded,
                                  .health = on_health,
                                  .context = crash };
    struct store_recovery found;
    struct buf report = { 0 };

    vdisk_fail(&crash->vdisk, 0, 0, 0, ERR_OK); /* somebody made room */
    config.mesh.id.bytes[0] = 1;
    config.mesh.inc = config.mesh.boot = 1;
    crash->node = node_new(&config, crash->now_ms);
    int err = store_open(&store, &crash->store, &report);
    if (err)
        crash_wrong(crash, "the store does not open: %s: %.*s", err_text(err),
                    STR_ARG(buf_str(&report)));
    if (err)
        return;
    err = store_restore(crash->store, on_restore, crash, &found);
    if (err || found.damaged)
        crash_wrong(crash, "the store is damaged: %s: %.*s", err_text(err),
                    STR_ARG(buf_str(&report)));
    buf_finish(&report);
    carry_store(crash);
    node_out_clear(&crash->out);
    crash->disk_failed = crash->full = false;
}

void broker_crash(struct crash *crash)
{
    crash->crashes++;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *client = &crash->clients[i];
        if (client->up && !client->mourned)
            client->mourned = client->lives;
        client->conn = 0;
        client->up = client->paused = false;
        client_lose_lines(client);
    }
    crash->vdisk.dead = true; /* what closing writes never gets there */
    store_close(crash->store);
    vdisk_crash(&crash->vdisk);
    node_free(crash->node);
    crash->node = NULL;
    crash->store = NULL;
}

void broker_store(struct crash *crash)
{
    switch (rand_below(&crash->rand, 4)) {
    case 0: store_flush(crash->store, crash->now_ms); break;
    case 1: store_poll(crash->store, crash->now_ms); break;
    default: store_work(crash->store); break;
    }
}

bool broker_is_idle(struct crash *crash)
{
    bool worked = false;

    store_flush(crash->store, crash->now_ms);
    while (store_work(crash->store))
        worked = true;
    store_poll(crash->store, crash->now_ms);
    return !worked && store_stats(crash->store).pending_ops == 0;
}
