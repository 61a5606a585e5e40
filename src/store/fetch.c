/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fetch.h"

#include "base/err.h"
#include "store/body.h"

enum { AHEAD_MIN = 1024, AHEAD_MAX = 256 * 1024 };

/* Read the body's place and what is behind it. */
static int window_read(struct fetch *f, const struct delta_message *m)
{
    bool goes_on = f->segment == m->segment && m->offset >= f->offset &&
                   m->offset <= f->offset + f->window.len + AHEAD_MIN;
    size_t got = 0;

    f->ahead = !goes_on ? AHEAD_MIN : f->ahead < AHEAD_MAX ? f->ahead * 4 : AHEAD_MAX;
    size_t want = m->len > f->ahead ? m->len : f->ahead;
    f->segment = NULL;
    buf_clear(&f->window);
    if (!buf_reserve(&f->window, want))
        return ERR_NOMEM;
    int err = disk_read_all(f->disk, m->segment->file, f->window.data, want, m->offset, &got);
    if (err)
        return err;
    buf_advance(&f->window, got);
    f->segment = m->segment;
    f->offset = m->offset;
    return got < m->len ? ERR_CHECKSUM : ERR_OK;
}

int fetch_body(struct fetch *f, uint64_t id, const struct delta_message *m, struct str *ret_body)
{
    if (f->segment != m->segment || m->offset < f->offset ||
        m->offset + (uint64_t)m->len > f->offset + f->window.len) {
        int err = window_read(f, m);
        if (err)
            return err;
    }
    struct str body = { (const char *)f->window.data + (m->offset - f->offset), m->len };
    if (body_crc(id, body) != m->crc)
        return ERR_CHECKSUM;
    *ret_body = body;
    return ERR_OK;
}

void fetch_finish(struct fetch *fetch)
{
    buf_finish(&fetch->window);
    fetch->segment = NULL;
}
