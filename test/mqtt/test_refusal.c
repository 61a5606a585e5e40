/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "hex.h"
#include "mqtt/packet.h"

/* One packet that breaks one rule. */
struct refusal {
    const char *rule;
    enum mqtt_version version;
    uint8_t head;
    const char *body;
    int err;
};

static void refuse(const struct refusal *all, size_t count)
{
    struct buf bytes = { 0 };
    struct mqtt_frame frame;
    struct mqtt_packet packet;

    for (size_t i = 0; i < count; i++) {
        const struct refusal *r = &all[i];
        buf_clear(&bytes);
        hex_packet(r->head, r->body, &bytes);
        ck_assert_int_eq(mqtt_frame_find(bytes.data, bytes.len, SIZE_MAX, &frame), ERR_OK);
        memset(&packet, 0xA5, sizeof packet);
        int err = mqtt_decode(&frame, r->version, &packet);
        ck_assert_msg(err == r->err, "%s: %s %s: %s, not %s", r->rule,
                      mqtt_kind_name((enum mqtt_kind)(r->head >> 4)), r->body, err_text(err),
                      err_text(r->err));
        for (size_t at = 0; err && at < sizeof packet; at++) /* written only on success */
            ck_assert_uint_eq(((uint8_t *)&packet)[at], 0xA5);
    }
    buf_finish(&bytes);
}

#define REFUSE(table) refuse(table, sizeof(table) / sizeof(table)[0])

/* Tables to be read. */
/* clang-format off */

/* [MQTT-4.7.0-1] [MQTT-3.1.4-1] */
START_TEST(a_connect_that_breaks_a_rule_is_refused)
{
    static const struct refusal all[] = {
        { "MQTT-3.1.2-1", MQTT_5, 0x10, "{'mqtt'} 04 02 0000 {'a'}", ERR_PROTOCOL },
        { "MQTT-3.1.2-1", MQTT_5, 0x10, "{} 04 02 0000 {'a'}", ERR_PROTOCOL },
        { "MQTT-3.1.2-1", MQTT_5, 0x10, "{'GET / HTTP/1.1'} 04 02 0000 {'a'}", ERR_PROTOCOL },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQTT'} 06 02 0000 [] {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQTT'} 00 02 0000 [] {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQTT'} 03 02 0000 {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQTT'} 85 02 0000 [] {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQTT'} 83 02 0000 {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQIsdp'} 04 02 0000 {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-2", MQTT_5, 0x10, "{'MQIsdp'} 05 02 0000 {'a'}", ERR_VERSION },
        { "MQTT-3.1.2-3", MQTT_5, 0x10, "{'MQTT'} 05 03 0000 [] {'a'}", ERR_MALFORMED },
        { "MQTT311-3.1.2-3", MQTT_5, 0x10, "{'MQTT'} 04 01 0000 {'a'}", ERR_MALFORMED },
        { "MQTT-3.1.2-11", MQTT_5, 0x10, "{'MQTT'} 05 0A 0000 [] {'a'}", ERR_MALFORMED },
        { "MQTT311-3.1.2-11", MQTT_5, 0x10, "{'MQTT'} 04 10 0000 {'a'}", ERR_MALFORMED },
        { "MQTT-3.1.2-12", MQTT_5, 0x10, "{'MQTT'} 05 1E 0000 [] {'a'} [] {'w'} {}", ERR_MALFORMED },
        { "MQTT-3.1.2-13", MQTT_5, 0x10, "{'MQTT'} 05 22 0000 [] {'a'}", ERR_MALFORMED },
        { "MQTT311-3.1.2-22", MQTT_5, 0x10, "{'MQTT'} 04 42 0000 {'a'} {'p'}", ERR_MALFORMED },
        { "MQTT 3.1", MQTT_5, 0x10, "{'MQIsdp'} 03 42 0000 {'a'} {'p'}", ERR_MALFORMED },
        { "MQTT-3.1.3-4", MQTT_5, 0x10, "{'MQTT'} 04 02 0000 {FF}", ERR_MALFORMED },
        { "MQTT-3.1.3-11", MQTT_5, 0x10, "{'MQTT'} 04 06 0000 {'a'} {C0} {}", ERR_MALFORMED },
        { "MQTT-3.1.3-12", MQTT_5, 0x10, "{'MQTT'} 04 82 0000 {'a'} {80}", ERR_MALFORMED },
        { "MQTT-4.7.1-1", MQTT_5, 0x10, "{'MQTT'} 05 06 0000 [] {'a'} [] {'w/#'} {}", ERR_TOPIC_NAME },
        { "MQTT-4.7.1-1", MQTT_5, 0x10, "{'MQTT'} 04 06 0000 {'a'} {'+'} {}", ERR_TOPIC_NAME },
        { "MQTT-4.7.3-1", MQTT_5, 0x10, "{'MQTT'} 05 06 0000 [] {'a'} [] {} {}", ERR_TOPIC_NAME },
        { "MQTT5 3.1.2.11.10", MQTT_5, 0x10, "{'MQTT'} 05 02 0000 [16{'x'}] {'a'}", ERR_PROTOCOL },
        { "MQTT5 2.2.2.2", MQTT_5, 0x10, "{'MQTT'} 05 02 0000 [23 0001] {'a'}", ERR_MALFORMED },
        { "MQTT5 2.2.2.2", MQTT_5, 0x10, "{'MQTT'} 05 06 0000 [] {'a'} [23 0001] {'w'} {}", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

/* [MQTT-1.5.7-1] [MQTT-4.7.3-2] */
START_TEST(text_that_is_not_utf8_is_refused_wherever_it_stands)
{
    /* [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
    static const struct refusal all[] = {
        { "NUL", MQTT_5, 0x30, "{'a' 00 'b'} []", ERR_MALFORMED },
        { "NUL", MQTT_311, 0x30, "{00}", ERR_MALFORMED },
        { "NUL after eight", MQTT_311, 0x30, "{'12345678' 00}", ERR_MALFORMED },
        { "surrogate", MQTT_5, 0x30, "{EDA080} []", ERR_MALFORMED },
        { "last surrogate", MQTT_5, 0x30, "{EDBFBF} []", ERR_MALFORMED },
        { "overlong 2", MQTT_311, 0x30, "{C080}", ERR_MALFORMED },
        { "overlong slash", MQTT_311, 0x30, "{'a' C0AF 'b'}", ERR_MALFORMED },
        { "overlong 3", MQTT_311, 0x30, "{E080AF}", ERR_MALFORMED },
        { "overlong 4", MQTT_311, 0x30, "{F08080AF}", ERR_MALFORMED },
        { "over U+10FFFF", MQTT_311, 0x30, "{F4908080}", ERR_MALFORMED },
        { "cut", MQTT_311, 0x30, "{'abc' E282}", ERR_MALFORMED },
        { "stray", MQTT_311, 0x30, "{'0123456789' 80}", ERR_MALFORMED },
        { "filter", MQTT_5, 0x82, "0001 [] {'a' FF} 00", ERR_MALFORMED },
        { "second filter", MQTT_311, 0x82, "0001 {'a'} 00 {C1BF} 00", ERR_MALFORMED },
        { "filter", MQTT_311, 0xA2, "0001 {'a' 00}", ERR_MALFORMED },
        { "MQTT-3.3.2-19", MQTT_5, 0x30, "{'a'} [03{FF}]", ERR_MALFORMED },
        { "MQTT-3.3.2-13", MQTT_5, 0x30, "{'a'} [08{FF}]", ERR_MALFORMED },
        { "name of a pair", MQTT_5, 0x30, "{'a'} [26{FF}{'v'}]", ERR_MALFORMED },
        { "value of a pair", MQTT_5, 0x30, "{'a'} [26{'k'}{00}]", ERR_MALFORMED },
        { "reason string", MQTT_5, 0xE0, "00 [1F{C0}]", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

/* [MQTT-4.7.0-1] */
START_TEST(a_publish_that_breaks_a_rule_is_refused)
{
    static const struct refusal all[] = {
        { "MQTT-3.3.1-4", MQTT_5, 0x36, "{'a'} 0001 []", ERR_MALFORMED },
        { "MQTT-3.3.1-4", MQTT_311, 0x3F, "{'a'} 0001", ERR_MALFORMED },
        { "MQTT-3.3.1-2", MQTT_311, 0x38, "{'a'}", ERR_MALFORMED },
        { "MQTT-3.3.1-2", MQTT_5, 0x39, "{'a'} []", ERR_MALFORMED },
        { "MQTT-2.2.1-3", MQTT_5, 0x32, "{'a'} 0000 []", ERR_PROTOCOL },
        { "MQTT311-2.3.1-1", MQTT_311, 0x34, "{'a'} 0000", ERR_PROTOCOL },
        { "MQTT-3.3.2-2", MQTT_5, 0x30, "{'a/+'} []", ERR_TOPIC_NAME },
        { "MQTT-3.3.2-2", MQTT_311, 0x30, "{'a/#'}", ERR_TOPIC_NAME },
        { "MQTT-3.3.2-2", MQTT_31, 0x30, "{'#'}", ERR_TOPIC_NAME },
        { "MQTT-3.3.2-2", MQTT_311, 0x30, "{'01234567+'}", ERR_TOPIC_NAME },
        { "MQTT-3.3.2-2", MQTT_311, 0x30, "{'0123#567'}", ERR_TOPIC_NAME },
        { "MQTT-4.7.3-1", MQTT_311, 0x30, "{} 'x'", ERR_TOPIC_NAME },
        { "MQTT-4.7.3-1", MQTT_31, 0x30, "{} 'x'", ERR_TOPIC_NAME },
        { "MQTT5 3.3.2.1", MQTT_5, 0x30, "{} [] 'x'", ERR_PROTOCOL },
        { "MQTT5 3.3.2.1", MQTT_5, 0x30, "{} [01 01] 'x'", ERR_PROTOCOL },
        { "MQTT-3.3.2-14", MQTT_5, 0x30, "{'a'} [08{'r/+'}]", ERR_PROTOCOL },
        { "MQTT-3.3.2-14", MQTT_5, 0x30, "{'a'} [08{'#'}]", ERR_PROTOCOL },
        { "MQTT-4.7.3-1", MQTT_5, 0x30, "{'a'} [08{}]", ERR_PROTOCOL },
        { "MQTT5 3.3.2.3.8", MQTT_5, 0x30, "{'a'} [0B 00]", ERR_PROTOCOL },
        { "MQTT-1.5.5-1", MQTT_5, 0x30, "{'a'} [0B 8100]", ERR_MALFORMED },
        { "MQTT-1.5.5-1", MQTT_5, 0x30, "{'a'} [0B FFFFFFFF01]", ERR_MALFORMED },
        { "MQTT-1.5.5-1", MQTT_5, 0x30, "{'a'} 8000", ERR_MALFORMED },
        { "properties beyond the end", MQTT_5, 0x30, "{'a'} 05 01 01", ERR_MALFORMED },
        { "no properties' length", MQTT_5, 0x30, "{'a'}", ERR_MALFORMED },
        { "properties cut", MQTT_5, 0x30, "{'a'} 01 01 01", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

START_TEST(a_subscribe_or_unsubscribe_that_breaks_a_rule_is_refused)
{
    static const struct refusal all[] = {
        { "MQTT-2.2.1-3", MQTT_5, 0x82, "0000 [] {'a'} 00", ERR_PROTOCOL },
        { "MQTT-2.2.1-3", MQTT_311, 0xA2, "0000 {'a'}", ERR_PROTOCOL },
        { "MQTT-3.8.3-2", MQTT_5, 0x82, "0001 []", ERR_PROTOCOL },
        { "MQTT311-3.8.3-3", MQTT_311, 0x82, "0001", ERR_PROTOCOL },
        { "MQTT-3.10.3-2", MQTT_5, 0xA2, "0001 []", ERR_PROTOCOL },
        { "MQTT311-3.10.3-2", MQTT_311, 0xA2, "0001", ERR_PROTOCOL },
        { "MQTT-4.7.3-1", MQTT_5, 0x82, "0001 [] {} 00", ERR_TOPIC_FILTER },
        { "MQTT-4.7.3-1", MQTT_311, 0xA2, "0001 {'a'} {}", ERR_TOPIC_FILTER },
        { "MQTT5 3.8.3.1", MQTT_5, 0x82, "0001 [] {'a'} 03", ERR_PROTOCOL },
        { "MQTT5 3.8.3.1", MQTT_5, 0x82, "0001 [] {'a'} 30", ERR_PROTOCOL },
        { "MQTT-3.8.3-5", MQTT_5, 0x82, "0001 [] {'a'} 40", ERR_MALFORMED },
        { "MQTT-3.8.3-5", MQTT_5, 0x82, "0001 [] {'a'} 80", ERR_MALFORMED },
        { "MQTT311-3.8.3-4", MQTT_311, 0x82, "0001 {'a'} 03", ERR_MALFORMED },
        { "MQTT311-3.8.3-4", MQTT_311, 0x82, "0001 {'a'} 04", ERR_MALFORMED },
        { "MQTT311-3.8.3-4", MQTT_31, 0x82, "0001 {'a'} 10", ERR_MALFORMED },
        { "MQTT5 3.8.2.1.2", MQTT_5, 0x82, "0001 [0B 00] {'a'} 00", ERR_PROTOCOL },
        { "MQTT5 3.8.2.1.2", MQTT_5, 0x82, "0001 [0B 01 0B 02] {'a'} 00", ERR_PROTOCOL },
        { "MQTT5 2.2.2.2", MQTT_5, 0xA2, "0001 [0B 01] {'a'}", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

START_TEST(an_answer_that_breaks_a_rule_is_refused)
{
    static const struct refusal all[] = {
        { "MQTT-3.2.2-1", MQTT_5, 0x20, "02 00 []", ERR_MALFORMED },
        { "MQTT311-3.2.2-1", MQTT_311, 0x20, "80 00", ERR_MALFORMED },
        { "MQTT 3.1", MQTT_31, 0x20, "01 00", ERR_MALFORMED },
        { "MQTT-3.2.2-6", MQTT_5, 0x20, "01 87 []", ERR_PROTOCOL },
        { "MQTT311-3.2.2-4", MQTT_311, 0x20, "01 05", ERR_PROTOCOL },
        { "MQTT-3.2.2-8", MQTT_5, 0x20, "00 04 []", ERR_PROTOCOL },
        { "MQTT5 3.2.2.3.4", MQTT_5, 0x20, "00 00 [24 02]", ERR_PROTOCOL },
        { "MQTT5 3.2.2.3.3", MQTT_5, 0x20, "00 00 [21 0000]", ERR_PROTOCOL },
        { "MQTT5 3.2.2.3.6", MQTT_5, 0x20, "00 00 [27 00000000]", ERR_PROTOCOL },
        { "MQTT-2.2.1-3", MQTT_311, 0x40, "0000", ERR_PROTOCOL },
        { "MQTT-2.2.1-3", MQTT_5, 0x62, "0000", ERR_PROTOCOL },
        { "MQTT-3.4.2-1", MQTT_5, 0x40, "0001 92", ERR_PROTOCOL },
        { "MQTT-3.5.2-1", MQTT_5, 0x50, "0001 01 []", ERR_PROTOCOL },
        { "MQTT-3.6.2-1", MQTT_5, 0x62, "0001 10", ERR_PROTOCOL },
        { "MQTT-3.7.2-1", MQTT_5, 0x70, "0001 80", ERR_PROTOCOL },
        { "no reasons before 5", MQTT_311, 0x40, "0001 00", ERR_MALFORMED },
        { "MQTT5 2.2.2.2", MQTT_5, 0x40, "0001 00 [21 0001]", ERR_MALFORMED },
        { "MQTT-3.9.3-2", MQTT_5, 0x90, "0001 [] 00 03", ERR_PROTOCOL },
        { "MQTT311-3.9.3-2", MQTT_311, 0x90, "0001 03", ERR_PROTOCOL },
        { "MQTT-3.9.3-1", MQTT_5, 0x90, "0001 []", ERR_PROTOCOL },
        { "MQTT-3.11.3-2", MQTT_5, 0xB0, "0001 [] 01", ERR_PROTOCOL },
        { "no reasons before 5", MQTT_311, 0xB0, "0001 00", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

START_TEST(a_farewell_that_breaks_a_rule_is_refused)
{
    static const struct refusal all[] = {
        { "MQTT311 3.14", MQTT_311, 0xE0, "00", ERR_MALFORMED },
        { "MQTT-3.14.2-1", MQTT_5, 0xE0, "01", ERR_PROTOCOL },
        { "MQTT-3.14.2-1", MQTT_5, 0xE0, "84 []", ERR_PROTOCOL },
        { "MQTT5 2.2.2.2", MQTT_5, 0xE0, "00 [21 0001]", ERR_MALFORMED },
        { "twice", MQTT_5, 0xE0, "00 [11 00000001 11 00000001]", ERR_PROTOCOL },
        { "no AUTH before 5", MQTT_311, 0xF0, "", ERR_MALFORMED },
        { "no AUTH before 5", MQTT_31, 0xF0, "", ERR_MALFORMED },
        { "MQTT-3.15.2-1", MQTT_5, 0xF0, "87 [15{'m'}]", ERR_PROTOCOL },
        { "MQTT5 3.15.2.2.2", MQTT_5, 0xF0, "18 []", ERR_PROTOCOL },
        { "MQTT5 3.15.2.2.2", MQTT_5, 0xF0, "00 [16{'d'}]", ERR_PROTOCOL },
        { "MQTT5 3.15.2.1", MQTT_5, 0xF0, "18", ERR_MALFORMED },
        { "MQTT311 3.12", MQTT_311, 0xC0, "00", ERR_MALFORMED },
    };

    REFUSE(all);
}
END_TEST

/* clang-format on */

START_TEST(an_error_of_a_decoder_has_its_reason_code)
{
    ck_assert_uint_eq(reason_from_err(ERR_MALFORMED), 0x81);
    ck_assert_uint_eq(reason_from_err(ERR_PROTOCOL), 0x82);
    ck_assert_uint_eq(reason_from_err(ERR_TOPIC_NAME), 0x90);
    ck_assert_uint_eq(reason_from_err(ERR_TOPIC_FILTER), 0x8F);
    ck_assert_uint_eq(reason_from_err(ERR_VERSION), 0x84);
    ck_assert_uint_eq(reason_from_err(ERR_TOO_LARGE), 0x95);
    ck_assert_uint_eq(reason_from_err(ERR_NOMEM), 0x80);
}
END_TEST

UNIT_MAIN("mqtt/refusal", a_connect_that_breaks_a_rule_is_refused,
          text_that_is_not_utf8_is_refused_wherever_it_stands,
          a_publish_that_breaks_a_rule_is_refused,
          a_subscribe_or_unsubscribe_that_breaks_a_rule_is_refused,
          an_answer_that_breaks_a_rule_is_refused, a_farewell_that_breaks_a_rule_is_refused,
          an_error_of_a_decoder_has_its_reason_code)
