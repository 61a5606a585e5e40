/* SPDX-License-Identifier: Apache-2.0 */
/* A password file, and what a client says in an exchange of SCRAM-SHA-256: parts between
 * NULs, the file first. What was read can be written and read again; nobody gets in. */
#include "fuzz.h"

#include "auth/mechanism.h"
#include "auth/users.h"
#include "base/err.h"

#include <string.h>

static struct users *users_from(struct str text)
{
    struct users *users = NULL;
    struct buf errors = { 0 };
    int err = users_parse(text, "file", &users, &errors);

    assert((err == ERR_OK) == (users != NULL) && (err == ERR_OK) == (errors.len == 0));
    buf_finish(&errors);
    return users;
}

/* Change a user of the file: it can be found then, if the rest can be read. */
static void change(struct str text)
{
    struct scram_secret secret = { .salt = { 1 }, .salt_len = 1, .iterations = 4096 };
    struct buf changed = { 0 };

    users_text_change(text, STR("user"), &secret, &changed);
    struct users *users = users_from(buf_str(&changed));
    assert(!users || users_find(users, STR("user")));
    users_free(users);
    buf_finish(&changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mechanism *mechanism = mechanism_find(STR("SCRAM-SHA-256"));
    struct str input = { (const char *)data, size };
    struct str file = str_slice(input, 0, str_find(input, '\0', 0));
    struct users *users = users_from(file);
    struct mechanism_world world = { .users = users };
    struct buf out = { 0 };
    void *exchange = mechanism->begin();
    int err = ERR_MORE;

    change(file);
    for (size_t at = file.len + 1; exchange && err == ERR_MORE && at <= size;) {
        size_t end = str_find(input, '\0', at);
        err = mechanism->step(exchange, &world, str_slice(input, at, end), &out);
        assert(err != ERR_OK);
        at = end + 1;
    }
    mechanism->end(exchange);
    users_free(users);
    buf_finish(&out);
    return 0;
}
