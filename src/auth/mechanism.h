/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanisms of enhanced authentication (MQTT 5, 4.12), in a table: what a client names
 * as its Authentication Method, and how an exchange of it goes, message for message.
 * Another one is a file like scram_mechanism.c, a line here and a line in the table. */
#pragma once

#include "auth/users.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

enum { MECHANISM_RANDOM_LEN = 24 };

/* What a step may use. */
struct mechanism_world {
    const struct users *users;            /* NULL: there are none */
    uint8_t random[MECHANISM_RANDOM_LEN]; /* fresh, for this step */
};

struct mechanism {
    const char *name;
    /* A new exchange, owned by the caller, or NULL when out of memory. */
    void *(*begin)(void);
    /* What the client said, and what it is told: appended to out. ERR_OK: it is who it says
     * it is; ERR_MORE: it has to go on; ERR_DENIED; ERR_MALFORMED; ERR_NOMEM. */
    int (*step)(void *exchange, const struct mechanism_world *world, struct str data,
                struct buf *out);
    /* The user's name, borrowed; there is one when a step was ERR_OK. */
    struct str (*user)(const void *exchange);
    /* Free the exchange. Accepts NULL. */
    void (*end)(void *exchange);
};

/* The mechanism of this name, or NULL. */
const struct mechanism *mechanism_find(struct str name);

extern const struct mechanism mechanism_scram_sha_256;
