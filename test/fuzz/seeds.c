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
    return EXIT_SUCCESS;
}
