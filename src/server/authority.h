/* SPDX-License-Identifier: Apache-2.0 */
/* The authority says whether clients are who they say they are, by the users of a password
 * file: it answers the core's questions (CORE_ASK_AUTH).
 *
 * To verify a password takes milliseconds on purpose. That is done on libuv's pool, two at
 * a time so that name look-ups still find a thread, in the order of asking, and so many
 * wait at most; more are told that the broker is busy. Passwords that were verified lately
 * are known again at once (auth/password_cache.h). A name that nobody has costs the same
 * work as a wrong password. Messages of an enhanced authentication cost little and are
 * answered at once.
 *
 * Refusals of wrong passwords wait, the longer the more of them an address has had
 * (auth/failures.h); an address with too many that wait is told that the broker is busy, but
 * for passwords that are known. */
#pragma once

#include "auth/failures.h"
#include "auth/users.h"
#include "core/core.h"

#include <stdint.h>

struct authority;
struct uv_loop_s;

struct authority_config {
    struct uv_loop_s *loop;
    uint32_t checks_max; /* passwords that are being verified, or wait for it */
    uint32_t cache_max;  /* passwords that are known again */
    struct failures_config failures;
    /* An answer, from inside authority_ask or from the loop later. */
    void (*answer)(void *context, conn_id conn, const struct core_answer *answer);
    void *context;
};

/* An authority that knows nobody, and so refuses everybody; NULL when out of memory or
 * without random numbers. */
struct authority *authority_new(const struct authority_config *config);

/* Stop: waits for passwords that are being verified, so that the loop turns a few times.
 * Nothing is answered any more. Accepts NULL. */
void authority_free(struct authority *authority);

/* From now on these are the users; takes them over, the old ones are freed. NULL: none.
 * Clients that are in stay in, whatever became of their user; whoever authenticates anew
 * meets the new ones. */
void authority_set_users(struct authority *authority, struct users *users);

/* Let so many passwords wait, and refusals as long as failures says. */
void authority_set_limits(struct authority *authority, uint32_t checks_max,
                          const struct failures_config *failures);

/* Answer the question about a client at peer, "192.0.2.1:4711", now or later; its texts are
 * runs of bytes, borrowed for the call. */
void authority_ask(struct authority *authority, const struct core_ask *ask, struct str peer,
                   const uint8_t *bytes);

/* The connection is gone: forget what was under way. */
void authority_left(struct authority *authority, conn_id conn);

/* For looking in. */
struct authority_stats {
    uint64_t checks_waiting; /* those that run included */
    uint64_t checks_done;    /* passwords verified with work */
    uint64_t remembered;     /* ... and known again without */
    uint64_t refused_busy;
    uint64_t failures;         /* wrong passwords, by whatever method */
    uint64_t refused_early;    /* not looked at: too many of the address had failed */
    uint64_t refusals_waiting; /* now */
    uint64_t addresses;        /* that are remembered for their failures */
};
struct authority_stats authority_stats(const struct authority *authority);
