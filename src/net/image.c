/* SPDX-License-Identifier: Apache-2.0 */
#include "net/image.h"

#include "base/err.h"
#include "core/core.h"
#include "mqtt/message.h"
#include "mqtt/wire.h"
#include "net/stream.h"
#include "net/websocket.h"

#include <string.h>

/* From this on a payload that would be copied is referenced, when several receivers want it:
 * it lies in the processor's cache for all of them. */
enum { SHARE_MIN = 512 };

enum { RUNS = sizeof((struct images *)0)->runs / sizeof(struct image_run) };

/* A PUBLISH that differs from receiver to receiver in nothing but its identifier. */
static bool is_plain(const struct core_send *send)
{
    return !send->has_expiry && send->sub_id_count == 0 && send->topic_alias == 0 &&
           !send->topic_omitted;
}

static bool fits(const struct image_run *run, const struct core_send *send)
{
    return run->message == send->message && run->qos == send->qos && run->retain == send->retain &&
           run->dup == send->dup;
}

/* The longest head of an image: fixed header, topic, identifier, properties, and a frame's. */
static size_t head_bound(const struct message *m)
{
    return WEBSOCKET_HEAD_MAX + 5 + 2u + m->topic_len + 2 + 4 + m->props_len;
}

static void make(struct image_run *run, const struct core_send *send, const struct stream *stream)
{
    struct message *m = send->message;
    struct str payload = message_payload(m);
    struct delivery delivery = {
        .version = stream->version,
        .qos = send->qos,
        .retain = send->retain,
        .dup = send->dup,
        .packet_id = send->packet_id,
    };
    uint8_t *to = run->bytes + run->used;
    size_t packet = message_head(m, &delivery, NULL) + payload.len;
    size_t frame = stream->transport->framed ? websocket_head(to, packet) : 0;
    size_t head = message_head(m, &delivery, to + frame);

    memcpy(to + frame + head, payload.ptr, payload.len);
    run->message = m;
    run->qos = send->qos;
    run->retain = send->retain;
    run->dup = send->dup;
    run->at = run->used;
    run->len = (uint32_t)(frame + packet);

    size_t prefix = 1;

    while (wire_varint_len((uint32_t)(packet - 1 - prefix)) != prefix)
        prefix++;
    run->id_at = (uint32_t)(frame + 1 + prefix + 2 + m->topic_len);
    run->lasting = send->qos == 0 && run->used + run->len <= IMAGE_RUN_BYTES;
    if (run->lasting)
        run->used += run->len;
}

const struct image_run *image_find(struct images *images, const struct core_send *send, bool more,
                                   const struct stream *stream)
{
    const struct message *m = send->message;
    struct image_run *run =
        &images->runs[(stream->version == MQTT_5 ? 2 : 0) + (stream->transport->framed ? 1 : 0)];

    if (!is_plain(send))
        return NULL;
    if (fits(run, send))
        return run;
    if (!more || m->payload_len > IMAGE_PAYLOAD_MAX || head_bound(m) + m->payload_len > IMAGE_MAX)
        return NULL;
    make(run, send, stream);
    return run;
}

bool image_put(const struct image_run *run, const struct core_send *send, struct stream *stream)
{
    const uint8_t *image = run->bytes + run->at;

    if (run->lasting && out_queue_borrow(&stream->out, image, run->len))
        return true;

    /* WebSockets write piece by piece. */
    bool share = !stream->transport->framed && run->message->payload_len >= SHARE_MIN;
    size_t len = run->len - (share ? run->message->payload_len : 0);
    uint8_t *to = out_queue_reserve(&stream->out, len);

    if (!to)
        return false;
    memcpy(to, image, len);
    if (run->qos > 0) {
        to[run->id_at] = (uint8_t)(send->packet_id >> 8);
        to[run->id_at + 1] = (uint8_t)send->packet_id;
    }
    out_queue_advance(&stream->out, len);
    return !share || out_queue_append_payload(&stream->out, run->message) == ERR_OK;
}

void images_forget(struct images *images)
{
    for (size_t i = 0; i < RUNS; i++)
        images->runs[i].message = NULL;
}

bool images_crowded(const struct images *images)
{
    for (size_t i = 0; i < RUNS; i++) {
        if (images->runs[i].used > IMAGE_RUN_BYTES / 2)
            return true;
    }
    return false;
}

void images_clear(struct images *images)
{
    images_forget(images);
    for (size_t i = 0; i < RUNS; i++)
        images->runs[i].used = 0;
}
