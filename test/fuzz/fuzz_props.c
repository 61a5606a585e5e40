/* SPDX-License-Identifier: Apache-2.0 */
/* A set of properties. The first byte is the place it stands in. */
#include "fuzz.h"

#include "../mqtt/again.h"
#include "base/err.h"
#include "mqtt/packet.h"
#include "mqtt/props.h"

/* What goes on to subscribers is itself a good set of a PUBLISH, and goes on unchanged. */
static void forward(struct str raw)
{
    struct buf once = { 0 }, twice = { 0 };
    struct props props;

    props_forwardable(raw, &once);
    wire_insert_varint(&once, 0, (uint32_t)once.len);
    struct wire_reader r = wire_reader(once.data, once.len, MQTT_5);
    props_decode(&r, PROPS_PUBLISH, &props);
    int err = wire_finish(&r);
    assert(err == ERR_OK);
    props_forwardable(props.raw, &twice);
    assert(str_equal(buf_str(&twice), props.raw));
    buf_finish(&once);
    buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = { 0 }, second = { 0 };
    struct props props;

    if (size < 1)
        return 0;
    enum props_place place = (enum props_place)(data[0] % PROPS_PLACE_COUNT);
    struct wire_reader r = wire_reader(data + 1, size - 1, MQTT_5);
    props_decode(&r, place, &props);
    if (r.err) {
        assert(props.present == 0);
        return 0;
    }
    struct str *pairs = again_pairs(&props);
    props_encode(&first, place, &props);
    free(pairs);
    if (place == PROPS_PUBLISH || place == PROPS_WILL)
        forward(props.raw);

    r = wire_reader(first.data, first.len, MQTT_5);
    props_decode(&r, place, &props);
    assert(wire_finish(&r) == ERR_OK);
    pairs = again_pairs(&props);
    props_encode(&second, place, &props);
    free(pairs);
    assert(str_equal(buf_str(&first), buf_str(&second)));
    buf_finish(&first);
    buf_finish(&second);
    return 0;
}
