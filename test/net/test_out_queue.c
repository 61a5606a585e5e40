/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt/message.h"
#include "net/out_queue.h"
#include "unit.h"

#include <string.h>
#include <sys/uio.h>

enum { PIECES = 64 };

/* Take len bytes out, as a socket would. */
static void drain(struct out_queue *queue, size_t len, struct buf *ret_bytes)
{
    struct iovec pieces[PIECES];
    size_t left = len;
    size_t count = out_queue_pieces(queue, pieces, PIECES);

    for (size_t i = 0; i < count && left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        buf_append(ret_bytes, pieces[i].iov_base, part);
        left -= part;
    }
    out_queue_consume(queue, len - left);
}

START_TEST(bytes_leave_in_the_order_they_came)
{
    struct out_queue queue = { 0 };
    struct buf out = { 0 };

    ck_assert_int_eq(out_queue_append(&queue, "abc", 3), 0);
    ck_assert_int_eq(out_queue_append(&queue, "defg", 4), 0);
    ck_assert_uint_eq(queue.bytes, 7);
    drain(&queue, 5, &out);
    ck_assert_int_eq(out_queue_append(&queue, "h", 1), 0);
    drain(&queue, 3, &out);
    ck_assert(str_equal(buf_str(&out), STR("abcdefgh")));
    buf_finish(&out);
    out_queue_finish(&queue);
}
END_TEST

START_TEST(an_empty_queue_holds_no_memory)
{
    struct out_queue queue = { 0 };
    struct buf out = { 0 };

    out_queue_append(&queue, "abc", 3);
    drain(&queue, 3, &out);
    ck_assert_uint_eq(queue.bytes, 0);
    ck_assert_ptr_null(queue.data);
    ck_assert_ptr_null(queue.refs);
    buf_finish(&out);
    out_queue_finish(&queue);
}
END_TEST

START_TEST(a_payload_by_reference_keeps_its_place_at_any_cut)
{
    struct message *one = message_new(STR("t"), (struct str){ 0 }, STR("ONE"));
    struct message *two = message_new(STR("t"), (struct str){ 0 }, STR("TWO2"));

    for (size_t step = 1; step < 16; step++) {
        struct out_queue queue = { 0 };
        struct buf out = { 0 };
        out_queue_append(&queue, "ab", 2);
        out_queue_append_payload(&queue, one);
        out_queue_append_payload(&queue, two);
        out_queue_append(&queue, "cd", 2);
        out_queue_append_payload(&queue, one);
        out_queue_append(&queue, "e", 1);
        ck_assert_uint_eq(queue.bytes, 15);
        while (queue.bytes > 0)
            drain(&queue, step, &out);
        ck_assert(str_equal(buf_str(&out), STR("abONETWO2cdONEe")));
        buf_finish(&out);
        out_queue_finish(&queue);
        ck_assert_uint_eq(one->refs, 1);
        ck_assert_uint_eq(two->refs, 1);
    }
    message_unref(one);
    message_unref(two);
}
END_TEST

START_TEST(dropping_a_queue_gives_the_references_back)
{
    struct message *message = message_new(STR("t"), (struct str){ 0 }, STR("payload"));
    struct out_queue queue = { 0 };

    out_queue_append_payload(&queue, message);
    out_queue_append_payload(&queue, message);
    ck_assert_uint_eq(message->refs, 3);
    out_queue_finish(&queue);
    ck_assert_uint_eq(message->refs, 1);
    message_unref(message);
}
END_TEST

START_TEST(a_queue_that_never_empties_does_not_grow_without_end)
{
    struct out_queue queue = { 0 };
    struct buf out = { 0 };
    struct message *message = message_new(STR("t"), (struct str){ 0 }, STR("payload"));
    char block[1000];

    memset(block, 'x', sizeof block);
    out_queue_append(&queue, block, sizeof block);
    for (int i = 0; i < 1000; i++) {
        out_queue_append(&queue, block, sizeof block);
        if (i % 10 == 0)
            out_queue_append_payload(&queue, message);
        drain(&queue, sizeof block + (i % 10 == 0 ? 7 : 0), &out);
        buf_clear(&out);
    }
    ck_assert_uint_lt(queue.cap, 20000);
    out_queue_finish(&queue);
    buf_finish(&out);
    message_unref(message);
}
END_TEST

START_TEST(a_borrowed_run_ends_where_anything_else_begins)
{
    struct message *message = message_new(STR("t"), (struct str){ 0 }, STR("PAY"));

    for (size_t step = 1; step < 12; step++) {
        uint8_t lent[] = "abcdefgh";
        struct out_queue queue = { 0 };
        struct buf out = { 0 };
        ck_assert(out_queue_borrow(&queue, lent, 3));
        ck_assert(!out_queue_borrow(&queue, lent + 4, 2)); /* not what follows */
        ck_assert(out_queue_borrow(&queue, lent + 3, 2));
        ck_assert_ptr_eq(queue.data, lent);
        drain(&queue, step % 5, &out); /* what is gone need not be kept */
        if (step % 2)
            ck_assert_int_eq(out_queue_append_payload(&queue, message), 0);
        ck_assert_int_eq(out_queue_append(&queue, "x", 1), 0);
        memset(lent, '?', sizeof lent);
        ck_assert(!out_queue_borrow(&queue, lent + 5, 2));
        while (queue.bytes > 0)
            drain(&queue, step, &out);
        ck_assert(str_equal(buf_str(&out), step % 2 ? STR("abcdePAYx") : STR("abcdex")));
        ck_assert_ptr_null(queue.data);
        buf_finish(&out);
        out_queue_finish(&queue);
    }
    ck_assert_uint_eq(message->refs, 1);
    message_unref(message);
}
END_TEST

START_TEST(what_is_borrowed_can_be_owned_or_left_behind)
{
    uint8_t lent[] = "abcdef";
    struct out_queue queue = { 0 };
    struct buf out = { 0 };

    ck_assert_int_eq(out_queue_own(&queue), 0);
    ck_assert(out_queue_borrow(&queue, lent, 6));
    drain(&queue, 2, &out);
    ck_assert_int_eq(out_queue_own(&queue), 0);
    memset(lent, '?', sizeof lent);
    ck_assert_int_eq(out_queue_own(&queue), 0);
    drain(&queue, 4, &out);
    ck_assert(str_equal(buf_str(&out), STR("abcdef")));
    ck_assert_uint_eq(queue.bytes, 0);
    ck_assert(out_queue_borrow(&queue, lent, 6));
    out_queue_finish(&queue); /* frees nothing that is not its own */
    buf_finish(&out);
}
END_TEST

START_TEST(a_run_is_as_it_lies_or_put_together)
{
    struct message *message = message_new(STR("t"), (struct str){ 0 }, STR("PAYLOAD"));
    struct out_queue queue = { 0 };
    uint8_t scratch[8];
    size_t len;

    out_queue_append(&queue, "ab", 2);
    ck_assert_ptr_eq(out_queue_run(&queue, scratch, sizeof scratch, &len), queue.data);
    ck_assert_uint_eq(len, 2);
    out_queue_append_payload(&queue, message);
    out_queue_append(&queue, "c", 1);
    ck_assert_ptr_eq(out_queue_run(&queue, scratch, sizeof scratch, &len), scratch);
    ck_assert_uint_eq(len, 8);
    ck_assert_mem_eq(scratch, "abPAYLOA", 8);
    out_queue_consume(&queue, 8);
    out_queue_run(&queue, scratch, sizeof scratch, &len);
    ck_assert_uint_eq(len, 2);
    ck_assert_mem_eq(scratch, "Dc", 2);
    out_queue_consume(&queue, 2);
    out_queue_append(&queue, "0123456789", 10);
    out_queue_append_payload(&queue, message);
    ck_assert_ptr_eq(out_queue_run(&queue, scratch, sizeof scratch, &len), queue.data);
    ck_assert_uint_eq(len, 8);
    out_queue_finish(&queue);
    message_unref(message);
}
END_TEST

UNIT_MAIN("net/out_queue", bytes_leave_in_the_order_they_came, an_empty_queue_holds_no_memory,
          a_payload_by_reference_keeps_its_place_at_any_cut,
          dropping_a_queue_gives_the_references_back,
          a_queue_that_never_empties_does_not_grow_without_end,
          a_borrowed_run_ends_where_anything_else_begins,
          what_is_borrowed_can_be_owned_or_left_behind, a_run_is_as_it_lies_or_put_together)
