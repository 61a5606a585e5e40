/* SPDX-License-Identifier: Apache-2.0 */
#include "server/identity.h"

#include "base/err.h"
#include "base/file.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Incarnations count seconds from 2024-01-01, so that one fits 32 bits for a century and
 * grows even where nothing could be kept. */
static const uint64_t INC_EPOCH_S = 1704067200;

enum { PATH_CHARS_MAX = 4200 };

void identity_hex(const struct node_id *id, char out[2 * NODE_ID_LEN + 1])
{
    for (size_t i = 0; i < NODE_ID_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
}

static bool hex_parse(const char *text, struct node_id *ret_id)
{
    struct node_id id;

    if (strlen(text) != 2 * NODE_ID_LEN || strspn(text, "0123456789abcdef") != 2 * NODE_ID_LEN)
        return false;
    for (size_t i = 0; i < NODE_ID_LEN; i++) {
        unsigned byte;
        sscanf(text + 2 * i, "%2x", &byte);
        id.bytes[i] = (uint8_t)byte;
    }
    *ret_id = id;
    return true;
}

/* Replace DIR/node.json in one step: whoever reads it sees the old or the new one. */
static int save(const struct identity *identity, uint32_t inc)
{
    char path[PATH_CHARS_MAX], id[2 * NODE_ID_LEN + 1], text[128];

    snprintf(path, sizeof path, "%s/node.json", identity->dir);
    identity_hex(&identity->id, id);
    snprintf(text, sizeof text, "{\"id\": \"%s\", \"incarnation\": %u}\n", id, inc);
    return file_replace(path, str_from_c(text), 0600);
}

/* What an earlier start wrote. ERR_OK, ERR_NOT_FOUND, or ERR_INVALID. */
static int load(const struct identity *identity, struct node_id *ret_id, uint32_t *ret_inc)
{
    char path[PATH_CHARS_MAX];
    const char *id;
    json_int_t inc;

    snprintf(path, sizeof path, "%s/node.json", identity->dir);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return ERR_NOT_FOUND;
    json_t *root = json_load_file(path, 0, NULL);
    int err = root && json_unpack(root, "{s:s, s:I}", "id", &id, "incarnation", &inc) == 0 &&
                      inc >= 0 && inc < UINT32_MAX && hex_parse(id, ret_id)
                  ? ERR_OK
                  : ERR_INVALID;
    if (err == ERR_OK)
        *ret_inc = (uint32_t)inc;
    json_decref(root);
    return err;
}

/* Make the directory if need be and keep others out of it. */
static int lock_directory(struct identity *identity, struct buf *errors)
{
    char path[PATH_CHARS_MAX];

    if (mkdir(identity->dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(errors, "%s: cannot be made: %s\n", identity->dir, strerror(errno));
        return ERR_IO;
    }
    snprintf(path, sizeof path, "%s/lock", identity->dir);
    identity->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (identity->lock < 0) {
        buf_printf(errors, "%s: cannot be written: %s\n", path, strerror(errno));
        return ERR_IO;
    }
    if (flock(identity->lock, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(errors, "%s: is in use by another broker\n", identity->dir);
        return ERR_EXISTS;
    }
    return ERR_OK;
}

static int open_directory(struct identity *identity, const char *dir, struct buf *errors)
{
    uint32_t before = 0;

    identity->dir = strdup(dir);
    if (!identity->dir)
        return ERR_NOMEM;
    int err = lock_directory(identity, errors);
    if (err)
        return err;
    err = load(identity, &identity->id, &before);
    if (err == ERR_INVALID) {
        buf_printf(errors,
                   "%s/node.json: cannot be understood; without it this broker would be "
                   "another one: restore it, or remove it to begin anew\n",
                   dir);
        return err;
    }
    if (err == ERR_OK && before + 1 > identity->inc)
        identity->inc = before + 1;
    err = save(identity, identity->inc);
    if (err)
        buf_printf(errors, "%s/node.json: cannot be written: %s\n", dir, strerror(errno));
    return err;
}

int identity_open(struct identity *identity, const char *dir, uint64_t wall_ms, struct buf *errors)
{
    uint64_t seconds = wall_ms / 1000;

    *identity = (struct identity){ .lock = -1 };
    if (os_random(&identity->id, sizeof identity->id) != ERR_OK ||
        os_random(&identity->boot, sizeof identity->boot) != ERR_OK) {
        buf_printf(errors, "the kernel gives no random numbers\n");
        return ERR_IO;
    }
    identity->inc = seconds > INC_EPOCH_S ? (uint32_t)(seconds - INC_EPOCH_S) : 1;
    if (!dir || !dir[0])
        return ERR_OK;
    return open_directory(identity, dir, errors);
}

int identity_persist(struct identity *identity, uint32_t inc)
{
    int err = identity->dir ? save(identity, inc) : ERR_OK;

    if (err == ERR_OK)
        identity->inc = inc;
    return err;
}

void identity_close(struct identity *identity)
{
    free(identity->dir);
    identity->dir = NULL;
    if (identity->lock > 0)
        close(identity->lock);
    identity->lock = -1;
}
