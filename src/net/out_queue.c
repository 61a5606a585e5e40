/* SPDX-License-Identifier: Apache-2.0 */
#include "net/out_queue.h"

#include "base/err.h"
#include "base/vec.h"
#include "mqtt/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
    RUN_MIN = 256,        /* bytes of the first run */
    HINT_MAX = 64 * 1024, /* a run starts with at most so much */
    RUN_PIECES_MAX = 64,
};

/* A payload that stands in front of data[at]. */
struct out_ref {
    struct message *message;
    uint32_t at;
};

struct out_refs {
    struct {
        VEC(struct out_ref);
    } list;
    size_t first; /* those before are sent */
    size_t sent;  /* bytes of the first one's payload, already gone */
};

static void refs_free(struct out_queue *queue)
{
    struct out_refs *refs = queue->refs;

    if (!refs)
        return;
    for (size_t i = refs->first; i < refs->list.len; i++)
        message_unref(refs->list.at[i].message);
    vec_finish(&refs->list);
    free(refs);
    queue->refs = NULL;
}

void out_queue_finish(struct out_queue *queue)
{
    refs_free(queue);
    if (queue->cap)
        free(queue->data);
    *queue = (struct out_queue){ 0 };
}

/* Move what is left to the front, where much of the run is already sent. */
static void compact(struct out_queue *queue)
{
    uint32_t gone = queue->sent;

    memmove(queue->data, queue->data + gone, queue->len - gone);
    queue->len -= gone;
    queue->sent = 0;
    if (!queue->refs)
        return;
    for (size_t i = queue->refs->first; i < queue->refs->list.len; i++)
        queue->refs->list.at[i].at -= gone;
}

/* Room for need bytes, of which the first are those that wait. */
static size_t choose_cap(const struct out_queue *queue, size_t need)
{
    size_t cap = queue->cap ? (size_t)queue->cap * (queue->cap < HINT_MAX ? 4 : 2) : RUN_MIN;

    if (!queue->cap && queue->hint > cap)
        cap = queue->hint;
    while (cap < need)
        cap *= 2;
    return cap;
}

/* Copy what is borrowed into a run of the queue's own, with room for more bytes. */
static int own(struct out_queue *queue, size_t more)
{
    uint32_t len = queue->len - queue->sent;
    size_t cap = choose_cap(queue, len + more);
    uint8_t *data = cap <= UINT32_MAX ? malloc(cap) : NULL;

    if (!data)
        return ERR_NOMEM;
    memcpy(data, queue->data + queue->sent, len);
    queue->data = data;
    queue->cap = (uint32_t)cap;
    queue->len = len;
    queue->sent = 0;
    return ERR_OK;
}

static bool borrows(const struct out_queue *queue)
{
    return queue->data && queue->cap == 0;
}

int out_queue_own(struct out_queue *queue)
{
    return borrows(queue) ? own(queue, 0) : ERR_OK;
}

bool out_queue_borrow(struct out_queue *queue, const uint8_t *bytes, size_t len)
{
    if (queue->bytes == 0 && queue->cap == 0)
        queue->data = (uint8_t *)bytes;
    else if (!borrows(queue) || queue->data + queue->len != bytes)
        return false;
    out_queue_advance(queue, len);
    return true;
}

uint8_t *out_queue_reserve(struct out_queue *queue, size_t len)
{
    size_t need = queue->len + len;

    if (need <= queue->cap)
        return queue->data + queue->len;
    if (borrows(queue))
        return own(queue, len) == ERR_OK ? queue->data + queue->len : NULL;
    if (queue->sent > queue->cap / 2) {
        compact(queue);
        need = queue->len + len;
        if (need <= queue->cap)
            return queue->data + queue->len;
    }
    size_t cap = choose_cap(queue, need);
    uint8_t *data = cap <= UINT32_MAX ? realloc(queue->data, cap) : NULL;

    if (!data)
        return NULL;
    queue->data = data;
    queue->cap = (uint32_t)cap;
    return data + queue->len;
}

int out_queue_append(struct out_queue *queue, const void *bytes, size_t len)
{
    uint8_t *at = out_queue_reserve(queue, len);

    if (!at)
        return ERR_NOMEM;
    memcpy(at, bytes, len);
    out_queue_advance(queue, len);
    return ERR_OK;
}

int out_queue_append_payload(struct out_queue *queue, struct message *message)
{
    if (message->payload_len == 0)
        return ERR_OK;
    if (out_queue_own(queue) != ERR_OK)
        return ERR_NOMEM;
    if (!queue->refs)
        queue->refs = calloc(1, sizeof *queue->refs);
    if (!queue->refs)
        return ERR_NOMEM;

    struct out_ref *ref = vec_push(&queue->refs->list);

    if (!ref)
        return ERR_NOMEM;
    *ref = (struct out_ref){ message_ref(message), queue->len };
    queue->bytes += message->payload_len;
    return ERR_OK;
}

size_t out_queue_pieces(const struct out_queue *queue, struct iovec *pieces, size_t max)
{
    const struct out_refs *refs = queue->refs;
    size_t count = 0, at = queue->sent;

    for (size_t i = refs ? refs->first : 0; refs && i < refs->list.len; i++) {
        const struct out_ref *ref = &refs->list.at[i];
        struct str payload = message_payload(ref->message);
        size_t skip = i == refs->first ? refs->sent : 0;

        if (ref->at > at && count < max)
            pieces[count++] = (struct iovec){ queue->data + at, ref->at - at };
        if (count >= max)
            return count;
        pieces[count++] = (struct iovec){ (char *)payload.ptr + skip, payload.len - skip };
        at = ref->at;
    }
    if (queue->len > at && count < max)
        pieces[count++] = (struct iovec){ queue->data + at, queue->len - at };
    return count;
}

const void *out_queue_run(const struct out_queue *queue, uint8_t *scratch, size_t size,
                          size_t *ret_len)
{
    struct iovec pieces[RUN_PIECES_MAX];
    size_t count = out_queue_pieces(queue, pieces, RUN_PIECES_MAX), len = 0;

    if (count == 1 || pieces[0].iov_len >= size) {
        *ret_len = pieces[0].iov_len < size ? pieces[0].iov_len : size;
        return pieces[0].iov_base;
    }
    for (size_t i = 0; i < count && len < size; i++) {
        size_t part = pieces[i].iov_len < size - len ? pieces[i].iov_len : size - len;
        memcpy(scratch + len, pieces[i].iov_base, part);
        len += part;
    }
    *ret_len = len;
    return scratch;
}

/* Everything is sent: give the memory back and remember how much it was. */
static void empty(struct out_queue *queue)
{
    uint32_t hint = queue->len < HINT_MAX ? queue->len : HINT_MAX;

    if (hint < queue->hint - queue->hint / 8 || borrows(queue))
        hint = queue->hint - queue->hint / 8;
    if (queue->cap)
        free(queue->data);
    refs_free(queue);
    *queue = (struct out_queue){ .hint = hint };
}

void out_queue_consume(struct out_queue *queue, size_t len)
{
    struct out_refs *refs = queue->refs;

    assert(len <= queue->bytes);
    queue->bytes -= len;
    if (queue->bytes == 0) {
        empty(queue);
        return;
    }
    while (refs && len > 0 && refs->first < refs->list.len) {
        struct out_ref *ref = &refs->list.at[refs->first];
        size_t copied = ref->at - queue->sent;

        if (len < copied)
            break;
        queue->sent = ref->at;
        len -= copied;
        size_t left = ref->message->payload_len - refs->sent;
        if (len < left) {
            refs->sent += len;
            return;
        }
        len -= left;
        refs->sent = 0;
        refs->first++;
        message_unref(ref->message);
    }
    if (refs && refs->first == refs->list.len)
        refs_free(queue);
    queue->sent += (uint32_t)len;
}
