/* SPDX-License-Identifier: Apache-2.0 */
/* A small TLS client for tests, on a socket of rig_connect. */
#pragma once

#include "rig.h"

#include <openssl/ssl.h>

struct peer {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

/* A client that believes the authority in ca_file (NULL: anybody). */
void peer_init(struct peer *peer, const char *ca_file);

/* Show this certificate. */
void peer_show(struct peer *peer, const char *certificate_file, const char *key_file);

/* Connect and shake hands; server_name may be NULL, alpn a list in wire format or NULL.
 * False: it failed. With TLS 1.3 a refused client certificate shows only later. */
bool peer_connect(struct peer *peer, struct rig *rig, int port, const char *server_name,
                  const char *alpn);

/* The common name of the server's certificate, into out. */
const char *peer_server(struct peer *peer, char *out, size_t size);

/* Send everything. */
void peer_send(struct peer *peer, struct rig *rig, const void *bytes, size_t len);

/* As many bytes as come at once, 0 when closed or refused. */
size_t peer_receive(struct peer *peer, struct rig *rig, void *bytes, size_t len);

/* Receive exactly these bytes, or fail the test. */
void peer_expect(struct peer *peer, struct rig *rig, const void *bytes, size_t len);

/* Close the connection, keep the settings. */
void peer_close(struct peer *peer);

/* Close and free everything. */
void peer_finish(struct peer *peer);

#define peer_say(peer, rig, text)  peer_send(peer, rig, text, sizeof(text) - 1)
#define peer_hear(peer, rig, text) peer_expect(peer, rig, text, sizeof(text) - 1)
