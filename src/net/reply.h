/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer to an HTTP request, as text. Pure. [RFC9112 4] */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct reply {
    unsigned status;
    const char *content_type; /* NULL: there is no body */
    size_t body_len;
    struct str allow; /* the methods there are; empty: not said */
    bool upgrade;     /* say which WebSocket we speak. [RFC6455 4.4] [RFC9110 15.5.22] */
    bool close;       /* the connection ends behind it */
};

/* Append it, up to its empty line. */
void reply_write(const struct reply *reply, struct buf *out);
