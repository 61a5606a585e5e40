/* SPDX-License-Identifier: Apache-2.0 */
#include "net/reply.h"

/* [RFC9110 15] [RFC6585 5]; others go without a word. */
static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 304, "Not Modified" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 417, "Expectation Failed" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

void reply_write(const struct reply *reply, struct buf *out)
{
    buf_printf(out, "HTTP/1.1 %u %s\r\n", reply->status, reason_of(reply->status));
    if (reply->content_type)
        buf_printf(out, "content-type: %s\r\n", reply->content_type);
    if (reply->allow.len > 0)
        buf_printf(out, "allow: %.*s\r\n", STR_ARG(reply->allow));
    if (reply->upgrade)
        buf_printf(out, "upgrade: websocket\r\nsec-websocket-version: 13\r\n");
    if (reply->close || reply->upgrade)
        buf_printf(out, "connection: %s%s%s\r\n", reply->upgrade ? "upgrade" : "",
                   reply->upgrade && reply->close ? ", " : "", reply->close ? "close" : "");
    buf_printf(out, "content-length: %zu\r\n\r\n", reply->body_len);
}
