/* SPDX-License-Identifier: Apache-2.0 */
#include "broker.h"

#include "base/err.h"
#include "base/hash.h"

#include <assert.h>
#include <string.h>

/* ---- what the store says ---- */

static void on_durable(void *context, uint64_t token)
{
    struct broker *broker = context;

    broker->token_said = token;
    broker_step(broker, (struct core_event){ .kind = CORE_DURABLE, .token = token });
}

static void on_loaded(void *context, const struct core_loaded *loaded)
{
    struct broker *broker = context;

    broker->loading--;
    broker_step(broker, (struct core_event){ .kind = CORE_LOADED, .loaded = loaded });
}

static void on_health(void *context, enum store_health health, const char *why)
{
    struct broker *broker = context;

    (void)why;
    broker->full = health == STORE_FULL;
    if (health == STORE_FAILED)
        broker->disk_failed = true;
    else
        broker_step(broker,
                    (struct core_event){ .kind = CORE_STORE, .store_full = health == STORE_FULL });
}

static int on_restore(void *context, const struct durable_op *op)
{
    struct broker *broker = context;

    return node_restore(broker->node, op, &broker->out);
}

/* ---- what a step wants ---- */

static void carry_store(struct broker *broker, struct core_out *out)
{
    if (out->stores.len) {
        broker->token_given = out->stores.at[out->stores.len - 1].token;
        store_submit(broker->store, out->stores.at, out->stores.len);
        vec_clear(&out->stores);
    }
    vec_each (&out->loads, load) {
        broker->loading++;
        store_load(broker->store, load->session, load->from, load->entries_max, load->bytes_max);
    }
}

static struct client *client_of(struct broker *broker, conn_id conn)
{
    for (size_t i = 0; i < broker->client_count; i++) {
        if (broker->clients[i].conn == conn)
            return &broker->clients[i];
    }
    return NULL;
}

/* Bytes go to a connection. */
static void send_bytes(struct broker *broker, conn_id conn, const uint8_t *bytes, size_t len)
{
    struct client *client = client_of(broker, conn);

    broker->hash = hash_fast(broker->hash ^ conn, bytes, len);
    if (broker->late && conn == broker->late)
        promise_seen(broker, bytes, len);
    else if (client)
        client_get(client, bytes, len);
}

static void send_message(struct broker *broker, const struct core_send *send)
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
    send_bytes(broker, send->conn, bytes.data, bytes.len);
    buf_finish(&bytes);
}

static void carry_send(struct broker *broker, const struct core_out *out,
                       const struct core_send *send)
{
    struct client *client = client_of(broker, send->conn);

    switch ((enum core_send_kind)send->kind) {
    case CORE_SEND_MESSAGE: send_message(broker, send); break;
    case CORE_SEND_BYTES:
        send_bytes(broker, send->conn, out->bytes.data + send->at, send->len);
        break;
    case CORE_SEND_PAUSE:
    case CORE_SEND_RESUME:
        if (client)
            client->paused = send->kind == CORE_SEND_PAUSE;
        break;
    case CORE_SEND_CLOSE:
        if (client && broker->leaving)
            client_cut(client);
        else if (client)
            ledger_wrong(broker->ledger, "%s is thrown out", client->author->name);
        break;
    }
}

static bool has_effects(const struct node_out *out)
{
    return out->core.sends.len || out->core.stores.len || out->core.loads.len ||
           out->mesh.actions.len || out->mesh.facts.len;
}

void broker_carry(struct broker *broker)
{
    if (broker->carrying)
        return; /* whoever does goes on with it */
    broker->carrying = true;
    do {
        struct node_out going = broker->out;
        broker->out = broker->going;
        broker->going = going;
        assert(!going.core.failed && !going.mesh.failed);
        carry_store(broker, &broker->going.core);
        vec_each (&broker->going.core.sends, send)
            carry_send(broker, &broker->going.core, send);
        if (broker->carry_mesh)
            broker->carry_mesh(broker->context, broker, &broker->going.mesh);
        node_out_clear(&broker->going);
    } while (has_effects(&broker->out));
    broker->carrying = false;
}

void broker_step(struct broker *broker, struct core_event event)
{
    event.now_ms = broker->now_ms;
    node_on_client(broker->node, &event, &broker->out);
    broker_carry(broker);
}

/* ---- begin and end ---- */

void broker_init(struct broker *broker, struct ledger *ledger, uint64_t seed)
{
    *broker = (struct broker){ .ledger = ledger };
    vdisk_init(&broker->vdisk, seed);
    broker->tables = tables_mem_new(true);
    assert(broker->tables);
}

void broker_finish(struct broker *broker)
{
    store_close(broker->store);
    tables_mem_free(broker->tables);
    vdisk_finish(&broker->vdisk);
    node_out_finish(&broker->out);
    node_out_finish(&broker->going);
    node_free(broker->node);
}

/* Open the store and take back what it holds. False: the power went meanwhile. */
static bool restore(struct broker *broker, const struct store_config *config)
{
    struct store_recovery found = { 0 };
    struct buf report = { 0 };
    int err = store_open(config, &broker->store, &report);

    if (!err)
        err = store_restore(broker->store, on_restore, broker, &found);
    bool dead = broker->vdisk.dead;
    if (!dead && (err || found.damaged))
        ledger_wrong(broker->ledger, "the store does not open, or is damaged: %s: %.*s",
                     err_text(err), STR_ARG(buf_str(&report)));
    buf_finish(&report);
    return !dead;
}

void broker_start(struct broker *broker, const struct mesh_config *mesh)
{
    struct node_config config = {
        .core = { .seed = 1, .queue_memory_bytes_max = 400, .inflight_max = 4 }, .mesh = *mesh
    };
    struct store_config store = { .dir = "store",
                                  .disk = &broker->vdisk.disk,
                                  .memory_tables = broker->tables,
                                  .journal_bytes_max = 1 << 20,
                                  .segment_bytes = 8192,
                                  .durable = on_durable,
                                  .loaded = on_loaded,
                                  .health = on_health,
                                  .context = broker };

    vdisk_fail(&broker->vdisk, 0, 0, 0, ERR_OK); /* somebody made room */
    broker->conns = broker->late = 0;
    broker->disk_failed = broker->full = broker->troubled = broker->leaving = false;
    broker->loading = 0;
    broker->token_given = broker->token_said = 0;
    broker->node = node_new(&config, broker->now_ms);
    assert(broker->node);
    while (!restore(broker, &store)) { /* it starts once more */
        broker_crash(broker);
        broker->node = node_new(&config, broker->now_ms);
        assert(broker->node);
    }
}

/* The process is gone. */
static void end(struct broker *broker)
{
    for (size_t i = 0; i < broker->client_count; i++)
        client_bereave(&broker->clients[i]);
    node_out_clear(&broker->out);
    node_free(broker->node);
    broker->node = NULL;
    broker->store = NULL;
}

void broker_crash(struct broker *broker)
{
    broker->crashes++;
    broker->vdisk.dead = true; /* what closing writes never gets there */
    store_close(broker->store);
    vdisk_crash(&broker->vdisk);
    end(broker);
}

void broker_stop(struct broker *broker)
{
    store_close(broker->store);
    end(broker);
}

/* ---- the store at work ---- */

void broker_store(struct broker *broker, struct rand *rand)
{
    switch (rand_below(rand, 4)) {
    case 0: store_flush(broker->store, broker->now_ms); break;
    case 1: store_poll(broker->store, broker->now_ms); break;
    default: store_work(broker->store); break;
    }
}

bool broker_is_firm(const struct broker *broker)
{
    return store_stats(broker->store).pending_ops == 0;
}

bool broker_is_still(const struct broker *broker)
{
    return broker_is_firm(broker) && broker->loading == 0 &&
           broker->token_said >= broker->token_given;
}

bool broker_is_idle(struct broker *broker)
{
    bool worked = false;

    store_flush(broker->store, broker->now_ms);
    while (store_work(broker->store))
        worked = true;
    store_poll(broker->store, broker->now_ms);
    return !worked && broker_is_still(broker);
}

void broker_trouble(struct broker *broker, struct rand *rand)
{
    uint64_t after = rand_below(rand, 20), times = 1 + rand_below(rand, 5);

    broker->troubled = true;
    broker->vdisk.short_writes = rand_below(rand, 2) == 0;
    if (rand_below(rand, 3) == 0)
        vdisk_fail(&broker->vdisk, VDISK_SYNC, after, 1, ERR_IO);
    else
        vdisk_fail(&broker->vdisk, VDISK_CREATE | VDISK_ALLOCATE | VDISK_WRITE, after, times,
                   ERR_LIMIT);
}
