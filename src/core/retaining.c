/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of retained messages around the tree that holds them: limits, the store's
 * records, and who gets them. [MQTT5 3.3.1.3] */
#include "base/err.h"
#include "core/broker.h"
#include "core/records.h"

bool retaining_has_room(const struct core *core, const struct message *message)
{
    const struct retained *retained = &core->retained;

    if (message->payload_len == 0)
        return true;
    if (core->store_full)
        return false;
    const struct message *old = retained_find(retained, message_topic(message));
    uint64_t bytes = retained->bytes + message_size(message) - (old ? message_size(old) : 0);
    return retained->count + (old ? 0 : 1) <= core->config.retained_max &&
           bytes <= core->config.retained_bytes_max;
}

static void forget(struct core *core, struct str topic, bool lazy)
{
    /* The record goes first: the topic may be the retained message's own text. */
    record_forgotten(core, topic, lazy);
    retained_remove(&core->retained, topic);
}

void retaining_apply(struct core *core, struct message *message)
{
    struct str topic = message_topic(message);

    if (message->payload_len == 0) { /* [MQTT-3.3.1-6] [MQTT-3.3.1-7] */
        if (retained_find(&core->retained, topic))
            forget(core, topic, message->qos == 0 || message->remote);
        return;
    }
    if (!retaining_has_room(core, message)) {
        core->stats.messages_dropped++;
        return;
    }
    if (retained_put(&core->retained, message)) {
        core_failed(core);
        return;
    }
    record_retained(core, message);
}

uint64_t retaining_allowance(const struct core *core)
{
    enum { TIMES = 4, AT_LEAST = 10000 };

    return core->retained.count * (uint64_t)TIMES + AT_LEAST;
}

void retaining_give(struct core *core, struct session *session, struct message *message,
                    const struct sub_entry *entry)
{
    struct copy copy = { .qos = entry->qos < message->qos ? entry->qos : message->qos,
                         .retain = true, /* [MQTT-3.3.1-8] */
                         .sub_ids_at = (uint32_t)core->out->sub_ids.len };
    uint32_t *slot = entry->sub_id ? vec_push(&core->out->sub_ids) : NULL;

    if (slot) {
        *slot = entry->sub_id;
        copy.sub_id_count = 1;
    }
    deliver_to(core, session, message, &copy);
}

void retaining_send(struct core *core, struct session *session, struct str filter,
                    const struct sub_entry *entry, uint64_t *allowance)
{
    struct retained_walk walk;
    struct message *message;

    sys_send(core, session, filter, entry);
    if (core->retained.count == 0 || *allowance == 0)
        return;
    retained_walk(&walk, &core->retained, filter);
    while (*allowance > 0 && (message = retained_walk_next(&walk))) {
        --*allowance;
        if (message->expires_ms <= core->now_ms)
            continue;
        if (entry->no_local && message->publisher == session->name)
            continue;
        retaining_give(core, session, message, entry);
    }
}

void retaining_expire(struct core *core)
{
    struct message *message;

    while ((message = retained_expired(&core->retained, core->now_ms)))
        forget(core, message_topic(message), true);
}
