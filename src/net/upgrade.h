/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake of a WebSocket, asked and answered, as texts. Pure. [RFC6455 4] */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct head;

enum { UPGRADE_KEY_LEN = 24, UPGRADE_ACCEPT_LEN = 28 };

/* Does this request ask for a WebSocket at all? Whoever speaks HTTP/1.0 cannot, and other
 * protocols to change to are none of ours. [RFC9110 7.8] */
bool upgrade_is_asked(const struct head *head);

/* May it be had, as far as its handshake is concerned? 0, or the HTTP status that refuses.
 * *ret_protocol: the subprotocol to speak, static. [RFC6455 4.2.1] [MQTT-6.0.0-3] */
int upgrade_check(const struct head *head, struct str *ret_protocol);

/* Append the answer that changes to it. */
void upgrade_answer(const struct head *head, struct str protocol, struct buf *out);

/* Write the key for these 16 random bytes; at has room for its NUL too. */
void upgrade_key(const uint8_t random[16], char at[UPGRADE_KEY_LEN + 1]);

/* Append the request that asks this host for it. */
void upgrade_request(struct str host, struct str path, struct str key, struct buf *out);

/* Is this the answer to a request with this key that changes to mqtt? [RFC6455 4.1] */
bool upgrade_is_granted(const struct head *head, struct str key);
