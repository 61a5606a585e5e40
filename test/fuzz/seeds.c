/* SPDX-License-Identifier: Apache-2.0 */
/* Write the seeds of the codec's targets from its samples: fuzz_seeds CORPUS. Run after
 * samples.c has grown; what it writes is committed. */
#include "../mqtt/hex.h"
#include "../mqtt/samples.h"
#include "mqtt/props.h"

#include <stdio.h>
#include <stdlib.h>

/* Write one seed of a target. */
static void seed_write(const char *corpus, const char *target, size_t number, struct str bytes)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s/seed-%02zu", corpus, target, number);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

/* Sets of properties, each behind its place. */
static void props_write(const char *corpus)
{
    static const char *const sets[] = {
        "00 [11 0000000A 15{'SCR'} 16{00} 17 00 19 01 21 0014 22 000A 27 00010000 26{'k'}{'v'}]",
        "01 [11 FFFFFFFF 12{'id'} 13 003C 1A{'r'} 1C{'s'} 1F{'why'} 21 000A 24 01 25 00]",
        "01 [27 00000100 28 00 29 01 2A 00]",
        "02 [01 01 02 0000003C 03{'text'} 08{'re/ply'} 09{0102} 0B 01 0B FFFFFF7F 23 0001]",
        "02 []",
        "03 [1F{'why'} 26{'k'}{'v'} 26{}{}]",
        "04 [0B 8001]",
        "05 [1F{'no'}]",
        "06 [26{'k'}{'v'}]",
        "07 [11 00000000 1C{'b:1883'} 1F{'why'}]",
        "08 [15{'m'} 16{} 1F{'go on'}]",
        "09 [01 00 02 00000001 18 00000005 08{'a'} 26{'k'}{'v'}]",
    };
    struct buf bytes = { 0 };

    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        buf_clear(&bytes);
        hex_parse(sets[i], &bytes);
        seed_write(corpus, "props", i, buf_str(&bytes));
    }
    buf_finish(&bytes);
}

/* Streams: a CONNECT, then the samples of its version, a few at a time. */
static void frames_write(const char *corpus)
{
    struct buf bytes = { 0 };
    size_t number = 0, held = 0;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        if (held == 0) {
            buf_clear(&bytes);
            buf_append_u8(&bytes, (uint8_t)(number % 3 ? 255 : 100));
            hex_packet(
                0x10, s->version == MQTT_5 ? "{'MQTT'} 05 02 0000 [] {}" : "{'MQTT'} 04 02 0000 {}",
                &bytes);
        }
        hex_packet(s->head, s->body, &bytes);
        if (++held == 4) {
            seed_write(corpus, "frames", number++, buf_str(&bytes));
            held = 0;
        }
    }
    buf_finish(&bytes);
}

/* Every third sample as it is, and each PUBLISH of 5 under three orders. */
static void packets_write(const char *corpus)
{
    static const char *const orders[] = {
        "00 00 00 0000 0000 0000 00 00 00", "01 01 03 1234 0000 0000 00 00 00",
        "02 02 0F 0001 0007 0005 02 05 FF", "02 00 09 0000 0007 003C 01 7F 00",
        "02 01 00 0100 0000 0000 00 00 00",
    };
    struct buf bytes = { 0 };
    size_t packets = 0, messages = 0;

    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        buf_clear(&bytes);
        hex_packet(s->head, s->body, &bytes);
        if (s->packet.kind == MQTT_CONNECT || i % 3 == 0)
            seed_write(corpus, "packet", packets++, buf_str(&bytes));
        if (s->packet.kind != MQTT_PUBLISH || s->version != MQTT_5)
            continue;
        for (size_t n = 0; n < sizeof orders / sizeof orders[0]; n++) {
            buf_clear(&bytes);
            hex_parse(orders[n], &bytes);
            hex_packet(s->head, s->body, &bytes);
            seed_write(corpus, "message", messages++, buf_str(&bytes));
        }
    }
    buf_finish(&bytes);
}

/* Wide filter, narrow filter, name. */
static void topics_write(const char *corpus)
{
    static const char *const lines[] = {
        "a/#\na/+\na/b",
        "#\n+/b\na/b",
        "+/+\na/b\na/b",
        "$share/g/a/+\na/b\na/b",
        "$SYS/#\n$SYS/+\n$SYS/x",
        "#\n$SYS/#\n$SYS/x",
        "/\n/+\n/a",
        "a/+/c\na/b/c\na/b/c",
        "sport/#\nsport\nsport",
        "a//b\na/+/b\na//b",
        "+\n+\nx",
        "a/b/c/d/e/f/g/#\na/+/c/#\na/b",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        seed_write(corpus, "topic", i, (struct str){ lines[i], strlen(lines[i]) });
}

/* ---- what two clients say to one broker ---- */

/* who: 'a', 'b', or '!' for what happens to the one (head & 1) otherwise. */
struct line {
    char who;
    uint8_t head;
    const char *body;
};

enum { LINES_MAX = 16, RECORD_MAX = 127 };
enum { WEB_A = 1, SLOW_A = 2, WEB_B = 4, SLOW_B = 8 };

#define HELLO_4(id)  0x10, "{'MQTT'} 04 02 0000 {'" id "'}"
#define HELLO_5(id)  0x10, "{'MQTT'} 05 02 0000 [] {'" id "'}"
#define STAY_4(id)   0x10, "{'MQTT'} 04 00 0000 {'" id "'}"
#define STAY_5(id)   0x10, "{'MQTT'} 05 00 0000 [11 FFFFFFFF 21 0002 22 0002] {'" id "'}"
#define DROP(who)    '!', who, "00"
#define SECONDS(who) '!', who, "31" /* 4 of them */

static const struct conversation {
    uint8_t how; /* as fuzz_pair has it */
    struct line lines[LINES_MAX];
} conversations[] = {
    { 0,
      { { 'b', HELLO_4("b") },
        { 'b', 0x82, "0001 {'t/#'} 02 {'+/x'} 01" },
        { 'a', HELLO_4("a") },
        { 'a', 0x30, "{'t/x'} 'zero'" },
        { 'a', 0x32, "{'t/x'} 0001 'one'" },
        { 'b', 0x40, "0001" },
        { 'a', 0x34, "{'t/x'} 0002 'two'" },
        { 'b', 0x50, "0002" },
        { 'a', 0x62, "0002" },
        { 'b', 0x70, "0002" },
        { 'b', 0xA2, "0002 {'t/#'}" },
        { 'b', 0xC0, "" },
        { 'a', 0xE0, "" } } },
    { 0,
      { { 'b', STAY_5("b") },
        { 'b', 0x82, "0001 [0B 07] {'t/#'} 1E {'$share/g/t/+'} 01" },
        { 'a', HELLO_5("a") },
        { 'a', 0x32, "{'t/x'} 0001 [23 0001 02 0000003C 03{'text'} 26{'k'}{'v'}] 'one'" },
        { 'a', 0x32, "{} 0002 [23 0001] 'two'" },
        { 'a', 0x34, "{'t/y'} 0003 [] 'three'" },
        { DROP(1) },
        { 'a', 0x62, "0003" },
        { SECONDS(0) },
        { 'b', STAY_5("b") },
        { 'b', 0x40, "0001 10 []" },
        { 'b', 0x50, "0002 00 []" },
        { 'b', 0x62, "0002" },
        { 'b', 0xE0, "04 [11 00000000]" } } },
    { 0,
      { { 'a', 0x10,
          "{'MQTT'} 05 2E 0005 [11 0000000A] {'a'} [18 00000002 01 01] {'will'} {'gone'}" },
        { 'a', 0x31, "{'t'} [] 'kept'" },
        { 'b', STAY_4("b") },
        { 'b', 0x82, "0001 {'#'} 02" },
        { DROP(0) },
        { SECONDS(0) },
        { 'b', 0x50, "0001" },
        { 'b', 0x50, "0002" },
        { 'b', 0x70, "0001" },
        { 'b', 0x82, "0002 {'$SYS/#'} 00" },
        { 'a', HELLO_5("b") },
        { 'a', 0x31, "{'t'} []" },
        { SECONDS(1) } } },
    { WEB_A | WEB_B,
      { { 'b', HELLO_5("b") },
        { 'b', 0x82, "0001 [] {'t'} 01 {'+'} 00" },
        { 'a', HELLO_4("a") },
        { 'a', 0x32, "{'t'} 0001 'one'" },
        { 'a', 0x30, "{'t'} 'zero'" },
        { 'b', 0x40, "0001" },
        { 'b', 0xC0, "" },
        { 'a', 0xC0, "" } } },
    { WEB_B | SLOW_B,
      { { 'b', HELLO_5("b") },
        { 'b', 0x82, "0001 [] {'#'} 01" },
        { 'a', HELLO_5("a") },
        { 'a', 0x30,
          "{'t'} [] '1234567890123456789012345678901234567890123456789012345678901234'" },
        { 'a', 0x30,
          "{'u'} [] '1234567890123456789012345678901234567890123456789012345678901234'" },
        { 'a', 0x32, "{'v'} 0001 [] '12345678901234567890123456789012345678901234567890123456'" },
        { 'b', 0xC0, "" },
        { SECONDS(1) },
        { 'a', 0xE0, "80 [1F{'enough'}]" } } },
    { 0,
      { { 'a', 0x10, "{'MQTT'} 05 02 0000 [15{'SCRAM-SHA-256'} 16{'n,,n=u,r=x'}] {'a'}" },
        { 'a', 0xF0, "18 [15{'SCRAM-SHA-256'} 16{'y'}]" },
        { 'b', 0x10, "{'MQIsdp'} 03 C2 0000 {'b'} {'user'} {'word'}" },
        { 'b', 0x82, "0001 {'a'} 00" },
        { 'b', 0x3D, "{'a'} FFFF 'x'" } } },
};

static void line_append(const struct line *line, bool web, struct buf *out)
{
    struct buf packet = { 0 };
    uint8_t who = line->who == '!' ? line->head : line->who == 'b';

    if (line->who == '!') {
        buf_append_u8(out, who);
        hex_parse(line->body, out);
        return;
    }
    hex_packet(line->head, line->body, &packet);
    if (web) { /* masked with zeros */
        const uint8_t head[] = { 0x82, (uint8_t)(0x80 | packet.len), 0, 0, 0, 0 };
        buf_append_u8(out, (uint8_t)(sizeof head << 1 | who));
        buf_append(out, head, sizeof head);
    }
    assert(packet.len <= (web ? 125 : RECORD_MAX));
    buf_append_u8(out, (uint8_t)(packet.len << 1 | who));
    buf_append(out, packet.data, packet.len);
    buf_finish(&packet);
}

static void pairs_write(const char *corpus)
{
    struct buf bytes = { 0 };

    for (size_t i = 0; i < sizeof conversations / sizeof conversations[0]; i++) {
        const struct conversation *c = &conversations[i];
        buf_clear(&bytes);
        buf_append_u8(&bytes, c->how);
        for (size_t n = 0; n < LINES_MAX && c->lines[n].who; n++) {
            bool web = c->how & (c->lines[n].who == 'b' ? WEB_B : WEB_A);
            line_append(&c->lines[n], web, &bytes);
        }
        seed_write(corpus, "pair", i, buf_str(&bytes));
    }
    buf_finish(&bytes);
}

/* Behind who masks, the largest message and the cutting. */
static void framings_write(const char *corpus)
{
    static const char *const streams[] = {
        "01 10 00 82 85 37FA213D 7F9F4D5158 82 80 00000000",
        "01 10 01 02 81 00000000 01 89 82 01020304 AABB 80 82 FF00FF00 FD03 88 82 00000000 03E8",
        "00 10 02 82 03 010203 8A 00 89 01 07 88 05 0FA0 'bye'",
        "01 04 03 82 FE 007E 00000000 01 82 81 00000000 00",
        "01 17 04 82 FF 0000000000010000 01010101 0000 81 80 00000000",
        "01 10 05 82 84 00000000 01020304 88 84 00000000 03E8 C328",
    };
    struct buf bytes = { 0 };

    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        buf_clear(&bytes);
        hex_parse(streams[i], &bytes);
        seed_write(corpus, "framing", i, buf_str(&bytes));
    }
    buf_finish(&bytes);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return EXIT_FAILURE;
    }
    packets_write(argv[1]);
    props_write(argv[1]);
    frames_write(argv[1]);
    topics_write(argv[1]);
    pairs_write(argv[1]);
    framings_write(argv[1]);
    return EXIT_SUCCESS;
}
