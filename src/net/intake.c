/* SPDX-License-Identifier: Apache-2.0 */
#include "net/intake.h"

#include "base/err.h"

/* Complete the packet whose start is kept, with the first of the bytes; how many were
 * taken goes to *taken. */
static int take_rest(struct intake *intake, const uint8_t *bytes, size_t len, uint32_t max,
                     size_t *taken, struct mqtt_frame *ret_frame)
{
    struct buf *rest = &intake->rest;

    *taken = 0;
    for (;;) {
        int err = mqtt_frame_find(rest->data, rest->len, max, ret_frame);
        if (err != ERR_MORE || *taken == len)
            return err;
        size_t want = ret_frame->whole ? ret_frame->whole - rest->len : 1;
        if (want > len - *taken)
            want = len - *taken;
        buf_append(rest, bytes + *taken, want);
        if (rest->failed)
            return ERR_NOMEM;
        *taken += want;
    }
}

/* What came behind the packet that stopped the intake. */
static int keep(struct intake *intake, const uint8_t *bytes, size_t len)
{
    if (intake->held && len > 0)
        buf_append(&intake->rest, bytes, len);
    return intake->rest.failed ? ERR_NOMEM : ERR_OK;
}

int intake_take(struct intake *intake, const void *bytes, size_t len, const uint32_t *max,
                intake_fn packet, void *context)
{
    const uint8_t *at = bytes, *end = at + len;
    struct mqtt_frame frame;

    if (intake->held)
        return keep(intake, at, len);
    if (intake->rest.len > 0) {
        size_t taken;
        int err = take_rest(intake, at, len, *max, &taken, &frame);
        if (err)
            return err == ERR_MORE ? ERR_OK : err;
        bool more = packet(context, &frame);
        buf_finish(&intake->rest);
        at += taken;
        if (!more)
            return keep(intake, at, (size_t)(end - at));
    }
    while (at < end) {
        int err = mqtt_frame_find(at, (size_t)(end - at), *max, &frame);
        if (err == ERR_MORE) {
            buf_append(&intake->rest, at, (size_t)(end - at));
            return intake->rest.failed ? ERR_NOMEM : ERR_OK;
        }
        if (err)
            return err;
        at += frame.whole;
        if (!packet(context, &frame))
            return keep(intake, at, (size_t)(end - at));
    }
    return ERR_OK;
}

int intake_let_go(struct intake *intake, const uint32_t *max, intake_fn packet, void *context)
{
    struct buf kept = intake->rest;

    *intake = (struct intake){ .held = false };
    int err = intake_take(intake, kept.data, kept.len, max, packet, context);
    buf_finish(&kept);
    return err;
}

void intake_finish(struct intake *intake)
{
    buf_finish(&intake->rest);
    intake->held = false;
}
