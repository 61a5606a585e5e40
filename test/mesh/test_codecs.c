/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over a link, in both directions, and cut at every byte. */
#include "unit.h"

#include "base/err.h"
#include "base/rand.h"
#include "mesh/frag.h"
#include "mesh/frame.h"
#include "mesh/hello.h"
#include "mesh/interest_codec.h"
#include "mesh/state.h"
#include "mesh/tlsa.h"
#include "mesh/tlv.h"

#include <string.h>

static struct node_id id_of(uint8_t byte)
{
    struct node_id id;

    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static void put_record(struct buf *out, size_t edges)
{
    struct buf list = { 0 };
    struct tlsa tlsa = { .id = id_of(9),
                         .inc = 3,
                         .boot = 77,
                         .tseq = 5,
                         .salt = 1,
                         .flags = TLSA_STUB_ONLY,
                         .version_max = 1,
                         .caps = 0x55,
                         .name = STR("press-7"),
                         .edge_count = edges };

    for (size_t i = 0; i < edges; i++) {
        struct node_id id = id_of((uint8_t)(i + 1));
        tlsa_put_edge(&list, &id, (uint16_t)(10 + i));
    }
    tlsa.edges = buf_str(&list);
    tlsa_encode(out, &tlsa);
    buf_finish(&list);
}

START_TEST(a_topology_record_reads_back_as_written)
{
    struct buf bytes = { 0 };
    struct tlsa tlsa;
    struct lsdb_edge edge;

    put_record(&bytes, 3);
    ck_assert_int_eq(tlsa_decode(buf_str(&bytes), &tlsa), ERR_OK);
    ck_assert_uint_eq(tlsa.inc, 3);
    ck_assert_uint_eq(tlsa.boot, 77);
    ck_assert_uint_eq(tlsa.tseq, 5);
    ck_assert_uint_eq(tlsa.flags, TLSA_STUB_ONLY);
    ck_assert(str_equal(tlsa.name, STR("press-7")));
    ck_assert_uint_eq(tlsa.edge_count, 3);
    struct str rest = tlsa.edges;
    for (uint8_t i = 0; i < 3; i++) {
        ck_assert(tlsa_next_edge(&rest, &edge));
        ck_assert_uint_eq(edge.cost, 10u + i);
        ck_assert_uint_eq(edge.id.bytes[5], i + 1u);
    }
    ck_assert(!tlsa_next_edge(&rest, &edge));
    for (size_t len = 0; len < bytes.len; len++)
        ck_assert_int_eq(tlsa_decode((struct str){ (char *)bytes.data, len }, &tlsa),
                         ERR_MALFORMED);
    buf_finish(&bytes);
}
END_TEST

START_TEST(an_unknown_extension_of_a_record_is_kept_and_a_needed_one_refused)
{
    struct buf bytes = { 0 };
    struct tlsa tlsa;

    put_record(&bytes, 1);
    tlv_put(&bytes, 0x42, STR("later"));
    ck_assert_int_eq(tlsa_decode(buf_str(&bytes), &tlsa), ERR_OK);
    tlv_put(&bytes, 0x42 | TLV_MUST_UNDERSTAND, STR("much later"));
    ck_assert_int_eq(tlsa_decode(buf_str(&bytes), &tlsa), ERR_MALFORMED);
    buf_finish(&bytes);
}
END_TEST

START_TEST(neighbours_must_be_in_order_and_cost_something)
{
    struct node_id low = id_of(1), high = id_of(2);

    for (int i = 0; i < 3; i++) {
        struct buf list = { 0 }, bytes = { 0 };
        struct tlsa tlsa = { .tseq = 1, .edge_count = 2 };
        tlsa_put_edge(&list, i == 0 ? &high : &low, 10);
        tlsa_put_edge(&list, i == 2 ? &high : &low, i == 2 ? 0 : 10);
        tlsa.edges = buf_str(&list);
        tlsa_encode(&bytes, &tlsa);
        ck_assert_int_eq(tlsa_decode(buf_str(&bytes), &tlsa), ERR_MALFORMED);
        buf_finish(&list);
        buf_finish(&bytes);
    }
}
END_TEST

START_TEST(a_hello_reads_back_as_written)
{
    struct buf bytes = { 0 };
    struct hello in = { .version_min = 1,
                        .version_max = 2,
                        .id = id_of(4),
                        .inc = 8,
                        .boot = 9,
                        .sid = 10,
                        .mesh_hash = hello_mesh_hash(STR("m")),
                        .caps = 11,
                        .name = STR("n"),
                        .nonce = 12,
                        .bundle_max = 65536,
                        .mesh_name = STR("m") };
    struct hello out;

    hello_encode(&bytes, &in);
    ck_assert_int_eq(hello_decode(buf_str(&bytes), &out), ERR_OK);
    ck_assert_mem_eq(&in.id, &out.id, sizeof in.id);
    ck_assert_uint_eq(out.version_max, 2);
    ck_assert_uint_eq(out.boot, 9);
    ck_assert_uint_eq(out.nonce, 12);
    ck_assert_uint_eq(out.mesh_hash, in.mesh_hash);
    ck_assert(str_equal(out.name, STR("n")));
    ck_assert(str_equal(out.mesh_name, STR("m")));
    for (size_t len = 0; len < bytes.len; len++) {
        int err = hello_decode((struct str){ (char *)bytes.data, len }, &out);
        ck_assert(err == ERR_MALFORMED || (err == ERR_OK && out.mesh_name.len == 0));
    }
    buf_finish(&bytes);
}
END_TEST

START_TEST(a_change_of_interest_reads_back_as_written)
{
    struct buf bytes = { 0 }, text = { 0 };
    struct interest first = { STR("plant/1/temp"), 1, false };
    struct interest second = { STR("plant/1/pressure"), 2, true }, got;
    struct interest_head in = { .id = id_of(4),
                                .inc = 5,
                                .prev = 6,
                                .iver = 7,
                                .hash = 8,
                                .adds = 2,
                                .removals = 1 },
                         out;
    struct str removed;

    idelta_put_head(&bytes, &in);
    interest_put(&bytes, STR(""), &first);
    size_t before = bytes.len;
    interest_put(&bytes, first.filter, &second);
    ck_assert_uint_eq(bytes.len - before, 2 + strlen("pressure") + 1); /* front-coded */
    interest_put_removal(&bytes, STR(""), STR("a/#"));
    ck_assert_int_eq(idelta_decode(buf_str(&bytes), &text, &out), ERR_OK);
    ck_assert_uint_eq(out.prev, 6);
    ck_assert_uint_eq(out.iver, 7);
    ck_assert(interest_get(&out.entries, &text, &got));
    ck_assert(str_equal(got.filter, first.filter) && got.qos == 1 && !got.persistent);
    ck_assert(interest_get(&out.entries, &text, &got));
    ck_assert(str_equal(got.filter, second.filter) && got.qos == 2 && got.persistent);
    buf_clear(&text);
    ck_assert(interest_get_removal(&out.entries, &text, &removed));
    ck_assert(str_equal(removed, STR("a/#")));
    for (size_t len = 0; len < bytes.len; len++)
        ck_assert_int_eq(idelta_decode((struct str){ (char *)bytes.data, len }, &text, &out),
                         ERR_MALFORMED);
    buf_finish(&bytes);
    buf_finish(&text);
}
END_TEST

START_TEST(a_snapshot_with_an_invalid_filter_is_refused)
{
    const char *const filters[] = { "a/#/b", "a+", "", "a/\xc3", "\xed\xa0\x80" };

    for (size_t i = 0; i < 5; i++) {
        struct buf bytes = { 0 }, text = { 0 };
        struct interest_head head = { .chunks = 1, .adds = 1 };
        struct interest interest = { str_from_c(filters[i]), 0, false };
        isnap_put_head(&bytes, &head);
        interest_put(&bytes, STR(""), &interest);
        ck_assert_int_eq(isnap_decode(buf_str(&bytes), &text, &head), ERR_MALFORMED);
        buf_finish(&bytes);
        buf_finish(&text);
    }
}
END_TEST

START_TEST(destinations_that_are_named_twice_are_refused)
{
    static struct lsdb_node nodes[3];
    struct hop hops[4];
    struct frame frame = { .type = FRAME_DATA, .ttl = 1, .origin = 1 };
    struct frame_dests dests;
    uint8_t bytes[200], *end;

    for (uint32_t i = 0; i < 3; i++) {
        nodes[i].id = id_of((uint8_t)i);
        nodes[i].sid = 9 - i;
        nodes[i].sid_lost = true;
        hops[i] = (struct hop){ 1, nodes[i].sid, &nodes[i] };
    }
    hops[3] = hops[2];
    end = frame_put_head(bytes, &frame, hops, 3);
    struct str body = { (char *)bytes + 1, (size_t)(end - bytes - 1) };
    ck_assert_int_eq(frame_decode(FRAME_DATA, body, &frame, &dests), ERR_OK);
    end = frame_put_head(bytes, &frame, hops, 4);
    body.len = (size_t)(end - bytes - 1);
    ck_assert_int_eq(frame_decode(FRAME_DATA, body, &frame, &dests), ERR_MALFORMED);
    frame_order_hops(hops, 2);
    ck_assert_ptr_eq(hops[0].node, &nodes[0]);
    nodes[0].sid_lost = nodes[1].sid_lost = false;
    frame_order_hops(hops, 2);
    ck_assert_ptr_eq(hops[0].node, &nodes[1]);
}
END_TEST

/* A frame to these sids, its body as it comes out of a bundle. */
static struct str put_frame(struct buf *out, const struct hop *hops, size_t count,
                            const struct frame_tail *tail)
{
    struct frame frame = {
        .type = FRAME_DATA, .flags = 1 << FRAME_QOS_SHIFT, .ttl = 32, .flow = 77, .origin = 0xabcdef
    };
    size_t len = frame_head_len(&frame, hops, count) + tail->len;
    uint8_t *at = buf_reserve(out, len);

    at = frame_put_head(at, &frame, hops, count);
    at = frame_put_tail(at, tail);
    ck_assert_uint_eq((size_t)(at - out->data), len);
    buf_advance(out, len);
    return (struct str){ (char *)out->data + 1, len - 1 };
}

START_TEST(destinations_read_back_as_one_as_a_list_and_as_ids)
{
    static struct lsdb_node nodes[20];
    struct hop hops[20];
    struct frame_tail tail = { .pieces = { STR("tail") }, .len = 4 };

    for (uint32_t i = 0; i < 20; i++) {
        nodes[i].id = id_of((uint8_t)i);
        nodes[i].sid = 1 + i * i * 1000003u;
        hops[i] = (struct hop){ 1, nodes[i].sid, &nodes[i] };
    }
    for (size_t count = 1; count <= 20; count++) {
        for (int lost = 0; lost < 2; lost++) {
            struct buf bytes = { 0 };
            struct frame frame;
            struct frame_dests dests;
            struct frame_dest dest;
            nodes[0].sid_lost = lost;
            struct str body = put_frame(&bytes, hops, count, &tail);
            ck_assert_int_eq(frame_decode(FRAME_DATA, body, &frame, &dests), ERR_OK);
            ck_assert_uint_eq(frame.origin, 0xabcdef);
            ck_assert_uint_eq(frame.flow, 77);
            ck_assert(str_equal(frame.tail, STR("tail")));
            for (size_t i = 0; i < count; i++) {
                ck_assert(frame_next_dest(&dests, &dest));
                if (lost)
                    ck_assert_mem_eq(dest.id, nodes[i].id.bytes, NODE_ID_LEN);
                else
                    ck_assert(!dest.id && dest.sid == nodes[i].sid);
            }
            ck_assert(!frame_next_dest(&dests, &dest));
            for (size_t len = 0; len < body.len - 4; len++)
                ck_assert_int_eq(frame_decode(FRAME_DATA, str_slice(body, 0, len), &frame, &dests),
                                 ERR_MALFORMED);
            buf_finish(&bytes);
        }
    }
    nodes[0].sid_lost = false;
}
END_TEST

START_TEST(a_message_survives_its_frame_and_no_cut_of_it_is_read_beyond)
{
    struct lsdb_node node = { .sid = 5 };
    struct hop hop = { 1, 5, &node };
    struct message *message = message_new(STR("a/b"), STR("\x03\x00\x01t"), STR("payload")), *got;

    for (int expires = 0; expires < 2; expires++) {
        struct frame_tail tail;
        struct frame frame;
        struct frame_dests dests;
        struct buf bytes = { 0 };
        message->expires_ms = expires ? 5000 : MESSAGE_NEVER;
        frame_tail_of(message, 1000, &tail);
        struct str body = put_frame(&bytes, &hop, 1, &tail);
        ck_assert_int_eq(frame_decode(FRAME_DATA, body, &frame, &dests), ERR_OK);
        ck_assert_int_eq(frame_message(frame.flags, frame.tail, 50000, &got), ERR_OK);
        ck_assert(str_equal(message_topic(got), STR("a/b")));
        ck_assert(str_equal(message_props(got), STR("\x03\x00\x01t")));
        ck_assert(str_equal(message_payload(got), STR("payload")));
        ck_assert_uint_eq(got->qos, 1);
        ck_assert_uint_eq(got->expires_ms, expires ? 54000 : MESSAGE_NEVER);
        message_unref(got);
        for (size_t len = 0; len < frame.tail.len; len++) {
            /* In a block of its own, so that a read beyond is seen. */
            char *cut = malloc(len + 1);
            memcpy(cut, frame.tail.ptr, len);
            if (frame_message(0, (struct str){ cut, len }, 0, &got) == ERR_OK)
                message_unref(got);
            free(cut);
        }
        buf_finish(&bytes);
    }
    message_unref(message);
}
END_TEST

START_TEST(pieces_in_any_order_become_the_whole)
{
    struct frag_table table;
    struct frag_message *whole = NULL;
    static uint8_t data[100000];
    const uint64_t count = 7, total = sizeof data;
    const uint64_t order[] = { 3, 0, 6, 1, 5, 3, 2, 4 };

    frag_init(&table);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct buf tail = { 0 };
        uint8_t head[FRAG_HEAD_MAX];
        size_t len = frag_len(total, count), from = order[i] * len;
        struct frag frag;
        ck_assert_ptr_null(whole);
        buf_append(&tail, head, frag_put_head(head, 5, order[i], count, total));
        buf_append(&tail, data + from, total - from < len ? total - from : len);
        ck_assert_int_eq(frag_decode(buf_str(&tail), &frag), ERR_OK);
        ck_assert_int_eq(frag_decode(str_slice(buf_str(&tail), 0, tail.len - 1), &frag),
                         ERR_MALFORMED);
        frag_decode(buf_str(&tail), &frag);
        frag.origin = 3;
        ck_assert_int_eq(frag_add(&table, &frag, 100, &whole), ERR_OK);
        buf_finish(&tail);
    }
    ck_assert_ptr_nonnull(whole);
    ck_assert_mem_eq(whole->data, data, sizeof data);
    frag_release(&table, whole);
    ck_assert_uint_eq(table.bytes, 0);
    frag_finish(&table);
}
END_TEST

START_TEST(pieces_are_bounded_in_number_bytes_and_time)
{
    struct frag_table table;
    struct frag_message *whole;
    struct frag frag = { .origin = 1, .count = 2, .total = 200, .bytes = { 0 } };
    char piece[100] = { 0 };

    frag_init(&table);
    frag.bytes = (struct str){ piece, 100 };
    for (frag.id = 1; frag.id <= 20; frag.id++)
        frag_add(&table, &frag, 1000, &whole);
    ck_assert_uint_eq(table.bytes, FRAG_MESSAGES_MAX * 200);
    frag.total = (uint64_t)FRAG_BYTES_MAX + 1;
    ck_assert_int_eq(frag_add(&table, &frag, 1000, &whole), ERR_LIMIT);
    ck_assert_uint_eq(frag_run(&table, 1000 + FRAG_AGE_MS - 1), 1000 + FRAG_AGE_MS);
    ck_assert_uint_eq(frag_run(&table, 1000 + FRAG_AGE_MS), UINT64_MAX);
    ck_assert_uint_eq(table.bytes, 0);
    frag_finish(&table);
}
END_TEST

UNIT_MAIN("mesh/codecs", a_topology_record_reads_back_as_written,
          an_unknown_extension_of_a_record_is_kept_and_a_needed_one_refused,
          neighbours_must_be_in_order_and_cost_something, a_hello_reads_back_as_written,
          a_change_of_interest_reads_back_as_written, a_snapshot_with_an_invalid_filter_is_refused,
          destinations_that_are_named_twice_are_refused,
          destinations_read_back_as_one_as_a_list_and_as_ids,
          a_message_survives_its_frame_and_no_cut_of_it_is_read_beyond,
          pieces_in_any_order_become_the_whole, pieces_are_bounded_in_number_bytes_and_time)
