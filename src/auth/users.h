/* SPDX-License-Identifier: Apache-2.0 */
/* The users of a password file: a line each,
 *
 *     name:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
 *
 * with salt and keys in base64 (RFC 5803). Such a record verifies a password, and serves
 * SCRAM-SHA-256, without holding either the password or what a client would need to show
 * that it knows it. Empty lines, and those that begin with #, say nothing. */
#pragma once

#include "auth/scram.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct users;

enum { USERS_FILE_BYTES_MAX = 64 << 20, USERS_ITERATIONS_MAX = 10000000 };

/* May a user be called so? Not empty, at most SCRAM_NAME_MAX bytes of UTF-8 without colon
 * and control characters, and no # at its begin. */
bool user_name_is_valid(struct str name);

/* Append the line of a user, with its newline; failure is sticky in out. */
void user_line_append(struct buf *out, struct str name, const struct scram_secret *secret);

/* Append the text of a password file with the user's line changed: replaced by one with this
 * secret, or added, or left out where secret is NULL. All other lines stay as they are.
 * False when the user was not there before; failure is sticky in out. */
bool users_text_change(struct str text, struct str name, const struct scram_secret *secret,
                       struct buf *out);

/* Read a text of lines that people know by this name. ERR_OK; ERR_INVALID with a line in
 * errors for each that is wrong: "users.passwd:3: ..."; ERR_NOMEM. */
int users_parse(struct str text, const char *name, struct users **ret_users, struct buf *errors);

/* Read the file. As users_parse, or ERR_IO with a line in errors. */
int users_load(const char *path, struct users **ret_users, struct buf *errors);

/* Free them. Accepts NULL. */
void users_free(struct users *users);

/* How many they are. */
size_t users_count(const struct users *users);

/* The secret of the user of this name, borrowed, or NULL. */
const struct scram_secret *users_find(const struct users *users, struct str name);

/* A secret that nobody has, for a name that nobody has: whoever asks for it again is shown
 * the same salt, also after a restart, with iterations like those of a user that there is.
 * So strangers do not learn who exists. What decides is the first user's keys: it stays the
 * same as long as that line does. users may be NULL: there are none. */
void users_pretend(const struct users *users, struct str name, struct scram_secret *ret_secret);
