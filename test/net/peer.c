/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void peer_init(struct peer *peer, const char *ca_file)
{
    *peer = (struct peer){ .context = SSL_CTX_new(TLS_client_method()), .fd = -1 };
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX_set_mode(peer->context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!ca_file)
        return;
    ck_assert_int_eq(SSL_CTX_load_verify_locations(peer->context, ca_file, NULL), 1);
    SSL_CTX_set_verify(peer->context, SSL_VERIFY_PEER, NULL);
}

void peer_show(struct peer *peer, const char *certificate_file, const char *key_file)
{
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(peer->context, certificate_file), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(peer->context, key_file, SSL_FILETYPE_PEM), 1);
}

/* After a call that did not succeed: run the rig and try again? */
static bool again(struct peer *peer, struct rig *rig, int result)
{
    int why = SSL_get_error(peer->ssl, result);

    rig_turn(rig);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

bool peer_connect(struct peer *peer, struct rig *rig, int port, const char *server_name,
                  const char *alpn)
{
    int result;

    peer_close(peer);
    peer->fd = rig_connect(port);
    peer->ssl = SSL_new(peer->context);
    SSL_set_fd(peer->ssl, peer->fd);
    if (server_name)
        SSL_set_tlsext_host_name(peer->ssl, server_name);
    if (alpn)
        SSL_set_alpn_protos(peer->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    for (;;) {
        ERR_clear_error();
        result = SSL_connect(peer->ssl);
        if (result == 1)
            return true;
        if (!again(peer, rig, result))
            return false;
    }
}

const char *peer_server(struct peer *peer, char *out, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(peer->ssl);

    ck_assert_ptr_nonnull(certificate);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, (int)size);
    return out;
}

void peer_send(struct peer *peer, struct rig *rig, const void *bytes, size_t len)
{
    const char *at = bytes;
    size_t sent;

    while (len > 0) {
        ERR_clear_error();
        if (SSL_write_ex(peer->ssl, at, len, &sent) == 1) {
            at += sent;
            len -= sent;
        } else if (!again(peer, rig, 0)) {
            return; /* whoever listens for the answer finds out */
        }
    }
}

size_t peer_receive(struct peer *peer, struct rig *rig, void *bytes, size_t len)
{
    uint64_t end = uv_hrtime() + (uint64_t)RIG_WAIT_MS * 1000000;
    size_t got;

    while (uv_hrtime() < end) {
        ERR_clear_error();
        if (SSL_read_ex(peer->ssl, bytes, len, &got) == 1)
            return got;
        if (!again(peer, rig, 0))
            return 0;
    }
    ck_abort_msg("nothing was received");
    return 0;
}

void peer_expect(struct peer *peer, struct rig *rig, const void *bytes, size_t len)
{
    char *got = malloc(len);

    for (size_t at = 0; at < len;) {
        size_t part = peer_receive(peer, rig, got + at, len - at);
        ck_assert_msg(part > 0, "closed with %zu bytes missing", len - at);
        at += part;
    }
    ck_assert_mem_eq(got, bytes, len);
    free(got);
}

void peer_close(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    SSL_free(peer->ssl);
    close(peer->fd);
    peer->fd = -1;
}

void peer_finish(struct peer *peer)
{
    peer_close(peer);
    SSL_CTX_free(peer->context);
}
