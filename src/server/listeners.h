/* SPDX-License-Identifier: Apache-2.0 */
/* From the listeners of a configuration to those of a net. */
#pragma once

#include "config/config.h"
#include "net/net.h"

struct config_address;
struct ip_block;
struct tls_config;

/* Owned; what it points to is the config's. A zeroed one is empty. */
struct listeners {
    struct listener_config *at; /* mqtt.listen, web.listen, listeners */
    size_t count, plain;        /* plain: those of the two lists */
    struct config_address *addresses;
    struct tls_config *tls;
    struct tls_certificate *certificates;
    struct ip_block *trusted;
};

/* ERR_OK or ERR_NOMEM; listeners_finish frees in both cases. */
int listeners_make(struct listeners *listeners, const struct config *config);

/* Accepts an empty one. */
void listeners_finish(struct listeners *listeners);
