/* SPDX-License-Identifier: Apache-2.0 */
/* A packet in every version: whatever decodes is encoded again, and what that decodes to
 * is encoded to the same bytes. */
#include "fuzz.h"

#include "../mqtt/again.h"
#include "base/err.h"
#include "mqtt/packet.h"

/* The lists of a packet that decoded well can be walked, and hold what they say. */
static void walk(const struct mqtt_packet *packet, enum mqtt_version version)
{
    struct mqtt_sub_options options;
    struct str list, filter;
    size_t count = 0;

    if (packet->kind == MQTT_SUBSCRIBE) {
        list = packet->subscribe.list;
        while (mqtt_subscribe_next(&list, version, &filter, &options))
            count++;
        assert(count == packet->subscribe.count);
    } else if (packet->kind == MQTT_UNSUBSCRIBE) {
        list = packet->unsubscribe.list;
        while (mqtt_unsubscribe_next(&list, &filter))
            count++;
        assert(count == packet->unsubscribe.count);
    }
}

/* Decode all of bytes, if they are one packet, and append its encoding. */
static int decode_again(struct str bytes, enum mqtt_version version, struct buf *out)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    int err = mqtt_frame_find(bytes.ptr, bytes.len, SIZE_MAX, &frame);

    if (!err)
        err = mqtt_decode(&frame, version, &packet);
    if (err)
        return err;
    walk(&packet, version);
    again_encode(out, version, &packet);
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = { 0 }, second = { 0 };

    for (enum mqtt_version version = MQTT_31; version <= MQTT_5; version++) {
        buf_clear(&first);
        buf_clear(&second);
        if (decode_again((struct str){ (const char *)data, size }, version, &first) != ERR_OK)
            continue;
        int err = decode_again(buf_str(&first), version, &second);
        assert(err == ERR_OK && str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_finish(&first);
    buf_finish(&second);
    return 0;
}
