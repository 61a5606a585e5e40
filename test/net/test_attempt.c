/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "certs.h"
#include "rig.h"

#include "net/attempt.h"
#include "net/head.h"
#include "net/turn.h"
#include "net/upgrade.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A rig that dials, and a server with TLS in this very thread. */
struct stage {
    struct rig rig;
    struct certs certs;
    SSL_CTX *server, *client;
    int listener, fd;
    SSL *ssl; /* of the server */
    struct sockaddr_in address;
    struct addrinfo info;
    struct attempt *attempt;
    /* what became of the attempt */
    bool over;
    struct attempt_end end;
    char early[64], words[256];
};

static void on_end(void *context, const struct attempt_end *end)
{
    struct stage *s = context;

    ck_assert(!s->over && end->early.len < sizeof s->early);
    s->over = true;
    s->end = *end;
    s->attempt = NULL;
    memcpy(s->early, end->early.ptr ? end->early.ptr : "", end->early.len);
    snprintf(s->words, sizeof s->words, "%s", end->words ? end->words : "");
}

static void stage_open(struct stage *s, const char *name)
{
    char path[CERTS_PATH_MAX];
    socklen_t len = sizeof s->address;

    memset(s, 0, sizeof *s);
    signal(SIGPIPE, SIG_IGN);
    rig_init(&s->rig);
    rig_start(&s->rig);
    certs_init(&s->certs);
    certs_make(&s->certs, "peer", name);
    s->server = SSL_CTX_new(TLS_server_method());
    s->client = SSL_CTX_new(TLS_client_method());
    certs_path(&s->certs, "peer.pem", path);
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(s->server, path), 1);
    certs_path(&s->certs, "peer.key", path);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(s->server, path, SSL_FILETYPE_PEM), 1);
    certs_path(&s->certs, "ca.pem", path);
    ck_assert_int_eq(SSL_CTX_load_verify_locations(s->client, path, NULL), 1);
    s->address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&s->address, len), 0);
    ck_assert_int_eq(listen(s->listener, 1), 0);
    getsockname(s->listener, (struct sockaddr *)&s->address, &len);
    s->info = (struct addrinfo){ .ai_family = AF_INET,
                                 .ai_addr = (struct sockaddr *)&s->address,
                                 .ai_addrlen = len };
}

static void stage_close(struct stage *s)
{
    attempt_cancel(s->attempt);
    SSL_free(s->ssl);
    SSL_free(s->end.ssl);
    if (s->over && s->end.fd >= 0)
        close(s->end.fd);
    close(s->fd);
    close(s->listener);
    SSL_CTX_free(s->server);
    SSL_CTX_free(s->client);
    rig_stop(&s->rig);
    certs_finish(&s->certs);
}

/* Dial, and accept; with TLS, shake hands as far as it goes. */
static void dial(struct stage *s, const char *host, bool tls)
{
    const struct attempt_target target = { .address = &s->info,
                                           .where = "there",
                                           .host = host,
                                           .path = "/mesh",
                                           .port = 7,
                                           .tls = tls ? s->client : NULL };

    s->attempt = attempt_start(s->rig.net, &target, on_end, s);
    ck_assert_ptr_nonnull(s->attempt);
    rig_until(&s->rig, (s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    if (!tls)
        return;
    s->ssl = SSL_new(s->server);
    SSL_set_fd(s->ssl, s->fd);
    rig_until(&s->rig, SSL_accept(s->ssl) == 1 || s->over);
}

static int hear_byte(struct stage *s, char *at)
{
    return s->ssl ? SSL_read(s->ssl, at, 1) : (int)recv(s->fd, at, 1, 0);
}

static void say(struct stage *s, const void *bytes, size_t len)
{
    if (s->ssl)
        ck_assert_int_eq(SSL_write(s->ssl, bytes, (int)len), (int)len);
    else
        rig_send(&s->rig, s->fd, bytes, len);
}

/* Take the request, and write the answer to it into text; how long it is. */
static size_t take_request(struct stage *s, char *text, size_t size)
{
    static struct head head;
    struct str protocol;
    struct buf answer = { 0 };
    char request[1024];
    size_t len = 0;

    while (len < 4 || memcmp(request + len - 4, "\r\n\r\n", 4) != 0) {
        ck_assert_uint_lt(len, sizeof request);
        rig_until(&s->rig, hear_byte(s, request + len) == 1);
        len++;
    }
    ck_assert_int_eq(head_read_request((struct str){ request, len }, &head), 0);
    ck_assert(str_equal(head.target, STR("/mesh")));
    ck_assert(str_equal(head_value(&head, HEAD_HOST), STR("localhost:7")));
    ck_assert_int_eq(upgrade_check(&head, &protocol), 0);
    upgrade_answer(&head, protocol, &answer);
    ck_assert_uint_lt(answer.len, size);
    memcpy(text, answer.data, answer.len);
    len = answer.len;
    buf_finish(&answer);
    return len;
}

/* What the answer is followed by is there, in one piece with it, in one of its own, or both,
 * and what is said afterwards arrives. */
static void expect_all(bool tls, size_t late)
{
    static const char frames[] = "\x89\x03"
                                 "abc";
    enum { FRAMES = sizeof frames - 1 };
    struct stage s;
    char text[512], got[64];

    stage_open(&s, "localhost");
    dial(&s, "localhost", tls);
    size_t len = take_request(&s, text, sizeof text - FRAMES);

    memcpy(text + len, frames, FRAMES);
    say(&s, text, len + FRAMES - late);
    if (late > 0)
        say(&s, text + len + FRAMES - late, late);
    rig_until(&s.rig, s.over);
    ck_assert_str_eq(s.words, "");
    len = s.end.early.len;
    memcpy(got, s.early, len);
    while (len < FRAMES) {
        int part = 0;
        rig_until(&s.rig, (part = tls ? SSL_read(s.end.ssl, got + len, (int)(sizeof got - len))
                                      : (int)recv(s.end.fd, got + len, sizeof got - len, 0)) > 0);
        len += (size_t)part;
    }
    ck_assert_uint_eq(len, FRAMES);
    ck_assert_mem_eq(got, frames, FRAMES);
    if (tls) { /* what OpenSSL writes lies in memory */
        char *record;
        ck_assert_int_eq(SSL_write(s.end.ssl, "hi", 2), 2);
        long size = BIO_get_mem_data(SSL_get_wbio(s.end.ssl), &record);
        rig_send(&s.rig, s.end.fd, record, (size_t)size);
        rig_until(&s.rig, hear_byte(&s, got) == 1);
        ck_assert_int_eq(got[0], 'h');
    }
    stage_close(&s);
}

START_TEST(frames_right_behind_the_answer_are_not_lost)
{
    for (size_t late = 0; late <= 9; late++) {
        expect_all(false, late);
        expect_all(true, late);
    }
}
END_TEST

/* Dial a peer of this name and expect these words. */
static void expect_refused(const char *name, const char *host, const char *words)
{
    struct stage s;

    stage_open(&s, name);
    dial(&s, host, true);
    rig_until(&s.rig, s.over);
    ck_assert_int_eq(s.end.fd, -1);
    ck_assert_msg(strncmp(s.words, words, strlen(words)) == 0, "%s", s.words);
    stage_close(&s);
}

/* [RFC6125] */
START_TEST(a_peer_that_shows_the_certificate_of_another_is_refused)
{
    expect_refused("other.test", "localhost", "TLS: hostname mismatch");
    expect_refused("localhost", "127.0.0.1", "TLS: IP address mismatch");
}
END_TEST

START_TEST(a_peer_that_nobody_vouches_for_is_refused)
{
    struct stage s;

    stage_open(&s, "localhost");
    SSL_CTX_free(s.client);
    s.client = SSL_CTX_new(TLS_client_method());
    dial(&s, "localhost", true);
    rig_until(&s.rig, s.over);
    ck_assert_msg(strstr(s.words, "TLS: ") && strstr(s.words, "certificate"), "%s", s.words);
    stage_close(&s);
}
END_TEST

START_TEST(an_attempt_may_be_given_up_in_every_phase)
{
    struct stage s;
    char text[512];

    stage_open(&s, "localhost");
    dial(&s, "localhost", true);
    stage_close(&s);
    stage_open(&s, "localhost");
    dial(&s, "localhost", false);
    stage_close(&s);
    stage_open(&s, "localhost");
    dial(&s, "localhost", true);
    size_t len = take_request(&s, text, sizeof text);

    say(&s, text, len / 2);
    for (int i = 0; i < 5; i++)
        rig_turn(&s.rig);
    ck_assert(!s.over);
    stage_close(&s);
}
END_TEST

UNIT_MAIN("net/attempt", frames_right_behind_the_answer_are_not_lost,
          a_peer_that_shows_the_certificate_of_another_is_refused,
          a_peer_that_nobody_vouches_for_is_refused, an_attempt_may_be_given_up_in_every_phase)
