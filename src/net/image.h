/* SPDX-License-Identifier: Apache-2.0 */
/* An image is a PUBLISH encoded once for all who get it alike. Those of QoS 0 follow one
 * another in a run, and who gets them all sends them as they lie there: a message to a
 * thousand receivers costs each of them no memory and no copy. Those with a packet
 * identifier are copied from it.
 *
 * What lies in a run may be borrowed by out-queues until the run is cleared: images_clear is
 * called when every out-queue has been flushed, and owns what its socket did not take. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_send;
struct message;
struct stream;

enum {
    IMAGE_PAYLOAD_MAX = 2048, /* of longer ones the payload is referenced instead */
    IMAGE_MAX = IMAGE_PAYLOAD_MAX + 1024,
    IMAGE_RUN_BYTES = 64 * 1024,
};

/* The images for receivers of one kind, and the last of them. */
struct image_run {
    struct message *message; /* borrowed; NULL: there is none to be used again */
    uint32_t at, len;        /* where it lies */
    uint32_t id_at;          /* where in it the packet identifier stands, when qos > 0 */
    uint8_t qos, retain, dup;
    bool lasting;  /* until the run is cleared */
    uint32_t used; /* bytes of lasting images */
    uint8_t bytes[IMAGE_RUN_BYTES + IMAGE_MAX];
};

/* By version, 3.x or 5, and by what carries them, bare or framed. */
struct images {
    struct image_run runs[4];
};

/* The run whose last image is this send to this stream; made if it is not at hand and more
 * receivers of the message follow. NULL: the send has to be encoded by itself. */
const struct image_run *image_find(struct images *images, const struct core_send *send, bool more,
                                   const struct stream *stream);

/* Append the last image to the stream's out-queue. False: out of memory. */
bool image_put(const struct image_run *run, const struct core_send *send, struct stream *stream);

/* The messages at hand may be freed: none is to be recognized any more. */
void images_forget(struct images *images);

/* Is a run more than half full? */
bool images_crowded(const struct images *images);

/* Nobody borrows any more. */
void images_clear(struct images *images);
