/* SPDX-License-Identifier: Apache-2.0 */
/* What a node adds to its halves, told by two nodes with a link between them. */
#include "unit.h"

#include "base/err.h"
#include "node/node.h"

#include <string.h>

enum { CLIENT = 1, LINK = 1, STEP_MS = 10, SETTLE_STEPS = 100 };

struct side {
    struct node *node;
    struct node_out out;
    uint64_t token;    /* of the last durable operation */
    unsigned messages; /* that clients got */
};

struct pair {
    struct side side[2];
    uint64_t now_ms;
};

static struct node *make(uint8_t id, uint64_t now_ms)
{
    static const struct str seed = { "ws://peer.example/mesh", 22 };
    struct node_config config = { .core.seed = 1,
                                  .mesh = { .id.bytes = { id },
                                            .inc = 1,
                                            .boot = id,
                                            .random_seed = id,
                                            .name = STR("x"),
                                            .mesh_name = STR("test"),
                                            .seeds = &seed,
                                            .seed_count = 1 } };

    mesh_config_defaults(&config.mesh);
    return node_new(&config, now_ms);
}

static void link_event(struct pair *pair, unsigned side, struct mesh_event event)
{
    event.now_ms = pair->now_ms;
    event.now_us = pair->now_ms * 1000;
    event.link = LINK;
    node_on_link(pair->side[side].node, &event, &pair->side[side].out);
}

/* Carry out what one side wants; true if that was anything for the other. */
static bool carry(struct pair *pair, unsigned from)
{
    struct side *side = &pair->side[from];
    struct node_out out = side->out;
    bool sent = false;

    side->out = (struct node_out){ 0 };
    vec_each (&out.core.sends, send)
        side->messages += send->kind == CORE_SEND_MESSAGE;
    vec_each (&out.core.stores, op) {
        side->token = op->token;
        durable_op_finish(op);
    }
    vec_clear(&out.core.stores);
    vec_each (&out.mesh.actions, action) {
        struct mesh_event rx = { .kind = MESH_LINK_RX };
        if (action->kind != MESH_SEND)
            continue;
        rx.bytes = (struct str){ (const char *)out.mesh.bytes.data + action->at, action->len };
        link_event(pair, from ^ 1, rx);
        sent = true;
    }
    node_out_finish(&out);
    return sent;
}

/* Let a little time pass, and all arrive. */
static void run(struct pair *pair)
{
    bool busy = true;

    pair->now_ms += STEP_MS;
    for (unsigned i = 0; i < 2; i++)
        node_tick(pair->side[i].node, pair->now_ms, pair->now_ms * 1000, &pair->side[i].out);
    while (busy) {
        busy = false;
        for (unsigned i = 0; i < 2; i++) {
            node_flush(pair->side[i].node, pair->now_ms, pair->now_ms * 1000, &pair->side[i].out);
            busy |= carry(pair, i);
        }
    }
}

static void step(struct pair *pair, unsigned side, struct core_event event)
{
    event.now_ms = pair->now_ms;
    event.conn = CLIENT;
    node_on_client(pair->side[side].node, &event, &pair->side[side].out);
    carry(pair, side);
}

static void packet(struct pair *pair, unsigned side, const struct mqtt_packet *packet)
{
    step(pair, side, (struct core_event){ .kind = CORE_PACKET, .packet = packet });
}

/* All that the side asked of its store is durable. */
static void durable(struct pair *pair, unsigned side)
{
    step(pair, side, (struct core_event){ .kind = CORE_DURABLE, .token = pair->side[side].token });
}

static void connect(struct pair *pair, unsigned side, bool kept)
{
    struct mqtt_packet connect = {
        .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_5, .clean_start = true, .client_id = STR("c") }
    };

    if (kept) {
        connect.connect.props.session_expiry_interval = 1000;
        props_mark(&connect.connect.props, PROP_SESSION_EXPIRY_INTERVAL);
    }
    step(pair, side, (struct core_event){ .kind = CORE_OPEN });
    packet(pair, side, &connect);
    durable(pair, side);
}

static void publish(struct pair *pair, uint8_t qos, uint16_t id)
{
    packet(
        pair, 0,
        &(struct mqtt_packet){
            .kind = MQTT_PUBLISH,
            .publish = { .qos = qos, .packet_id = id, .topic = STR("t"), .payload = STR("x") } });
}

/* The first one's client publishes, in a session that is kept or not; the second one's has
 * subscribed to t. */
static struct pair *pair_new(bool kept)
{
    struct pair *pair = calloc(1, sizeof *pair);
    static const char list[] = "\x00\x01t\x02";

    ck_assert_ptr_nonnull(pair);
    pair->now_ms = 1000000;
    for (unsigned i = 0; i < 2; i++) {
        pair->side[i].node = make((uint8_t)(i + 1), pair->now_ms);
        ck_assert_ptr_nonnull(pair->side[i].node);
    }
    for (unsigned i = 0; i < 2; i++) {
        link_event(pair, i,
                   (struct mesh_event){ .kind = MESH_LINK_UP, .seed = i ? MESH_ACCEPTED : 0 });
        link_event(pair, i,
                   (struct mesh_event){ .kind = MESH_LINK_WRITABLE, .room = MESH_LINK_ROOM });
    }
    connect(pair, 0, kept);
    connect(pair, 1, false);
    packet(pair, 1,
           &(struct mqtt_packet){
               .kind = MQTT_SUBSCRIBE,
               .subscribe = { .packet_id = 1, .list = { list, sizeof list - 1 } } });
    for (int i = 0; i < SETTLE_STEPS; i++)
        run(pair);
    ck_assert(mesh_has_interest(node_mesh(pair->side[0].node)));
    return pair;
}

static void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        node_free(pair->side[i].node);
        node_out_finish(&pair->side[i].out);
    }
    free(pair);
}

START_TEST(a_message_of_qos_2_reaches_others_once_its_identifier_is_durable)
{
    struct pair *pair = pair_new(true);

    publish(pair, 2, 1);
    publish(pair, 2, 2);
    run(pair);
    ck_assert_uint_eq(pair->side[1].messages, 0);
    publish(pair, 1, 3); /* may come twice: waits for nothing */
    run(pair);
    ck_assert_uint_eq(pair->side[1].messages, 1);
    durable(pair, 0);
    run(pair);
    ck_assert_uint_eq(pair->side[1].messages, 3);
    pair_free(pair);
}
END_TEST

START_TEST(a_message_of_qos_2_that_needs_no_disk_goes_on_at_once)
{
    struct pair *pair = pair_new(false);

    publish(pair, 2, 1);
    run(pair);
    ck_assert_uint_eq(pair->side[1].messages, 1);
    pair_free(pair);
}
END_TEST

START_TEST(what_waits_for_the_disk_goes_on_before_goodbye)
{
    struct pair *pair = pair_new(true);

    publish(pair, 2, 1);
    node_shutdown(pair->side[0].node, pair->now_ms, pair->now_ms * 1000, &pair->side[0].out);
    run(pair);
    ck_assert_uint_eq(pair->side[1].messages, 1);
    pair_free(pair);
}
END_TEST

START_TEST(a_broker_that_finds_nobody_to_join_has_no_deadline_in_the_past)
{
    struct node *node = make(1, 1000);
    struct node_out out = { 0 };
    uint64_t now_ms = 1000;

    ck_assert_ptr_nonnull(node);
    ck_assert(!node_joined(node, now_ms));
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_gt(node_deadline(node), now_ms - (i == 0));
        now_ms = node_deadline(node);
        node_tick(node, now_ms, now_ms * 1000, &out);
        node_out_clear(&out);
    }
    ck_assert(node_joined(node, now_ms));
    node_out_finish(&out);
    node_free(node);
}
END_TEST

UNIT_MAIN("node/node", a_message_of_qos_2_reaches_others_once_its_identifier_is_durable,
          a_message_of_qos_2_that_needs_no_disk_goes_on_at_once,
          what_waits_for_the_disk_goes_on_before_goodbye,
          a_broker_that_finds_nobody_to_join_has_no_deadline_in_the_past)
