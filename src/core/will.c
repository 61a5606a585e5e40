/* SPDX-License-Identifier: Apache-2.0 */
#include "core/will.h"

#include "core/broker.h"

#include <stdlib.h>

/* The properties that go with a will: all but its delay and its expiry, which are ours to
 * apply. [MQTT5 3.1.3.2] */
static void will_props(struct str raw, struct buf *out)
{
    struct prop_item item;

    while (props_next(&raw, &item)) {
        if (item.prop != PROP_WILL_DELAY_INTERVAL && item.prop != PROP_MESSAGE_EXPIRY_INTERVAL)
            buf_append_str(out, item.raw);
    }
}

struct will *will_new(const struct mqtt_will *packet, uint64_t publisher)
{
    struct will *will = calloc(1, sizeof *will);
    struct buf props = { 0 };

    if (!will)
        return NULL;
    will->due_ms = UINT64_MAX;
    if (packet->props.present)
        will_props(packet->props.raw, &props);
    if (!props.failed)
        will->message = message_new(packet->topic, buf_str(&props), packet->payload);
    buf_finish(&props);
    if (!will->message) {
        free(will);
        return NULL;
    }
    will->message->qos = packet->qos & 3;
    will->message->retain = packet->retain;
    will->message->publisher = publisher;
    if (props_has(&packet->props, PROP_WILL_DELAY_INTERVAL))
        will->delay_s = packet->props.will_delay_interval;
    will->has_expiry = props_has(&packet->props, PROP_MESSAGE_EXPIRY_INTERVAL);
    will->expiry_s = will->has_expiry ? packet->props.message_expiry_interval : 0;
    return will;
}

void will_free(struct will *will)
{
    if (!will)
        return;
    message_unref(will->message);
    free(will);
}

void will_publish(struct core *core, struct session *session)
{
    struct will *will = session->will;

    if (!will)
        return;
    /* Gone first: what follows must not find it again. */
    session->will = NULL;
    struct message *message = will->message;
    struct str topic = message_topic(message);
    message->topic_hash = hash_fast(core->config.seed, topic.ptr, topic.len);
    message->expires_ms =
        will->has_expiry ? core->now_ms + will->expiry_s * (uint64_t)1000 : MESSAGE_NEVER;
    effects_fact(core->out, (struct core_fact){ .kind = CORE_FACT_WILL },
                 session_client_id(session));
    publish_here(core, message);
    will_free(will);
}

void will_discard(struct session *session)
{
    will_free(session->will);
    session->will = NULL;
}
