/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection is going to speak, told from its first bytes. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum hello {
    HELLO_MORE,     /* it cannot be told yet */
    HELLO_MQTT,     /* a CONNECT packet. [MQTT-3.1.0-1] */
    HELLO_HTTP,     /* a request line */
    HELLO_TLS_MQTT, /* TLS that offers mqtt, or does not say: what MQTT clients do */
    HELLO_TLS_HTTP, /* TLS that offers http/1.1. [RFC7301] */
    HELLO_NOTHING,  /* none of these */
};

/* Look at what has come so far. */
enum hello hello_look(const uint8_t *bytes, size_t len);
