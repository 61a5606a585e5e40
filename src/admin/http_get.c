/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "admin/http_get.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { RESPONSE_BYTES_MAX = 64 << 20, HEALTH_TIMEOUT_MS = 3000 };

struct target {
    char host[256], port[8];
    struct str path;
};

/* Take http://HOST[:PORT][/PATH] apart. */
static int target_parse(const char *url, const char *path, struct target *ret_target)
{
    struct str text = str_from_c(url), scheme = STR("http://");
    struct target target = { .port = "80" };

    if (!str_starts_with(text, scheme))
        return ERR_INVALID;
    text = str_slice(text, scheme.len, text.len);
    size_t slash = str_find(text, '/', 0);
    target.path = str_slice(text, slash, text.len);
    if (target.path.len <= 1)
        target.path = str_from_c(path);
    struct str host = str_slice(text, 0, slash);
    size_t colon = str_find(host, ':', host.len && host.ptr[0] == '[' ? str_find(host, ']', 0) : 0);
    struct str port = str_slice(host, colon + 1, host.len);
    host = str_slice(host, 0, colon);
    if (host.len >= 2 && host.ptr[0] == '[')
        host = str_slice(host, 1, host.len - 1);
    if (host.len == 0 || host.len >= sizeof target.host || port.len >= sizeof target.port)
        return ERR_INVALID;
    memcpy(target.host, host.ptr, host.len);
    if (port.len)
        snprintf(target.port, sizeof target.port, "%.*s", STR_ARG(port));
    *ret_target = target;
    return ERR_OK;
}

/* A connected socket, or -1 with failure set. */
static int dial(const struct target *target, uint32_t timeout_ms, char *failure, size_t size)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    struct timeval timeout = { timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000 };
    int fd = -1;

    int rc = getaddrinfo(target->host, target->port, &hints, &list);
    if (rc != 0) {
        snprintf(failure, size, "%s: %s", target->host, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            snprintf(failure, size, "%s:%s: %s", target->host, target->port, strerror(errno));
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static int send_request(int fd, const struct target *target)
{
    struct buf request = { 0 };
    bool six = strchr(target->host, ':');

    buf_printf(&request,
               "GET %.*s HTTP/1.1\r\nHost: %s%s%s:%s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
               STR_ARG(target->path), six ? "[" : "", target->host, six ? "]" : "", target->port);
    ssize_t sent = request.failed ? -1 : send(fd, request.data, request.len, MSG_NOSIGNAL);
    bool whole = sent == (ssize_t)request.len;
    buf_finish(&request);
    return whole ? ERR_OK : ERR_IO;
}

/* The value of a header in the head, or an empty str. name: with its colon, lower case. */
static struct str header_of(struct str head, const char *name)
{
    size_t len = strlen(name);

    for (size_t at = 0; at < head.len; at = str_find(head, '\n', at) + 1) {
        if (at + len > head.len || strncasecmp(head.ptr + at, name, len) != 0)
            continue;
        size_t end = str_find(head, '\r', at), from = at + len;
        while (from < end && head.ptr[from] == ' ')
            from++;
        return str_slice(head, from, end);
    }
    return STR("");
}

/* Put chunks together. ERR_OK or ERR_MALFORMED. */
static int unchunk(struct str body, struct buf *out)
{
    for (size_t at = 0; at < body.len;) {
        size_t line = str_find(body, '\n', at), len = 0, digits = 0;
        for (; at < line && isxdigit((unsigned char)body.ptr[at]) && digits < 8; at++, digits++) {
            char c = (char)tolower((unsigned char)body.ptr[at]);
            len = len * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        if (digits == 0 || line == body.len)
            return ERR_MALFORMED;
        if (len == 0)
            return ERR_OK;
        at = line + 1;
        if (len > body.len - at)
            return ERR_MALFORMED;
        buf_append(out, body.ptr + at, len);
        at += len + 2;
    }
    return ERR_MALFORMED;
}

int http_answer_parse(struct str response, struct http_answer *ret_answer)
{
    const char *end = response.len ? memmem(response.ptr, response.len, "\r\n\r\n", 4) : NULL;

    if (!end || response.len < 13 || !str_starts_with(response, STR("HTTP/1.")) ||
        response.ptr[8] != ' ')
        return ERR_MALFORMED;
    size_t head_len = (size_t)(end - response.ptr) + 2;
    struct str head = str_slice(response, 0, head_len);
    struct str body = str_slice(response, head_len + 2, response.len);
    struct str length = header_of(head, "content-length:");
    ret_answer->status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)head.ptr[i]))
            return ERR_MALFORMED;
        ret_answer->status = ret_answer->status * 10 + (head.ptr[i] - '0');
    }
    if (str_equal(header_of(head, "transfer-encoding:"), STR("chunked")))
        return unchunk(body, &ret_answer->body);
    if (length.len) {
        size_t want = 0;
        for (size_t i = 0; i < length.len && isdigit((unsigned char)length.ptr[i]); i++)
            want = want > RESPONSE_BYTES_MAX ? want : want * 10 + (size_t)(length.ptr[i] - '0');
        if (want > body.len)
            return ERR_MALFORMED;
        body = str_slice(body, 0, want);
    }
    buf_append_str(&ret_answer->body, body);
    return ERR_OK;
}

/* Everything the peer sends until it closes. */
static int receive(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *room = buf_reserve(out, 16384);
        if (!room)
            return ERR_NOMEM;
        ssize_t got = recv(fd, room, 16384, 0);
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            return ERR_OK;
        buf_advance(out, (size_t)got);
        if (out->len > RESPONSE_BYTES_MAX)
            return ERR_TOO_LARGE;
    }
}

int http_get(const char *url, const char *path, uint32_t timeout_ms, struct http_answer *ret_answer)
{
    struct target target;
    struct buf response = { 0 };

    *ret_answer = (struct http_answer){ 0 };
    int err = target_parse(url, path, &target);
    if (err) {
        snprintf(ret_answer->failure, sizeof ret_answer->failure,
                 "%.160s: allowed: http://HOST:PORT", url);
        return err;
    }
    int fd = dial(&target, timeout_ms, ret_answer->failure, sizeof ret_answer->failure);
    if (fd < 0)
        return ERR_IO;
    err = send_request(fd, &target);
    if (!err)
        err = receive(fd, &response);
    int saved = errno;
    close(fd);
    /* A peer that keeps the connection open in spite of us may have said all. */
    if (!err || response.len) {
        int parsed = http_answer_parse(buf_str(&response), ret_answer);
        err = parsed == ERR_OK || !err ? parsed : err;
    }
    if (err)
        snprintf(ret_answer->failure, sizeof ret_answer->failure, "%.160s: %s", url,
                 err == ERR_IO ? (saved == EAGAIN ? "no answer in time" : strerror(saved))
                               : err_text(err));
    buf_finish(&response);
    return err;
}

void http_answer_finish(struct http_answer *answer)
{
    buf_finish(&answer->body);
}

int http_health(const char *url)
{
    struct http_answer answer;

    int err = http_get(url, "/healthz", HEALTH_TIMEOUT_MS, &answer);
    bool well = !err && answer.status == 200;
    if (err)
        fprintf(stderr, "%s\n", answer.failure);
    else if (!well)
        fprintf(stderr, "%s: status %d\n", url, answer.status);
    http_answer_finish(&answer);
    return well ? 0 : 1;
}
