/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/users.h"

#include "auth/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/vec.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

static const struct str scheme = { "SCRAM-SHA-256$", 14 };

enum { PRETENDED_SALT_LEN = 16 };

struct user {
    struct str name; /* in the users' text */
    struct scram_secret secret;
    size_t line;
};

struct users {
    char *text; /* what names borrow */
    struct {
        VEC(struct user);
    } list;
    struct map by_name;
};

/* ---- lines ---- */

bool user_name_is_valid(struct str name)
{
    if (name.len == 0 || name.len > SCRAM_NAME_MAX || name.ptr[0] == '#' || !str_is_mqtt_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < ' ' || name.ptr[i] == 0x7f || name.ptr[i] == ':')
            return false;
    }
    return true;
}

void user_line_append(struct buf *out, struct str name, const struct scram_secret *secret)
{
    assert(user_name_is_valid(name));
    buf_append_str(out, name);
    buf_append_u8(out, ':');
    buf_append_str(out, scheme);
    buf_printf(out, "%" PRIu32 ":", secret->iterations);
    base64_append(out, secret->salt, secret->salt_len);
    buf_append_u8(out, '$');
    base64_append(out, secret->stored_key, SCRAM_KEY_LEN);
    buf_append_u8(out, ':');
    base64_append(out, secret->server_key, SCRAM_KEY_LEN);
    buf_append_u8(out, '\n');
}

bool users_text_change(struct str text, struct str name, const struct scram_secret *secret,
                       struct buf *out)
{
    bool found = false;

    for (size_t at = 0; at < text.len;) {
        struct str line = str_slice(text, at, str_find(text, '\n', at));
        size_t colon = str_find(line, ':', 0);
        bool theirs = colon < line.len && str_equal(str_slice(line, 0, colon), name);
        if (!theirs) {
            buf_append_str(out, line);
            buf_append_u8(out, '\n');
        } else if (secret && !found) {
            user_line_append(out, name, secret);
        }
        found = found || theirs;
        at += line.len + 1;
    }
    if (secret && !found)
        user_line_append(out, name, secret);
    return found;
}

/* What stands before the delimiter; *rest moves behind it. */
static struct str cut(struct str *rest, char delimiter)
{
    size_t end = str_find(*rest, delimiter, 0);
    struct str part = str_slice(*rest, 0, end);

    *rest = str_slice(*rest, end + 1, rest->len);
    return part;
}

static bool number_parse(struct str text, uint32_t *ret_number)
{
    uint32_t number = 0;

    if (text.len == 0 || text.len > 8)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *ret_number = number;
    return true;
}

static bool key_parse(struct str text, uint8_t key[SCRAM_KEY_LEN])
{
    size_t len;

    return base64_decode(text, key, SCRAM_KEY_LEN, &len) && len == SCRAM_KEY_LEN;
}

/* NULL, or what is wrong. */
static const char *user_parse(struct str line, struct user *ret_user)
{
    struct user user = { .name = { NULL, 0 } };
    struct str rest = line;
    size_t salt_len;

    user.name = cut(&rest, ':');
    if (user.name.len == line.len)
        return "no colon behind the user's name";
    if (!user_name_is_valid(user.name))
        return "the user's name is empty, longer than 255 bytes, or has characters that no name "
               "may have";
    if (!str_starts_with(rest, scheme))
        return "what stands behind the name is not SCRAM-SHA-256$...; plexus passwd writes it";
    rest = str_slice(rest, scheme.len, rest.len);
    if (!number_parse(cut(&rest, ':'), &user.secret.iterations) ||
        user.secret.iterations < SCRAM_ITERATIONS_MIN ||
        user.secret.iterations > USERS_ITERATIONS_MAX)
        return "iterations are not a number of 4096 to 10000000";
    if (!base64_decode(cut(&rest, '$'), user.secret.salt, SCRAM_SALT_MAX, &salt_len) ||
        salt_len == 0)
        return "the salt is not 1 to 64 bytes in base64";
    user.secret.salt_len = (uint8_t)salt_len;
    if (!key_parse(cut(&rest, ':'), user.secret.stored_key) ||
        !key_parse(rest, user.secret.server_key))
        return "the keys are not 32 bytes each in base64";
    *ret_user = user;
    return NULL;
}

/* ---- the file ---- */

static uint64_t hash_of(struct str name)
{
    return hash_fast(0, name.ptr, name.len); /* names come from the file, not from strangers */
}

static bool user_has_name(const void *entry, const void *key)
{
    return str_equal(((const struct user *)entry)->name, *(const struct str *)key);
}

/* Take each line into the list. */
static int take_lines(struct users *users, struct str text, const char *name, struct buf *errors)
{
    size_t number = 1;
    int err = ERR_OK;

    for (size_t at = 0; at < text.len; number++) {
        size_t end = str_find(text, '\n', at);
        struct str line = str_slice(text, at, end);
        struct user user;
        at = end + 1;
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        const char *wrong = user_parse(line, &user);
        if (wrong) {
            buf_printf(errors, "%s:%zu: %s\n", name, number, wrong);
            err = ERR_INVALID;
            continue;
        }
        user.line = number;
        struct user *slot = vec_push(&users->list);
        if (!slot)
            return ERR_NOMEM;
        *slot = user;
    }
    return err;
}

/* Once the list stands: entries of the map point into it. */
static int index_names(struct users *users, const char *name, struct buf *errors)
{
    int err = ERR_OK;

    vec_each (&users->list, user) {
        const struct user *other = map_find(&users->by_name, hash_of(user->name), &user->name);
        if (other) {
            buf_printf(errors, "%s:%zu: the user of line %zu again\n", name, user->line,
                       other->line);
            err = ERR_INVALID;
        } else if (map_insert(&users->by_name, hash_of(user->name), user) != ERR_OK) {
            return ERR_NOMEM;
        }
    }
    return err;
}

int users_parse(struct str text, const char *name, struct users **ret_users, struct buf *errors)
{
    struct users *users = calloc(1, sizeof *users);

    if (!users)
        return ERR_NOMEM;
    map_init(&users->by_name, user_has_name);
    users->text = str_to_c(text);
    int err = users->text ? take_lines(users, (struct str){ users->text, text.len }, name, errors)
                          : ERR_NOMEM;
    if (!err || err == ERR_INVALID) {
        int twice = index_names(users, name, errors);
        err = twice ? twice : err;
    }
    if (err) {
        users_free(users);
        return err;
    }
    *ret_users = users;
    return ERR_OK;
}

int users_load(const char *path, struct users **ret_users, struct buf *errors)
{
    struct buf text = { 0 };
    int err = file_read(path, USERS_FILE_BYTES_MAX, &text);

    if (err)
        buf_printf(errors, "%s: cannot be read: %s\n", path,
                   err == ERR_IO ? strerror(errno) : err_text(err));
    else
        err = users_parse(buf_str(&text), path, ret_users, errors);
    buf_finish(&text);
    return err;
}

void users_free(struct users *users)
{
    if (!users)
        return;
    map_finish(&users->by_name);
    if (users->list.at)
        OPENSSL_cleanse(users->list.at, users->list.len * sizeof *users->list.at);
    vec_finish(&users->list);
    free(users->text);
    free(users);
}

/* ---- asking ---- */

size_t users_count(const struct users *users)
{
    return users->list.len;
}

const struct scram_secret *users_find(const struct users *users, struct str name)
{
    const struct user *user = map_find(&users->by_name, hash_of(name), &name);

    return user ? &user->secret : NULL;
}

void users_pretend(const struct users *users, struct str name, struct scram_secret *ret_secret)
{
    struct scram_secret secret = { .salt_len = PRETENDED_SALT_LEN,
                                   .iterations = SCRAM_ITERATIONS_MIN };
    const struct user *first = users && users->list.len ? users->list.at : NULL;
    const uint8_t *bytes = (const uint8_t *)(name.len ? name.ptr : "");
    uint8_t key[2 * SCRAM_KEY_LEN] = { 0 }, mixed[SCRAM_KEY_LEN] = { 0 };
    uint64_t draw;

    _Static_assert(SCRAM_SALT_MAX == 64, "a salt is as long as a SHA-512");
    if (first) {
        memcpy(key, first->secret.server_key, SCRAM_KEY_LEN);
        memcpy(key + SCRAM_KEY_LEN, first->secret.stored_key, SCRAM_KEY_LEN);
    }
    HMAC(EVP_sha512(), key, sizeof key, bytes, name.len, secret.salt, NULL);
    HMAC(EVP_sha256(), key, sizeof key, bytes, name.len, mixed, NULL);
    OPENSSL_cleanse(key, sizeof key);
    memcpy(&draw, mixed, sizeof draw);
    if (first) {
        const struct user *like = &users->list.at[draw % users->list.len];
        secret.iterations = like->secret.iterations;
        secret.salt_len = like->secret.salt_len;
    }
    *ret_secret = secret;
}
