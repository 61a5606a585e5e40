/* SPDX-License-Identifier: Apache-2.0 */
/* One GET of one page over plain HTTP, blocking: for the health check of a container and
 * for the command line, which ask a broker near by. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

/* An answer; failure says in words why there is none. */
struct http_answer {
    int status;
    struct buf body;
    char failure[512];
};

/* Get url, http://HOST[:PORT][/PATH]; where it has no path (or only "/"), path is asked
 * for. ERR_OK with any status; ERR_INVALID for what is no such URL, ERR_TOO_LARGE, or
 * ERR_IO, and failure is set. The answer must be finished in any case. */
int http_get(const char *url, const char *path, uint32_t timeout_ms,
             struct http_answer *ret_answer);

/* Free the body. */
void http_answer_finish(struct http_answer *answer);

/* Is the broker at url (see http_get; its /healthz) well? 0 or 1, the exit status of a
 * health check; what is wrong goes to standard error. */
int http_health(const char *url);

/* Take the head off a whole response and its chunks apart. ERR_OK, or ERR_MALFORMED when
 * this is no HTTP response or it is cut short. For tests. */
int http_answer_parse(struct str response, struct http_answer *ret_answer);
