/* SPDX-License-Identifier: Apache-2.0 */
/* A broker on its own keeps its clients' interest from its mesh half; when the first link
 * comes it tells all of it, a piece a turn. MESH.md 3.5 */
#include "unit.h"

#include "mesh/state.h"
#include "mqtt/packet.h"
#include "node/node.h"

#include <stdio.h>

enum { PIECE = 50, MANY = 1000 };

struct rig {
    struct node *node;
    struct node_out out;
    uint64_t now_ms;
};

static struct rig rig_new(void)
{
    struct node_config config = { .mesh = { .inc = 1, .boot = 5, .interest_piece = PIECE } };

    return (struct rig){ .node = node_new(&config, 1000), .now_ms = 1000 };
}

static void rig_finish(struct rig *rig)
{
    node_out_finish(&rig->out);
    node_free(rig->node);
}

static void client_says(struct rig *rig, const struct mqtt_packet *packet)
{
    struct core_event event = {
        .kind = CORE_PACKET, .now_ms = rig->now_ms, .conn = 1, .packet = packet
    };

    node_on_client(rig->node, &event, &rig->out);
    node_out_clear(&rig->out);
}

static void client_comes(struct rig *rig)
{
    struct core_event open = { .kind = CORE_OPEN, .now_ms = rig->now_ms, .conn = 1 };
    struct mqtt_packet packet = {
        .kind = MQTT_CONNECT,
        .connect = { .version = MQTT_5, .clean_start = true, .client_id = STR("client") }
    };

    node_on_client(rig->node, &open, &rig->out);
    client_says(rig, &packet);
}

static void client_subscribes(struct rig *rig, unsigned from, unsigned to)
{
    struct mqtt_packet packet = { .kind = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 1 } };
    struct buf list = { 0 };
    char text[32];

    for (unsigned i = from; i < to; i++) {
        sprintf(text, "plant/%u", i);
        mqtt_subscribe_add(&list, MQTT_5, str_from_c(text), &(struct mqtt_sub_options){ .qos = 0 });
    }
    packet.subscribe.list = buf_str(&list);
    packet.subscribe.count = to - from;
    client_says(rig, &packet);
    buf_finish(&list);
}

static void link_comes(struct rig *rig)
{
    struct mesh_event event = { .kind = MESH_LINK_UP,
                                .now_ms = rig->now_ms,
                                .now_us = rig->now_ms * 1000,
                                .link = 1,
                                .seed = MESH_ACCEPTED };

    node_on_link(rig->node, &event, &rig->out);
    node_out_clear(&rig->out);
}

/* A turn of a millisecond. */
static void turn(struct rig *rig)
{
    rig->now_ms++;
    if (node_deadline(rig->node) <= rig->now_ms)
        node_tick(rig->node, rig->now_ms, rig->now_ms * 1000, &rig->out);
    node_flush(rig->node, rig->now_ms, rig->now_ms * 1000, &rig->out);
    node_out_clear(&rig->out);
}

static size_t wished(const struct rig *rig)
{
    return local_interest_count(node_mesh(rig->node)->local);
}

static size_t told(const struct rig *rig)
{
    return local_interest_told(node_mesh(rig->node)->local);
}

START_TEST(the_first_link_is_told_everything_a_piece_a_turn)
{
    struct rig rig = rig_new();
    size_t turns = 0;

    client_comes(&rig);
    client_subscribes(&rig, 0, MANY);
    for (int i = 0; i < 10; i++)
        turn(&rig);
    ck_assert_uint_eq(wished(&rig), 0); /* nobody could hear it */
    link_comes(&rig);
    for (size_t before = 0, before_told = 0; told(&rig) < MANY && turns < 1000; turns++) {
        ck_assert_uint_le(wished(&rig) - before, PIECE);
        ck_assert_uint_le(told(&rig) - before_told, PIECE);
        before = wished(&rig);
        before_told = told(&rig);
        turn(&rig);
    }
    ck_assert_uint_eq(told(&rig), MANY);
    ck_assert_uint_le(turns, 4 * MANY / PIECE);
    rig_finish(&rig);
}
END_TEST

START_TEST(what_changes_meanwhile_is_told_as_it_is)
{
    struct rig rig = rig_new();
    struct buf list = { 0 };

    client_comes(&rig);
    client_subscribes(&rig, 0, MANY);
    link_comes(&rig);
    for (int i = 0; i < 5; i++)
        turn(&rig);
    client_subscribes(&rig, MANY, MANY + 10);
    struct mqtt_packet packet = { .kind = MQTT_UNSUBSCRIBE, .unsubscribe = { .packet_id = 2 } };
    mqtt_unsubscribe_add(&list, STR("plant/1"));
    mqtt_unsubscribe_add(&list, STR("plant/990"));
    packet.unsubscribe.list = buf_str(&list);
    packet.unsubscribe.count = 2;
    client_says(&rig, &packet);
    for (int i = 0; i < 3000; i++) /* the linger passes */
        turn(&rig);
    ck_assert_uint_eq(told(&rig), MANY + 10 - 2);
    ck_assert_ptr_null(mesh_audit(node_mesh(rig.node)));
    buf_finish(&list);
    rig_finish(&rig);
}
END_TEST

START_TEST(few_filters_are_told_before_the_peer_asks)
{
    struct rig rig = rig_new();

    client_comes(&rig);
    client_subscribes(&rig, 0, PIECE - 1);
    link_comes(&rig);
    ck_assert_uint_eq(told(&rig), PIECE - 1);
    rig_finish(&rig);
}
END_TEST

UNIT_MAIN("node/telling", the_first_link_is_told_everything_a_piece_a_turn,
          what_changes_meanwhile_is_told_as_it_is, few_filters_are_told_before_the_peer_asks)
