/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "flow.h"
#include "hist.h"
#include "mini.h"
#include "topics.h"
#include "ws.h"

#include <stdio.h>
#include <string.h>

static struct flow flow_of(const uint64_t *numbers, size_t count)
{
    struct flow flow = { 0 };

    for (size_t i = 0; i < count; i++)
        flow_see(&flow, numbers[i]);
    return flow;
}

#define FLOW(...)                                                                                  \
    flow_of((const uint64_t[]){ __VA_ARGS__ },                                                     \
            sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void expect_flow(struct flow flow, uint64_t sent, uint64_t lost, uint64_t duplicated,
                        uint64_t disordered)
{
    ck_assert_uint_eq(flow_lost(&flow, sent), lost);
    ck_assert_uint_eq(flow.duplicated, duplicated);
    ck_assert_uint_eq(flow.disordered, disordered);
    flow_finish(&flow);
}

START_TEST(a_flow_in_order_has_no_fault)
{
    expect_flow(FLOW(0, 1, 2, 3), 4, 0, 0, 0);
}
END_TEST

START_TEST(a_number_that_never_comes_is_lost)
{
    expect_flow(FLOW(0, 1, 3, 4, 7), 10, 1 + 2 + 2, 0, 0);
    expect_flow(FLOW(1), 2, 1, 0, 0);
    expect_flow((struct flow){ 0 }, 3, 3, 0, 0);
}
END_TEST

START_TEST(a_number_that_comes_twice_is_a_duplicate)
{
    expect_flow(FLOW(0, 1, 1, 2, 0), 3, 0, 2, 0);
}
END_TEST

START_TEST(a_late_number_is_disorder_and_no_loss)
{
    expect_flow(FLOW(0, 2, 1, 3), 4, 0, 0, 1);
    /* From both ends and the middle of one gap; the second 5 is a duplicate. */
    expect_flow(FLOW(0, 9, 1, 8, 5, 5, 4, 6), 10, 3, 1, 5);
}
END_TEST

START_TEST(percentiles_are_within_three_per_cent)
{
    struct hist *hist = calloc(1, sizeof *hist);

    for (uint64_t i = 1; i <= 100000; i++)
        hist_add(hist, i * 100);
    ck_assert_double_eq_tol((double)hist_percentile(hist, 0.5), 5e6, 5e6 * 0.032);
    ck_assert_double_eq_tol((double)hist_percentile(hist, 0.99), 9.9e6, 9.9e6 * 0.032);
    ck_assert_uint_eq(hist->max, 10000000);
    for (uint64_t v = 1; v < 1ull << 50; v = v * 3 + 1) {
        ck_assert_uint_lt(hist_slot(v), HIST_SLOTS);
        ck_assert_uint_le(hist_value(hist_slot(v)), v);
    }
    free(hist);
}
END_TEST

/* Three frames, a ping between them, cut at every possible place. [RFC6455 5.4] [RFC6455 5.5] */
START_TEST(a_websocket_stream_reads_the_same_however_it_is_cut)
{
    static const uint8_t mask[4] = { 0x11, 0x82, 0xf3, 0x04 };
    uint8_t text[70000], stream[70200], copy[70200];
    size_t len = 0;
    static const size_t sizes[] = { 5, 300, 66000 };

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0, at = 0; i < 3; at += sizes[i++]) {
        len += ws_header(stream + len, WS_BINARY, sizes[i], mask);
        ws_mask(stream + len, text + at, sizes[i], mask, 0);
        len += sizes[i];
        if (i == 0) {
            len += ws_header(stream + len, WS_PING, 3, mask);
            ws_mask(stream + len, (const uint8_t *)"abc", 3, mask, 0);
            len += 3;
        }
    }
    for (size_t cut = 1; cut < len; cut += cut < 400 ? 1 : 997) {
        struct ws_in ws = { 0 };
        memcpy(copy, stream, len);
        long first = ws_unframe(&ws, copy, cut);
        long second = ws_unframe(&ws, copy + cut, len - cut);
        ck_assert_int_ge(first, 0);
        ck_assert_int_eq(first + second, 5 + 300 + 66000);
        ck_assert_int_eq(memcmp(copy, text, (size_t)first), 0);
        ck_assert_int_eq(memcmp(copy + cut, text + first, (size_t)second), 0);
        ck_assert(ws.pinged && ws.control_len == 3 && memcmp(ws.control, "abc", 3) == 0);
    }
}
END_TEST

/* The example of the RFC. [RFC6455 1.3] */
START_TEST(a_handshake_is_accepted_only_with_the_right_key)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
    char request[512], response[512];

    ck_assert_uint_gt(ws_request(request, sizeof request, "h", key), 0);
    ck_assert_uint_gt(ws_response(response, sizeof response, request), 0);
    ck_assert_ptr_nonnull(strstr(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    ck_assert(ws_accepted(response, key));
    ck_assert(!ws_accepted(response, "AAAAIHNhbXBsZSBub25jZQ=="));
    ck_assert_uint_eq(ws_response(response, sizeof response, "GET / HTTP/1.1\r\n"), 0);
}
END_TEST

START_TEST(a_publish_reads_back_what_was_written)
{
    uint8_t out[400];
    struct mini_packet packet;
    struct mini_publish publish;
    size_t head = mini_publish_head(out, "bench/1", 2, 0x1234, 200);

    memset(out + head, 'x', 200);
    for (size_t len = 0; len < head + 200; len++)
        ck_assert_int_eq(mini_next(out, len, &packet), 0);
    ck_assert_int_eq(mini_next(out, head + 200, &packet), (long)head + 200);
    ck_assert(mini_publish_read(&packet, &publish));
    ck_assert_uint_eq(publish.qos, 2);
    ck_assert_uint_eq(publish.id, 0x1234);
    ck_assert_uint_eq(publish.payload_len, 200);
    ck_assert(publish.topic_len == 7 && memcmp(publish.topic, "bench/1", 7) == 0);
    ck_assert_int_eq(mini_next((const uint8_t[]){ 0x30, 0xff, 0xff, 0xff, 0xff, 1 }, 6, &packet),
                     -1);
}
END_TEST

START_TEST(a_topic_is_found_among_thousands_and_forgets_who_leaves)
{
    struct topics topics = { 0 };
    int me, you;
    char name[32];

    for (int i = 0; i < 5000; i++) {
        int len = snprintf(name, sizeof name, "bench/%d", i);
        topics_subscribe(&topics, (const uint8_t *)name, (size_t)len, &me, 1);
    }
    topics_subscribe(&topics, (const uint8_t *)"bench/77", 8, &you, 2);
    ck_assert_uint_eq(topics_find(&topics, (const uint8_t *)"bench/77", 8)->count, 2);
    ck_assert_ptr_null(topics_find(&topics, (const uint8_t *)"bench/5000", 10));
    topics_leave(&topics, &me);
    const struct topic *t = topics_find(&topics, (const uint8_t *)"bench/77", 8);
    ck_assert(t->count == 1 && t->receivers[0].client == &you && t->receivers[0].qos == 2);
    topics_finish(&topics);
}
END_TEST

UNIT_MAIN("bench/instruments", a_flow_in_order_has_no_fault, a_number_that_never_comes_is_lost,
          a_number_that_comes_twice_is_a_duplicate, a_late_number_is_disorder_and_no_loss,
          percentiles_are_within_three_per_cent,
          a_websocket_stream_reads_the_same_however_it_is_cut,
          a_handshake_is_accepted_only_with_the_right_key, a_publish_reads_back_what_was_written,
          a_topic_is_found_among_thousands_and_forgets_who_leaves)
