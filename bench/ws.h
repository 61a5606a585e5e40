/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* WebSocket framing, both roles, without I/O [RFC 6455]. A stream of frames, however
 * MQTT packets are packed into or split over them, becomes a stream of bytes. */
struct ws_in {
    uint64_t left, at; /* of the payload being read */
    uint8_t head[14], head_len;
    uint8_t control[125], control_len;
    bool in_payload, closed;
    bool pinged; /* control holds a ping's payload to be answered */
};

enum { WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10, WS_HEADER_MAX = 14 };

/* Strip the frame headers out of buf in place and unmask. Returns how many payload bytes
 * now stand at its start, or -1 on a malformed frame. */
long ws_unframe(struct ws_in *ws, uint8_t *buf, size_t len);

/* Write a frame header; mask is the four key bytes of a client, NULL from a server. */
size_t ws_header(uint8_t *out, uint8_t opcode, size_t len, const uint8_t *mask);

/* XOR len bytes with the key, from its first byte; dst may lie before src in one buffer. */
void ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t at);

/* The client's upgrade request for path /mqtt; returns its length. */
size_t ws_request(char *out, size_t cap, const char *host, const char *key);

/* The server's 101 for a request; 0 when it is not one. request is NUL-terminated. */
size_t ws_response(char *out, size_t cap, const char *request);

/* Whether response (NUL-terminated) accepts key. */
bool ws_accepted(const char *response, const char *key);
