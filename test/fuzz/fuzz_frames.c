/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of packets, of which the first byte says how large they may be. What is found
 * does not depend on how much had arrived before. */
#include "fuzz.h"

#include "base/err.h"
#include "mqtt/packet.h"

/* The packet at p, asked for after each of its first bytes: none says anything else. */
static void ask_early(const uint8_t *p, size_t max, const struct mqtt_frame *found)
{
    size_t upto = found->whole < 64 ? found->whole : 64;

    for (size_t n = 0; n < upto; n++) {
        struct mqtt_frame frame;
        int err = mqtt_frame_find(p, n, max, &frame);
        assert(err == ERR_MORE && (frame.whole == 0 || frame.whole == found->whole));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mqtt_frame frame;
    struct mqtt_packet packet;
    enum mqtt_version version = MQTT_311;
    size_t at = 1;

    if (size < 1)
        return 0;
    size_t max = data[0] < 128 ? 2u + data[0] : SIZE_MAX;
    while (at < size && mqtt_frame_find(data + at, size - at, max, &frame) == ERR_OK) {
        assert(frame.whole <= size - at && frame.whole <= max);
        assert((const uint8_t *)frame.body.ptr + frame.body.len == data + at + frame.whole);
        ask_early(data + at, max, &frame);
        if (mqtt_decode(&frame, version, &packet) != ERR_OK)
            break;
        assert(packet.kind == (enum mqtt_kind)(frame.head >> 4));
        if (packet.kind == MQTT_CONNECT)
            version = packet.connect.version;
        at += frame.whole;
    }
    return 0;
}
