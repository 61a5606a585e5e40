/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "hex.h"
#include "mqtt/packet.h"
#include "mqtt/wire.h"
#include "samples.h"

static int find(const char *hex, size_t max, struct mqtt_frame *ret_frame)
{
    struct buf bytes = { 0 };

    hex_parse(hex, &bytes);
    int err = mqtt_frame_find(bytes.data, bytes.len, max, ret_frame);
    buf_finish(&bytes); /* callers look at sizes only */
    return err;
}

START_TEST(a_packet_is_found_at_the_start_of_a_stream)
{
    struct mqtt_frame frame;

    ck_assert_int_eq(find("C000 D000", 2, &frame), ERR_OK);
    ck_assert_uint_eq(frame.head, 0xC0);
    ck_assert_uint_eq(frame.whole, 2);
    ck_assert_uint_eq(frame.body.len, 0);
    ck_assert_int_eq(find("40021234 40", 4, &frame), ERR_OK);
    ck_assert_uint_eq(frame.whole, 4);
    ck_assert_uint_eq(frame.body.len, 2);
}
END_TEST

START_TEST(an_incomplete_packet_says_its_size_once_it_is_known)
{
    struct mqtt_frame frame;

    ck_assert_int_eq(find("", 100, &frame), ERR_MORE);
    ck_assert_uint_eq(frame.whole, 0);
    ck_assert_int_eq(find("30", 100, &frame), ERR_MORE);
    ck_assert_uint_eq(frame.whole, 0);
    ck_assert_int_eq(find("30FFFF", SIZE_MAX, &frame), ERR_MORE);
    ck_assert_uint_eq(frame.whole, 0);
    ck_assert_int_eq(find("3005 00", 100, &frame), ERR_MORE);
    ck_assert_uint_eq(frame.whole, 7);
    ck_assert_int_eq(find("30FFFFFF7F", SIZE_MAX, &frame), ERR_MORE);
    ck_assert_uint_eq(frame.whole, 268435455u + 5);
}
END_TEST

/* [MQTT-1.5.5-1] [MQTT5 2.1.4] */
START_TEST(padded_and_five_byte_lengths_are_refused)
{
    static const char *const bad[] = { "308000",     "30808000",   "3080808000",  "30FF8000",
                                       "30FFFFFFFF", "3080808080", "30FFFFFFFF01" };
    struct mqtt_frame frame;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(find(bad[i], SIZE_MAX, &frame) == ERR_MALFORMED, "%s", bad[i]);
}
END_TEST

/* [MQTT5 2.1.2] */
START_TEST(kind_zero_is_refused_at_its_first_byte)
{
    struct mqtt_frame frame;

    ck_assert_int_eq(find("00", 100, &frame), ERR_MALFORMED);
    ck_assert_int_eq(find("0F00", 100, &frame), ERR_MALFORMED);
    frame = (struct mqtt_frame){ .head = 0x00 };
    struct mqtt_packet packet;
    ck_assert_int_eq(mqtt_decode(&frame, MQTT_5, &packet), ERR_MALFORMED);
}
END_TEST

/* [MQTT-3.1.2-24] seen from the other end */
START_TEST(a_packet_over_the_limit_is_refused_before_it_is_there)
{
    struct mqtt_frame frame;

    ck_assert_int_eq(find("3062", 100, &frame), ERR_MORE);
    ck_assert_int_eq(find("3063", 100, &frame), ERR_TOO_LARGE);
    ck_assert_int_eq(find("30FFFFFF7F", 268435459, &frame), ERR_TOO_LARGE);
}
END_TEST

START_TEST(every_prefix_of_a_packet_asks_for_more)
{
    struct buf bytes = { 0 };
    struct mqtt_frame frame;

    for (size_t i = 0; i < sample_count; i++) {
        buf_clear(&bytes);
        hex_packet(samples[i].head, samples[i].body, &bytes);
        for (size_t n = 0; n < bytes.len; n++)
            ck_assert_int_eq(mqtt_frame_find(bytes.data, n, SIZE_MAX, &frame), ERR_MORE);
        ck_assert_int_eq(mqtt_frame_find(bytes.data, bytes.len, SIZE_MAX, &frame), ERR_OK);
    }
    buf_finish(&bytes);
}
END_TEST

START_TEST(numbers_are_read_as_they_were_written)
{
    static const uint32_t numbers[] = { 0,       1,       127,
                                        128,     16383,   16384,
                                        2097151, 2097152, WIRE_VARINT_MAX };
    static const uint64_t wide[] = { 0, 127, 128, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX };
    struct buf out = { 0 };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        buf_clear(&out);
        wire_put_varint(&out, numbers[i]);
        struct wire_reader r = wire_reader(out.data, out.len, 0);
        ck_assert_uint_eq(wire_get_varint(&r), numbers[i]);
        ck_assert_int_eq(wire_finish(&r), ERR_OK);
        ck_assert_uint_eq(out.len, wire_varint_len(numbers[i]));
    }
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        buf_clear(&out);
        wire_put_leb(&out, wide[i]);
        wire_put_u64(&out, wide[i]);
        struct wire_reader r = wire_reader(out.data, out.len, 0);
        ck_assert_uint_eq(wire_get_leb(&r), wide[i]);
        ck_assert_uint_eq(wire_get_u64(&r), wide[i]);
        ck_assert_int_eq(wire_finish(&r), ERR_OK);
    }
    buf_finish(&out);
}
END_TEST

START_TEST(a_reader_that_failed_reads_nothing_more)
{
    static const uint8_t bytes[] = { 0, 9, 'a', 'b' };
    struct wire_reader r = wire_reader(bytes, sizeof bytes, 0);

    ck_assert_uint_eq(wire_get_binary(&r).len, 0);
    ck_assert_uint_eq(wire_left(&r), 0);
    ck_assert_uint_eq(wire_get_u8(&r), 0);
    wire_fail(&r, ERR_PROTOCOL);
    ck_assert_int_eq(wire_finish(&r), ERR_MALFORMED);
}
END_TEST

START_TEST(a_length_is_put_before_what_it_counts)
{
    struct buf out = { 0 };

    buf_append(&out, "xyz", 3);
    wire_insert_varint(&out, 1, 300);
    ck_assert(str_equal(buf_str(&out), STR("x\xAC\x02yz")));
    wire_insert_varint(&out, 5, 0);
    ck_assert(str_equal(buf_str(&out), STR("x\xAC\x02yz\0")));
    buf_finish(&out);
}
END_TEST

UNIT_MAIN("mqtt/frame", a_packet_is_found_at_the_start_of_a_stream,
          an_incomplete_packet_says_its_size_once_it_is_known,
          padded_and_five_byte_lengths_are_refused, kind_zero_is_refused_at_its_first_byte,
          a_packet_over_the_limit_is_refused_before_it_is_there,
          every_prefix_of_a_packet_asks_for_more, numbers_are_read_as_they_were_written,
          a_reader_that_failed_reads_nothing_more, a_length_is_put_before_what_it_counts)
