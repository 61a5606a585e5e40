/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include "base/err.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 256, TICKETS = 1, TICKET_KEYS_MAX = 128 };

struct tls {
    const struct tls_config *config;
    const char *name;
    enum tls_use use;
    SSL_CTX **contexts; /* one for each certificate */
    SSL_CTX *shell;     /* lent; NULL: none */
};

const char *tls_reason(const SSL *ssl, char *out, size_t size)
{
    unsigned long code = ERR_peek_error();
    long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    const char *reason = code ? ERR_reason_error_string(code) : "connection closed";

    if (reason)
        return reason;
    ERR_error_string_n(code, out, size);
    return out;
}

/* A line about a file that cannot be used. */
static int complain(const struct tls *tls, const char *what, const char *file, struct buf *errors)
{
    char words[REASON_MAX];

    buf_printf(errors, "listener %s: %s %s: %s\n", tls->name, what, file,
               tls_reason(NULL, words, sizeof words));
    ERR_clear_error();
    return ERR_IO;
}

/* A key that asks for a password is one that cannot be used: nobody sits here. */
static int no_password(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

/* Choose among what the client offers; offering only what we do not speak is an error, so
 * that nobody is led to talk to the wrong service. [RFC7301 3.2] */
static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                   const unsigned char *offered, unsigned len, void *context)
{
    static const struct {
        const char *names;
        unsigned len;
    } spoken[] = {
        [TLS_MQTT] = { "\4mqtt", 5 },
        [TLS_WEB] = { "\x08http/1.1", 9 },
        [TLS_AUTO] = { "\4mqtt\x08http/1.1", 14 },
    };
    const struct tls *tls = context;

    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)ret_name, ret_len,
                              (const unsigned char *)spoken[tls->use].names, spoken[tls->use].len,
                              offered, len) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Take the certificate that bears the name which the client asks for. */
static int on_name(SSL *ssl, int *alert, void *context)
{
    const struct tls *tls = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    size_t chosen = 0;

    (void)alert;
    for (size_t i = 0; name && i < tls->config->certificate_count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(tls->contexts[i]), name, 0, 0, NULL) == 1) {
            chosen = i;
            break;
        }
    }
    SSL_set_SSL_CTX(ssl, tls->contexts[chosen]);
    return SSL_TLSEXT_ERR_OK;
}

/* What holds for each certificate alike. */
static int configure(const struct tls *tls, SSL_CTX *context, struct buf *errors)
{
    const struct tls_config *config = tls->config;
    int verify = config->client == TLS_CLIENT_NONE ? SSL_VERIFY_NONE
                 : config->client == TLS_CLIENT_OPTIONAL
                     ? SSL_VERIFY_PEER
                     : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

    SSL_CTX_set_min_proto_version(context, config->tls_13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_verify(context, verify, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets alone */
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"plexus", 6);
    SSL_CTX_set_num_tickets(context, TICKETS);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, (void *)tls);
    SSL_CTX_set_tlsext_servername_callback(context, on_name);
    SSL_CTX_set_tlsext_servername_arg(context, (void *)tls);
    if (config->ciphers && SSL_CTX_set_cipher_list(context, config->ciphers) != 1)
        return complain(tls, "ciphers", config->ciphers, errors);
    if (config->ciphersuites && SSL_CTX_set_ciphersuites(context, config->ciphersuites) != 1)
        return complain(tls, "ciphersuites", config->ciphersuites, errors);
    return ERR_OK;
}

/* Whom we believe, and whom no more. NULL: complained. */
static X509_STORE *load_authorities(const struct tls *tls, struct buf *errors)
{
    const struct tls_config *config = tls->config;
    X509_STORE *store = X509_STORE_new();

    if (!store || !config->ca_file)
        return store;
    if (X509_STORE_load_file(store, config->ca_file) != 1) {
        complain(tls, "ca_file", config->ca_file, errors);
        X509_STORE_free(store);
        return NULL;
    }
    if (!config->crl_file)
        return store;
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (!lookup || X509_load_crl_file(lookup, config->crl_file, X509_FILETYPE_PEM) < 1) {
        complain(tls, "crl_file", config->crl_file, errors);
        X509_STORE_free(store);
        return NULL;
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return store;
}

static int load_files(const struct tls *tls, const struct tls_certificate *from, SSL_CTX *context,
                      struct buf *errors)
{
    const char *ca_file = tls->config->ca_file;

    if (SSL_CTX_use_certificate_chain_file(context, from->certificate_file) != 1)
        return complain(tls, "certificate_file", from->certificate_file, errors);
    if (SSL_CTX_use_PrivateKey_file(context, from->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return complain(tls, "key_file", from->key_file, errors);
    if (ca_file && tls->config->client != TLS_CLIENT_NONE)
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(ca_file));
    return ERR_OK;
}

static void free_contexts(SSL_CTX **contexts, size_t count)
{
    for (size_t i = 0; contexts && i < count; i++)
        SSL_CTX_free(contexts[i]);
    free(contexts);
}

/* What was resumed by tickets of before would be believed without being looked at. Those of a
 * context end with it; of a shell, that stays, the keys must change. */
static void void_tickets(SSL_CTX *shell)
{
    unsigned char keys[TICKET_KEYS_MAX];
    long len = SSL_CTX_set_tlsext_ticket_keys(shell, NULL, 0); /* 0, or how many it wants */

    if (len <= 0 || len > TICKET_KEYS_MAX || RAND_bytes(keys, (int)len) != 1 ||
        SSL_CTX_set_tlsext_ticket_keys(shell, keys, len) != 1)
        SSL_CTX_set_options(shell, SSL_OP_NO_TICKET);
    OPENSSL_cleanse(keys, sizeof keys);
}

int tls_reload(struct tls *tls, struct buf *errors)
{
    size_t count = tls->config->certificate_count;
    SSL_CTX **contexts = calloc(count + 1, sizeof *contexts);

    ERR_clear_error();
    X509_STORE *store = contexts ? load_authorities(tls, errors) : NULL;
    int err = store ? ERR_OK : ERR_IO;

    for (size_t i = 0; i < count && !err; i++) {
        contexts[i] = SSL_CTX_new(TLS_server_method());
        err = contexts[i] ? configure(tls, contexts[i], errors) : ERR_NOMEM;
        if (!err)
            err = load_files(tls, &tls->config->certificates[i], contexts[i], errors);
        if (!err)
            SSL_CTX_set1_cert_store(contexts[i], store);
    }
    X509_STORE_free(store);
    if (err) {
        free_contexts(contexts, count);
        return ERR_IO;
    }
    free_contexts(tls->contexts, count);
    tls->contexts = contexts;
    if (tls->shell)
        void_tickets(tls->shell);
    return ERR_OK;
}

struct tls *tls_new(const struct tls_config *config, enum tls_use use, const char *name,
                    struct buf *errors)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (!tls || config->certificate_count == 0) {
        free(tls);
        return NULL;
    }
    *tls = (struct tls){ .config = config, .name = name, .use = use };
    if (tls_reload(tls, errors) == ERR_OK)
        return tls;
    free(tls);
    return NULL;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    free_contexts(tls->contexts, tls->config->certificate_count);
    SSL_CTX_free(tls->shell);
    free(tls);
}

SSL *tls_accept(struct tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->contexts[0]);

    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

/* Before anything is read of the client's hello: from here on, our context counts. */
static int on_hello(SSL *ssl, int *alert, void *context)
{
    const struct tls *tls = context;

    (void)alert;
    SSL_set_SSL_CTX(ssl, tls->contexts[0]);
    return SSL_CLIENT_HELLO_SUCCESS;
}

void tls_lend(struct tls *tls, SSL_CTX *shell)
{
    struct buf errors = { 0 };

    configure(tls, shell, &errors); /* nothing in it can fail that did not before */
    buf_finish(&errors);
    SSL_CTX_set_read_ahead(shell, 0); /* its owner may not look for bytes that lie in OpenSSL */
    SSL_CTX_set_client_hello_cb(shell, on_hello, tls);
    SSL_CTX_up_ref(shell);
    tls->shell = shell;
}

/* The first common name of a certificate's subject as UTF-8, its length; < 0: none. */
static int common_name(const X509 *certificate, unsigned char **ret_name)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0)
        return -1;
    return ASN1_STRING_to_UTF8(ret_name,
                               X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

int tls_username(const struct tls *tls, const SSL *ssl, char **ret_name)
{
    X509 *certificate = tls->config->username ? SSL_get1_peer_certificate(ssl) : NULL;
    unsigned char *text = NULL;

    *ret_name = NULL;
    if (!certificate)
        return ERR_OK;
    int len = common_name(certificate, &text);
    struct str name = { (const char *)text, len > 0 ? (size_t)len : 0 };
    bool usable = name.len > 0 && name.len <= UINT16_MAX && str_is_mqtt_utf8(name);

    if (usable)
        *ret_name = str_to_c(name);
    OPENSSL_free(text);
    X509_free(certificate);
    return !usable ? ERR_INVALID : *ret_name ? ERR_OK : ERR_NOMEM;
}
