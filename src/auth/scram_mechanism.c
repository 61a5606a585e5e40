/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM-SHA-256 with the users of the password file. */
#include "auth/base64.h"
#include "auth/mechanism.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdlib.h>

enum exchange_state {
    EXCHANGE_NEW,
    EXCHANGE_GREETED, /* the client began without data and was asked for some */
    EXCHANGE_CHALLENGED,
    EXCHANGE_OVER,
};

struct exchange {
    struct scram scram;
    enum exchange_state state;
};

static void *exchange_begin(void)
{
    return calloc(1, sizeof(struct exchange));
}

static void exchange_end(void *at)
{
    struct exchange *exchange = at;

    if (!exchange)
        return;
    scram_finish(&exchange->scram);
    free(exchange);
}

static struct str exchange_user(const void *at)
{
    return scram_name(&((const struct exchange *)at)->scram);
}

/* The client's first message. */
static int challenge(struct exchange *exchange, const struct mechanism_world *world,
                     struct str data, struct buf *out)
{
    struct scram *scram = &exchange->scram;
    struct scram_secret pretended;
    struct buf nonce = { 0 };
    struct str message;
    int err = scram_first(scram, data);

    if (err)
        return err;
    struct str name = scram_name(scram);
    const struct scram_secret *secret = world->users ? users_find(world->users, name) : NULL;
    users_pretend(world->users, name, &pretended);
    base64_append(&nonce, world->random, sizeof world->random);
    err = nonce.failed ? ERR_NOMEM
                       : scram_challenge(scram, secret ? secret : &pretended, secret != NULL,
                                         buf_str(&nonce), &message);
    buf_finish(&nonce);
    if (err)
        return err;
    buf_append_str(out, message);
    exchange->state = EXCHANGE_CHALLENGED;
    return out->failed ? ERR_NOMEM : ERR_MORE;
}

static int exchange_step(void *at, const struct mechanism_world *world, struct str data,
                         struct buf *out)
{
    struct exchange *exchange = at;

    switch (exchange->state) {
    case EXCHANGE_NEW:
        if (data.len == 0) { /* whoever begins it in CONNECT may say the first later */
            exchange->state = EXCHANGE_GREETED;
            return ERR_MORE;
        }
        return challenge(exchange, world, data, out);
    case EXCHANGE_GREETED: return challenge(exchange, world, data, out);
    case EXCHANGE_CHALLENGED:
        exchange->state = EXCHANGE_OVER;
        return scram_final(&exchange->scram, data, out);
    case EXCHANGE_OVER: break;
    }
    return ERR_MALFORMED;
}

const struct mechanism mechanism_scram_sha_256 = {
    .name = "SCRAM-SHA-256",
    .begin = exchange_begin,
    .step = exchange_step,
    .user = exchange_user,
    .end = exchange_end,
};
