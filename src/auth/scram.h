/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM-SHA-256, the server's side, as messages in and out: who knows the password proves
 * it without saying it, and is shown that we know it too. Randomness and the look-up of
 * users are the caller's. No channel binding, no names to act for. RFC 5802, RFC 7677.
 *
 *     scram_first      reads the client's first message: whose secret is wanted
 *     scram_challenge  writes the server's first
 *     scram_final      reads the client's final message, and writes the server's */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SCRAM_KEY_LEN = 32,
    SCRAM_SALT_MAX = 64,
    SCRAM_NAME_MAX = 255,
    SCRAM_NONCE_MAX = 128,  /* of each side */
    SCRAM_FIRST_MAX = 1024, /* of the client's first message, which is kept */
    SCRAM_ITERATIONS_MIN = 4096,
};

/* What is kept of a user's password. */
struct scram_secret {
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t salt_len;
    uint32_t iterations;
    uint8_t stored_key[SCRAM_KEY_LEN];
    uint8_t server_key[SCRAM_KEY_LEN];
};

/* Make the secret of a password. salt: random, 1 to SCRAM_SALT_MAX bytes; iterations at
 * least SCRAM_ITERATIONS_MIN. The password is taken as its bytes are: a client that
 * prepares others than ASCII (RFC 4013) must have been given the prepared ones. ERR_OK or
 * ERR_NOMEM. */
int scram_secret_make(struct str password, struct str salt, uint32_t iterations,
                      struct scram_secret *ret_secret);

/* Is it the secret of this password? Takes as long as the secret has iterations, and the
 * same for any password. May run on any thread. */
bool scram_secret_fits(const struct scram_secret *secret, struct str password);

/* One exchange. A zeroed struct is one that has not begun. */
struct scram {
    struct scram_secret secret;
    char name[SCRAM_NAME_MAX];
    uint8_t name_len;
    bool unknown;     /* there is no such user: the exchange goes on, and fails */
    uint8_t gs2_len;  /* of "n,," or "y,," at the beginning of first */
    struct buf first; /* the client's first message */
    struct buf challenge;
    size_t nonce_len; /* of both nonces, which begin challenge behind r= */
};

/* Free the memory. Accepts a zeroed struct. */
void scram_finish(struct scram *scram);

/* Read the client's first message; scram is zeroed. The user's name stands in it then.
 * ERR_OK, ERR_MALFORMED, ERR_NOMEM. */
int scram_first(struct scram *scram, struct str message);

/* The user's name, borrowed. */
static inline struct str scram_name(const struct scram *scram)
{
    return (struct str){ scram->name, scram->name_len };
}

/* Write the challenge, borrowed from scram. known false: there is no such user; the
 * exchange goes on with a secret that was made up, and fails. nonce: random, printable,
 * without comma. ERR_OK or ERR_NOMEM. */
int scram_challenge(struct scram *scram, const struct scram_secret *secret, bool known,
                    struct str nonce, struct str *ret_message);

/* Read the client's final message and write ours to out. ERR_OK: it knows the password;
 * ERR_DENIED; ERR_MALFORMED; ERR_NOMEM. */
int scram_final(const struct scram *scram, struct str message, struct buf *out);
