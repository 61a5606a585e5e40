/* SPDX-License-Identifier: Apache-2.0 */
#include "store/about.h"

#include "base/err.h"
#include "mqtt/wire.h"
#include "store/body.h"

#include <stdlib.h>
#include <string.h>

enum { ABOUT_CONNECTED = 0x01, ABOUT_WILL = 0x02, ABOUT_WILL_EXPIRY = 0x04 };

void about_write(struct buf *out, const struct durable_session *about)
{
    buf_append_u8(out, (uint8_t)((about->connected ? ABOUT_CONNECTED : 0) |
                                 (about->will ? ABOUT_WILL : 0) |
                                 (about->will_has_expiry ? ABOUT_WILL_EXPIRY : 0)));
    wire_put_leb(out, about->client_id.len);
    buf_append_str(out, about->client_id);
    wire_put_u32(out, about->expiry_s);
    wire_put_u64(out, about->expires_ms);
    wire_put_leb(out, about->sent_seq);
    if (!about->will)
        return;
    wire_put_u32(out, about->will_delay_s);
    wire_put_u32(out, about->will_expiry_s);
    wire_put_u64(out, about->will_due_ms);
    wire_put_leb(out, body_len(about->will));
    body_write(out, about->will);
}

int about_read(struct str bytes, struct durable_session **ret_about)
{
    struct wire_reader r = wire_reader(bytes.ptr, bytes.len, 0);
    uint8_t flags = wire_get_u8(&r);
    struct durable_session about = { .connected = flags & ABOUT_CONNECTED,
                                     .will_has_expiry = flags & ABOUT_WILL_EXPIRY };
    struct str will = { NULL, 0 };

    about.client_id = wire_get_bytes(&r, wire_get_leb(&r));
    about.expiry_s = wire_get_u32(&r);
    about.expires_ms = wire_get_u64(&r);
    about.sent_seq = wire_get_leb(&r);
    if (flags & ABOUT_WILL) {
        about.will_delay_s = wire_get_u32(&r);
        about.will_expiry_s = wire_get_u32(&r);
        about.will_due_ms = wire_get_u64(&r);
        will = wire_get_bytes(&r, wire_get_leb(&r));
    }
    int err = wire_finish(&r);
    if (!err && flags & ABOUT_WILL)
        err = body_read(will, &about.will);
    if (err)
        return err;
    struct durable_session *copy = malloc(sizeof *copy + about.client_id.len);
    if (!copy) {
        message_unref(about.will);
        return ERR_NOMEM;
    }
    *copy = about;
    if (about.client_id.len)
        memcpy(copy + 1, about.client_id.ptr, about.client_id.len);
    copy->client_id.ptr = (const char *)(copy + 1);
    *ret_about = copy;
    return ERR_OK;
}
