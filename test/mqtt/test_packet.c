/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "again.h"
#include "base/err.h"
#include "hex.h"
#include "mqtt/packet.h"
#include "samples.h"

/* Decode from a copy of its own, so that a sanitizer sees the first byte too many. */
static int decode_copy(const void *bytes, size_t len, enum mqtt_version version,
                       struct mqtt_packet *ret_packet, void **ret_copy)
{
    struct mqtt_frame frame;
    uint8_t *copy = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    *ret_copy = copy;
    int err = mqtt_frame_find(copy, len, SIZE_MAX, &frame);
    return err ? err : mqtt_decode(&frame, version, ret_packet);
}

/* [MQTT-2.2.1-2] [MQTT-2.2.1-6] [MQTT-3.2.2-1] [MQTT-3.3.2-1] */
START_TEST(every_kind_in_every_version_is_written_as_the_sample_says)
{
    struct buf want = { 0 }, have = { 0 };

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        buf_clear(&want);
        buf_clear(&have);
        hex_packet(s->head, s->body, &want);
        mqtt_encode(&have, s->version, &s->packet);
        ck_assert_msg(str_equal(buf_str(&have), buf_str(&want)), "%s, version %d", s->name,
                      s->version);
    }
    buf_finish(&want);
    buf_finish(&have);
}
END_TEST

/* [MQTT-3.1.3-1] */
START_TEST(every_sample_decodes_to_what_it_was_written_from)
{
    struct buf want = { 0 }, have = { 0 };
    struct mqtt_packet packet;
    void *copy;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        buf_clear(&want);
        buf_clear(&have);
        hex_packet(s->head, s->body, &want);
        int err = decode_copy(want.data, want.len, s->version, &packet, &copy);
        ck_assert_msg(err == ERR_OK, "%s, version %d: %s", s->name, s->version, err_text(err));
        ck_assert_int_eq(packet.kind, s->packet.kind);
        again_encode(&have, s->version, &packet);
        ck_assert_msg(str_equal(buf_str(&have), buf_str(&want)), "%s, version %d", s->name,
                      s->version);
        free(copy);
    }
    buf_finish(&want);
    buf_finish(&have);
}
END_TEST

/* Is a list of entries complete after its first len bytes? */
static bool list_may_end(struct str list, size_t len, enum mqtt_version version, bool options)
{
    struct str whole = list, filter;
    struct mqtt_sub_options ignored;

    while (options ? mqtt_subscribe_next(&list, version, &filter, &ignored)
                   : mqtt_unsubscribe_next(&list, &filter)) {
        if (whole.len - list.len == len)
            return true;
    }
    return false;
}

/* May the body of the packet, len bytes, end after n of them? */
static bool may_end(const struct mqtt_packet *p, enum mqtt_version version, size_t len, size_t n)
{
    bool v5 = version == MQTT_5;

    switch (p->kind) {
    case MQTT_PUBLISH: return n >= len - p->publish.payload.len;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP: return v5 && (n == 2 || n == 3);
    case MQTT_DISCONNECT: return v5 && n <= 1;
    case MQTT_AUTH: return n == 0;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK: return n > len - p->suback.reasons.len;
    case MQTT_SUBSCRIBE:
        return n > len - p->subscribe.list.len &&
               list_may_end(p->subscribe.list, n - (len - p->subscribe.list.len), version, true);
    case MQTT_UNSUBSCRIBE:
        return n > len - p->unsubscribe.list.len &&
               list_may_end(p->unsubscribe.list, n - (len - p->unsubscribe.list.len), version,
                            false);
    case MQTT_CONNECT: { /* 3.1 lets the length overrule the flags */
        size_t password = p->connect.has_password ? 2 + p->connect.password.len : 0;
        size_t username = p->connect.has_username ? 2 + p->connect.username.len : 0;
        return version == MQTT_31 && (n == len - password || n == len - password - username);
    }
    case MQTT_CONNACK:
    case MQTT_PINGREQ:
    case MQTT_PINGRESP: break;
    }
    return false;
}

/* [MQTT-3.1.2-9] [MQTT-3.1.3-3] */
START_TEST(every_prefix_of_a_body_is_refused_but_where_it_may_end)
{
    struct buf body = { 0 }, cut = { 0 };
    struct mqtt_packet whole, packet;
    void *copy, *cut_copy;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        buf_clear(&body);
        buf_clear(&cut);
        hex_parse(s->body, &body);
        hex_packet(s->head, s->body, &cut);
        ck_assert_int_eq(decode_copy(cut.data, cut.len, s->version, &whole, &copy), ERR_OK);
        for (size_t n = 0; n < body.len; n++) {
            buf_clear(&cut);
            buf_append_u8(&cut, s->head);
            wire_put_varint(&cut, (uint32_t)n);
            buf_append(&cut, body.data, n);
            int err = decode_copy(cut.data, cut.len, s->version, &packet, &cut_copy);
            bool ends = may_end(&whole, s->version, body.len, n);
            ck_assert_msg((err == ERR_OK) == ends, "%s, version %d, cut at %zu: %s", s->name,
                          s->version, n, err_text(err));
            free(cut_copy);
        }
        free(copy);
    }
    buf_finish(&body);
    buf_finish(&cut);
}
END_TEST

/* [MQTT5 4.13]: bytes behind the last field make it malformed. */
START_TEST(a_byte_too_many_is_refused)
{
    struct buf bytes = { 0 }, body = { 0 };
    struct mqtt_packet packet;
    void *copy;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        if (s->packet.kind == MQTT_PUBLISH || s->packet.kind == MQTT_SUBACK ||
            s->packet.kind == MQTT_UNSUBACK)
            continue; /* more payload, more codes */
        buf_clear(&body);
        buf_clear(&bytes);
        hex_parse(s->body, &body);
        buf_append_u8(&body, 0x77);
        buf_append_u8(&bytes, s->head);
        wire_put_varint(&bytes, (uint32_t)body.len);
        buf_append_str(&bytes, buf_str(&body));
        ck_assert_msg(decode_copy(bytes.data, bytes.len, s->version, &packet, &copy) != ERR_OK,
                      "%s, version %d", s->name, s->version);
        free(copy);
    }
    buf_finish(&bytes);
    buf_finish(&body);
}
END_TEST

/* Is another value of the flags tolerated? 3.1 has DUP on what is sent again, and nothing
 * against flags where it has no use for them. */
static bool tolerated(const struct sample *s, uint8_t flags)
{
    uint8_t own = s->head & 0x0f;

    return s->version == MQTT_31 && (own == 0 || (own == 2 && flags == 10));
}

/* [MQTT-2.1.3-1] [MQTT311-2.2.2-1] [MQTT311-2.2.2-2] [MQTT-3.15.1-1] [MQTT311-3.6.1-1]
 * [MQTT311-3.8.1-1] [MQTT311-3.10.1-1] [MQTT311-3.14.1-1] */
START_TEST(reserved_flags_of_the_first_byte_are_refused)
{
    struct buf bytes = { 0 };
    struct mqtt_packet packet;
    void *copy;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        if (s->packet.kind == MQTT_PUBLISH)
            continue;
        buf_clear(&bytes);
        hex_packet(s->head, s->body, &bytes);
        for (uint8_t flags = 0; flags < 16; flags++) {
            bytes.data[0] = (uint8_t)((s->head & 0xf0) | flags);
            int err = decode_copy(bytes.data, bytes.len, s->version, &packet, &copy);
            bool right = bytes.data[0] == s->head || tolerated(s, flags);
            ck_assert_msg(err == (right ? ERR_OK : ERR_MALFORMED), "%s, flags %d", s->name, flags);
            free(copy);
        }
    }
    buf_finish(&bytes);
}
END_TEST

/* The connect of [MQTT311 figure 3.6] and others, every byte written out. */
START_TEST(packets_written_out_by_hand_are_understood)
{
    static const uint8_t connect[] = { 0x10, 0x1A, 0x00, 0x04, 'M', 'Q', 'T',  'T',  0x04, 0xC2,
                                       0x00, 0x0A, 0x00, 0x02, 'i', 'd', 0x00, 0x04, 'u',  's',
                                       'e',  'r',  0x00, 0x04, 'p', 'a', 's',  's' };
    static const uint8_t subscribe[] = { 0x82, 0x0D, 0x00, 0x0A, 0x02, 0x0B, 0x05, 0x00,
                                         0x05, 'a',  '/',  'b',  '/',  '+',  0x19 };
    struct mqtt_packet packet;
    struct mqtt_sub_options options;
    struct str list, filter;
    void *copy;

    ck_assert_int_eq(decode_copy(connect, sizeof connect, MQTT_5, &packet, &copy), ERR_OK);
    ck_assert_int_eq(packet.connect.version, MQTT_311);
    ck_assert_uint_eq(packet.connect.keep_alive, 10);
    ck_assert(packet.connect.clean_start && !packet.connect.has_will);
    ck_assert(str_equal(packet.connect.client_id, STR("id")));
    ck_assert(str_equal(packet.connect.username, STR("user")));
    ck_assert(str_equal(packet.connect.password, STR("pass")));
    free(copy);

    ck_assert_int_eq(decode_copy(subscribe, sizeof subscribe, MQTT_5, &packet, &copy), ERR_OK);
    ck_assert_uint_eq(packet.subscribe.packet_id, 10);
    ck_assert_uint_eq(packet.subscribe.count, 1);
    ck_assert_uint_eq(packet.subscribe.props.subscription_identifier, 5);
    list = packet.subscribe.list;
    ck_assert(mqtt_subscribe_next(&list, MQTT_5, &filter, &options));
    ck_assert(str_equal(filter, STR("a/b/+")));
    ck_assert_uint_eq(options.qos, 1);
    ck_assert(!options.no_local && options.retain_as_published);
    ck_assert_uint_eq(options.retain_handling, 1);
    ck_assert(!mqtt_subscribe_next(&list, MQTT_5, &filter, &options));
    free(copy);
}
END_TEST

START_TEST(lists_that_are_made_are_read_back)
{
    const struct mqtt_sub_options all = { 2, true, true, 2 }, none = { 0 };
    struct mqtt_sub_options options;
    struct buf list = { 0 };
    struct str rest, filter;

    mqtt_subscribe_add(&list, MQTT_5, STR("a/+"), &all);
    mqtt_subscribe_add(&list, MQTT_5, STR("b"), &none);
    rest = buf_str(&list);
    ck_assert(mqtt_subscribe_next(&rest, MQTT_5, &filter, &options));
    ck_assert(str_equal(filter, STR("a/+")) && options.qos == 2 && options.no_local);
    ck_assert(options.retain_as_published && options.retain_handling == 2);
    ck_assert(mqtt_subscribe_next(&rest, MQTT_5, &filter, &options));
    ck_assert(str_equal(filter, STR("b")) && options.qos == 0 && !options.no_local);
    ck_assert(!mqtt_subscribe_next(&rest, MQTT_5, &filter, &options));
    buf_clear(&list);
    mqtt_subscribe_add(&list, MQTT_311, STR("c"), &all); /* options are of 5 */
    ck_assert(str_equal(buf_str(&list), STR("\0\1c\2")));
    buf_clear(&list);
    mqtt_unsubscribe_add(&list, STR("a/+"));
    mqtt_unsubscribe_add(&list, STR("b"));
    rest = buf_str(&list);
    ck_assert(mqtt_unsubscribe_next(&rest, &filter) && str_equal(filter, STR("a/+")));
    ck_assert(mqtt_unsubscribe_next(&rest, &filter) && str_equal(filter, STR("b")));
    ck_assert(!mqtt_unsubscribe_next(&rest, &filter));
    buf_finish(&list);
}
END_TEST

START_TEST(long_bodies_get_longer_lengths)
{
    static const size_t sizes[] = { 0, 124, 125, 16380, 16381, 2097148, 2097149 };
    struct buf out = { 0 };
    struct mqtt_packet packet, read;
    struct mqtt_frame frame;
    char *payload = calloc(1, 2097149);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        packet = (struct mqtt_packet){
            .kind = MQTT_PUBLISH, .publish = { .topic = STR("a"), .payload = { payload, sizes[i] } }
        };
        buf_clear(&out);
        mqtt_encode(&out, MQTT_311, &packet);
        ck_assert_uint_eq(out.len, 1 + wire_varint_len((uint32_t)sizes[i] + 3) + 3 + sizes[i]);
        ck_assert_int_eq(mqtt_frame_find(out.data, out.len, out.len, &frame), ERR_OK);
        ck_assert_uint_eq(frame.whole, out.len);
        ck_assert_int_eq(mqtt_decode(&frame, MQTT_311, &read), ERR_OK);
        ck_assert_uint_eq(read.publish.payload.len, sizes[i]);
    }
    buf_finish(&out);
    free(payload);
}
END_TEST

/* [MQTT311 3.2.2.3] */
START_TEST(return_codes_before_5_and_reason_codes_translate)
{
    for (int code = 0; code < 256; code++) {
        const uint8_t bytes[] = { 0x20, 2, 0, (uint8_t)code };
        struct mqtt_packet packet;
        struct buf out = { 0 };
        void *copy;
        int err = decode_copy(bytes, sizeof bytes, MQTT_311, &packet, &copy);
        ck_assert_int_eq(err, code <= 5 ? ERR_OK : ERR_PROTOCOL);
        if (err == ERR_OK) {
            mqtt_encode(&out, MQTT_311, &packet);
            ck_assert(str_equal(buf_str(&out), (struct str){ (const char *)bytes, 4 }));
        }
        buf_finish(&out);
        free(copy);
    }
    ck_assert_uint_eq(reason_to_connack_v3(REASON_BANNED), 5);
    ck_assert_uint_eq(reason_to_connack_v3(REASON_SERVER_BUSY), 3);
    ck_assert_str_eq(reason_text(0x8E), "session taken over");
    ck_assert_str_eq(reason_text(0x7F), "unknown reason");
    ck_assert_str_eq(mqtt_kind_name(MQTT_UNSUBACK), "UNSUBACK");
    ck_assert_str_eq(mqtt_kind_name((enum mqtt_kind)16), "?");
}
END_TEST

/* What a CONNECT speaks can be told of its first bytes alone, and of nothing else. */
START_TEST(the_version_of_a_connect_is_known_before_the_rest_is)
{
    static const uint8_t five[] = { 0x10, 0x80, 0x01, 0, 4, 'M', 'Q', 'T', 'T', 5, 0xff };
    static const uint8_t old[] = { 0x10, 0x7f, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3 };
    static const uint8_t none[] = { 0x10, 0x7f, 0, 4, 'M', 'Q', 'T', 'T', 6 };
    static const uint8_t ping[] = { 0xc0, 0x0b, 0, 4, 'M', 'Q', 'T', 'T', 5 };

    ck_assert_int_eq(mqtt_connect_version(five, sizeof five), MQTT_5);
    ck_assert_int_eq(mqtt_connect_version(old, sizeof old), MQTT_31);
    ck_assert_int_eq(mqtt_connect_version(none, sizeof none), 0);
    ck_assert_int_eq(mqtt_connect_version(ping, sizeof ping), 0);
    ck_assert_int_eq(mqtt_connect_version(NULL, 0), 0);
    for (size_t len = 0; len < sizeof five - 1; len++)
        ck_assert_int_eq(mqtt_connect_version(five, len), 0);
}
END_TEST

UNIT_MAIN("mqtt/packet", every_kind_in_every_version_is_written_as_the_sample_says,
          every_sample_decodes_to_what_it_was_written_from,
          every_prefix_of_a_body_is_refused_but_where_it_may_end, a_byte_too_many_is_refused,
          reserved_flags_of_the_first_byte_are_refused,
          the_version_of_a_connect_is_known_before_the_rest_is, packets_written_out_by_hand_are_understood,
          lists_that_are_made_are_read_back, long_bodies_get_longer_lengths,
          return_codes_before_5_and_reason_codes_translate)
