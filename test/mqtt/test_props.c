/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "again.h"
#include "base/err.h"
#include "hex.h"
#include "mqtt/packet.h"
#include "mqtt/props.h"

/* A property as the specification's table 2-4 has it, written down a second time. Places
 * are letters, in the order of enum props_place: Connect, connacK, Publish, Acks,
 * Subscribe, suBack, Unsubscribe, Disconnect, autH, Will. */
struct known {
    uint8_t id;
    const char *value; /* a good one, as hex */
    const char *bad;   /* one out of range, or NULL */
    const char *places;
};

static const char letters[] = "CKPASBUDHW";

static const struct known known[] = {
    { 1, "01", "02", "PW" },
    { 2, "00000001", NULL, "PW" },
    { 3, "{'t/p'}", NULL, "PW" },
    { 8, "{'a/b'}", "{'a/+'}", "PW" },
    { 9, "{00FF}", NULL, "PW" },
    { 11, "FFFFFF7F", "00", "PS" },
    { 17, "FFFFFFFF", NULL, "CKD" },
    { 18, "{'id'}", NULL, "K" },
    { 19, "FFFF", NULL, "K" },
    { 21, "{'m'}", NULL, "CKH" },
    { 22, "{00}", NULL, "CKH" },
    { 23, "01", "02", "C" },
    { 24, "00000000", NULL, "W" },
    { 25, "00", "FF", "C" },
    { 26, "{'r'}", NULL, "K" },
    { 28, "{'s:1'}", NULL, "KD" },
    { 31, "{'why'}", NULL, "KABDH" },
    { 33, "0001", "0000", "CK" },
    { 34, "0000", NULL, "CK" },
    { 35, "0001", NULL, "P" },
    { 36, "00", "02", "K" },
    { 37, "01", "02", "K" },
    { 38, "{'k'}{'v'}", NULL, "CKPASBUDHW" },
    { 39, "00000001", "00000000", "CK" },
    { 40, "01", "02", "K" },
    { 41, "00", "02", "K" },
    { 42, "01", "02", "K" },
};

enum { KNOWN_COUNT = sizeof known / sizeof known[0] };

/* The body of a set: the property, times over. */
static void put(struct buf *out, uint8_t id, const char *value, int times)
{
    buf_clear(out);
    for (int i = 0; i < times; i++) {
        buf_append_u8(out, id);
        hex_parse(value, out);
    }
    wire_insert_varint(out, 0, (uint32_t)out->len);
}

static int decode(const struct buf *set, enum props_place place, struct props *ret_props)
{
    struct wire_reader r = wire_reader(set->data, set->len, MQTT_5);

    props_decode(&r, place, ret_props);
    return wire_finish(&r);
}

START_TEST(every_property_round_trips_where_it_may_stand_and_nowhere_else)
{
    struct buf set = { 0 }, out = { 0 };
    struct props props;

    for (int i = 0; i < KNOWN_COUNT; i++) {
        const struct known *k = &known[i];
        for (int place = 0; place < PROPS_PLACE_COUNT; place++) {
            put(&set, k->id, k->value, 1);
            int err = decode(&set, (enum props_place)place, &props);
            bool allowed = strchr(k->places, letters[place]);
            ck_assert_msg(err == (allowed ? ERR_OK : ERR_MALFORMED), "%d in %c: %s", k->id,
                          letters[place], err_text(err));
            if (!allowed) {
                ck_assert_uint_eq(props.present, 0);
                continue;
            }
            ck_assert_uint_eq(props.present, (uint64_t)1 << k->id);
            struct str *pairs = again_pairs(&props);
            buf_clear(&out);
            props_encode(&out, (enum props_place)place, &props);
            ck_assert_msg(str_equal(buf_str(&out), buf_str(&set)), "%d in %c", k->id,
                          letters[place]);
            free(pairs);
        }
    }
    buf_finish(&set);
    buf_finish(&out);
}
END_TEST

/* [MQTT5 2.2.2.2] [MQTT-3.3.4-3] */
START_TEST(doubled_properties_are_refused_but_those_that_repeat)
{
    struct buf set = { 0 };
    struct props props;

    for (int i = 0; i < KNOWN_COUNT; i++) {
        for (const char *at = known[i].places; *at; at++) {
            enum props_place place = (enum props_place)(strchr(letters, *at) - letters);
            bool repeats = known[i].id == 38 || (known[i].id == 11 && place == PROPS_PUBLISH);
            put(&set, known[i].id, known[i].value, 2);
            ck_assert_msg(decode(&set, place, &props) == (repeats ? ERR_OK : ERR_PROTOCOL),
                          "%d in %c", known[i].id, *at);
        }
    }
    buf_finish(&set);
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
    struct buf set = { 0 };
    struct props props;

    for (int i = 0; i < KNOWN_COUNT; i++) {
        if (!known[i].bad)
            continue;
        put(&set, known[i].id, known[i].bad, 1);
        enum props_place place = (enum props_place)(strchr(letters, known[i].places[0]) - letters);
        ck_assert_msg(decode(&set, place, &props) == ERR_PROTOCOL, "%d", known[i].id);
        ck_assert_uint_eq(props.present, 0);
    }
    buf_finish(&set);
}
END_TEST

START_TEST(a_property_cut_anywhere_is_refused)
{
    struct buf set = { 0 }, cut = { 0 };
    struct props props;

    for (int i = 0; i < KNOWN_COUNT; i++) {
        enum props_place place = (enum props_place)(strchr(letters, known[i].places[0]) - letters);
        put(&set, known[i].id, known[i].value, 1);
        for (size_t n = 1; n + 1 < set.len; n++) {
            buf_clear(&cut);
            wire_put_varint(&cut, (uint32_t)n);
            buf_append(&cut, set.data + 1, n);
            ck_assert_msg(decode(&cut, place, &props) == ERR_MALFORMED, "%d at %zu", known[i].id,
                          n);
        }
    }
    buf_finish(&set);
    buf_finish(&cut);
}
END_TEST

START_TEST(unknown_identifiers_are_refused)
{
    struct buf set = { 0 };
    struct props props;

    for (uint32_t id = 0; id < 300; id++) {
        bool is_known = false;
        for (int i = 0; i < KNOWN_COUNT; i++)
            is_known |= known[i].id == id;
        if (is_known)
            continue;
        buf_clear(&set);
        wire_put_varint(&set, id);
        buf_append(&set, "\0\0\0\0", 4);
        wire_insert_varint(&set, 0, (uint32_t)set.len);
        for (int place = 0; place < PROPS_PLACE_COUNT; place++)
            ck_assert_int_eq(decode(&set, (enum props_place)place, &props), ERR_MALFORMED);
    }
    buf_clear(&set); /* an identifier that is padded [MQTT-1.5.5-1] */
    hex_parse("[8100 01]", &set);
    ck_assert_int_eq(decode(&set, PROPS_PUBLISH, &props), ERR_MALFORMED);
    buf_finish(&set);
}
END_TEST

START_TEST(a_full_set_is_read_field_by_field)
{
    struct buf set = { 0 };
    struct props props;

    hex_parse("[26{'a'}{'1'} 22 0102 21 0304 11 01020304 26{'b'}{'2'} 27 00000201 15{'me'}]", &set);
    ck_assert_int_eq(decode(&set, PROPS_CONNECT, &props), ERR_OK);
    ck_assert_uint_eq(props.topic_alias_maximum, 0x0102);
    ck_assert_uint_eq(props.receive_maximum, 0x0304);
    ck_assert_uint_eq(props.session_expiry_interval, 0x01020304);
    ck_assert_uint_eq(props.maximum_packet_size, 0x201);
    ck_assert(str_equal(props.authentication_method, STR("me")));
    ck_assert(props_has(&props, PROP_USER_PROPERTY));
    ck_assert(!props_has(&props, PROP_AUTHENTICATION_DATA));

    struct str rest = props.raw;
    struct prop_item item;
    ck_assert(props_next(&rest, &item));
    ck_assert_int_eq(item.prop, PROP_USER_PROPERTY);
    ck_assert(str_equal(item.text, STR("a")) && str_equal(item.value, STR("1")));
    ck_assert(props_next(&rest, &item));
    ck_assert_int_eq(item.prop, PROP_TOPIC_ALIAS_MAXIMUM);
    ck_assert_uint_eq(item.number, 0x0102);
    ck_assert(str_equal(item.raw, STR("\x22\x01\x02")));
    int left = 0;
    while (props_next(&rest, &item))
        left++;
    ck_assert_int_eq(left, 5);
    buf_finish(&set);
}
END_TEST

START_TEST(versions_before_5_have_no_properties)
{
    static const uint8_t bytes[] = { 2, 1, 1 };
    struct wire_reader r = wire_reader(bytes, sizeof bytes, MQTT_311);
    struct props props;

    props_decode(&r, PROPS_PUBLISH, &props);
    ck_assert_uint_eq(props.present, 0);
    ck_assert_uint_eq(wire_left(&r), 3);
}
END_TEST

/* [MQTT-2.2.2-1] */
START_TEST(no_set_is_an_empty_set)
{
    struct buf out = { 0 };

    props_encode(&out, PROPS_PUBLISH, NULL);
    ck_assert(str_equal(buf_str(&out), STR("\0")));
    buf_finish(&out);
}
END_TEST

START_TEST(many_pairs_make_a_long_length)
{
    struct str pairs[200];
    struct buf out = { 0 };
    struct props props = { .user = pairs, .user_count = 100 }, read;

    for (int i = 0; i < 200; i++)
        pairs[i] = STR("text");
    props_encode(&out, PROPS_UNSUBSCRIBE, &props);
    ck_assert_uint_eq(out.len, 2 + 100 * 13);
    ck_assert_int_eq(decode(&out, PROPS_UNSUBSCRIBE, &read), ERR_OK);
    ck_assert_uint_eq(read.raw.len, 1300);
    buf_finish(&out);
}
END_TEST

/* [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
 * [MQTT-3.3.2-20] */
START_TEST(what_goes_on_to_subscribers_keeps_its_order)
{
    struct buf in = { 0 }, out = { 0 }, want = { 0 };

    hex_parse("26{'z'}{'1'} 02 00000009 01 01 0B 05 08{'r'} 23 0001 03{'t'} 26{'a'}{'2'} 09{'c'}"
              " 0B 06 18 00000001",
              &in);
    hex_parse("26{'z'}{'1'} 01 01 08{'r'} 03{'t'} 26{'a'}{'2'} 09{'c'}", &want);
    props_forwardable(buf_str(&in), &out);
    ck_assert(str_equal(buf_str(&out), buf_str(&want)));
    buf_clear(&out);
    props_forwardable((struct str){ NULL, 0 }, &out);
    ck_assert_uint_eq(out.len, 0);
    buf_finish(&in);
    buf_finish(&out);
    buf_finish(&want);
}
END_TEST

UNIT_MAIN("mqtt/props", every_property_round_trips_where_it_may_stand_and_nowhere_else,
          doubled_properties_are_refused_but_those_that_repeat, values_out_of_range_are_refused,
          a_property_cut_anywhere_is_refused, unknown_identifiers_are_refused,
          a_full_set_is_read_field_by_field, versions_before_5_have_no_properties,
          no_set_is_an_empty_set, many_pairs_make_a_long_length,
          what_goes_on_to_subscribers_keeps_its_order)
