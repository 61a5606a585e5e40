/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the world: everything that a peer, a disk or a user can do to us.
 *
 * Functions return an int: ERR_OK (0) or the negative of one of these. Our own bugs
 * are asserts. MQTT reason codes are protocol data and live in mqtt/reason.h. */
#pragma once

#define ERR_TABLE(X)                                                                              \
    X(OK, "success")                                                                              \
    X(NOMEM, "out of memory")                                                                     \
    X(MORE, "more bytes are needed")                                                              \
    X(MALFORMED, "malformed packet")                                                              \
    X(PROTOCOL, "protocol error")                                                                 \
    X(TOO_LARGE, "packet too large")                                                              \
    X(TOPIC_NAME, "invalid topic name")                                                           \
    X(TOPIC_FILTER, "invalid topic filter")                                                       \
    X(VERSION, "unsupported protocol version")                                                    \
    X(INVALID, "invalid argument")                                                                \
    X(LIMIT, "limit reached")                                                                     \
    X(EXISTS, "already exists")                                                                   \
    X(NOT_FOUND, "not found")                                                                     \
    X(STALE, "older than what is known")                                                          \
    X(CHECKSUM, "checksum does not match")                                                        \
    X(IO, "input/output error")                                                                   \
    X(CLOSED, "closed")                                                                           \
    X(DENIED, "denied")

enum err {
#define X(name, text) ERR_ENUM_##name,
    ERR_TABLE(X)
#undef X
        ERR_ENUM_COUNT
};

enum {
#define X(name, text) ERR_##name = -(int)ERR_ENUM_##name,
    ERR_TABLE(X)
#undef X
};

/* The sentence for an error as functions return it (0 or negative); never NULL. Static. */
const char *err_text(int err);
