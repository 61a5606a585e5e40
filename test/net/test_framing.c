/* SPDX-License-Identifier: Apache-2.0 */
#include "net/framing.h"

#include "base/buf.h"

#include "../mqtt/hex.h"
#include "unit.h"

#include <stdio.h>

enum { MAX = 100000 };

/* What framing makes of these bytes when they come size at a time, as "data(hex) ping(hex)
 * close(code) bad(code)"; data that follows data is one. */
static void tell(struct str bytes, bool masked, uint32_t max, size_t size, struct buf *out)
{
    struct framing framing;
    struct framing_part part;
    bool in_data = false;

    framing_init(&framing, masked, max);
    for (size_t at = 0; at < bytes.len; at += size) {
        uint8_t chunk[256];
        size_t len = size < bytes.len - at ? size : bytes.len - at;
        uint8_t *from = chunk;
        enum framing_kind kind;
        memcpy(chunk, bytes.ptr + at, len);
        while ((kind = framing_next(&framing, &from, &len, &part)) != FRAMING_MORE) {
            static const char *const words[] = { "", "data", "ping", "close", "bad" };
            if (kind == FRAMING_DATA && in_data)
                out->len--;
            else
                buf_printf(out, "%s%s(", out->len ? " " : "", words[kind]);
            in_data = kind == FRAMING_DATA;
            for (size_t i = 0; i < part.len; i++)
                buf_printf(out, "%02x", part.at[i]);
            if (kind > FRAMING_PING)
                buf_printf(out, "%u", part.code);
            buf_printf(out, ")");
            if (kind == FRAMING_BAD)
                return;
        }
    }
}

/* It is the same however the bytes come. */
static void expect(const char *hex, bool masked, uint32_t max, const char *story)
{
    struct buf bytes = { 0 }, told = { 0 };

    hex_parse(hex, &bytes);
    for (size_t size = 1; size <= bytes.len && size <= 256; size++) {
        buf_clear(&told);
        tell(buf_str(&bytes), masked, max, size, &told);
        buf_append_u8(&told, 0);
        ck_assert_msg(strcmp((char *)told.data, story) == 0, "%s by %zu: %s instead of %s", hex,
                      size, (char *)told.data, story);
    }
    buf_finish(&bytes);
    buf_finish(&told);
}

#define masked(hex, story)   expect(hex, true, MAX, story)
#define unmasked(hex, story) expect(hex, false, MAX, story)

/* [RFC6455 5.7] has "Hello" with this key. */
START_TEST(a_message_is_unmasked)
{
    masked("82 85 37FA213D 7F9F4D5158", "data(48656c6c6f)");
    masked("82 80 37FA213D", "");
    masked("82 8A 00010203 00010203 00010203 0001", "data(00000000000000000000)");
    unmasked("82 05 48656C6C6F", "data(48656c6c6f)");
}
END_TEST

START_TEST(messages_and_their_parts_run_together)
{
    masked("82 81 00000000 01  82 81 00000000 02", "data(0102)");
    masked("02 81 00000000 01  00 80 00000000  80 82 FF00FF00 FD03", "data(010203)");
    masked("02 81 00000000 01  89 81 00000000 AA  80 81 00000000 02", "data(01) ping(aa) data(02)");
}
END_TEST

START_TEST(pings_are_told_and_pongs_are_not)
{
    masked("89 80 01020304  8A 83 00000000 010203  89 82 01010101 0000", "ping() ping(0101)");
    unmasked("89 00 8A 00 89 01 07", "ping() ping(07)");
}
END_TEST

/* [RFC6455 5.5.1] [RFC6455 7.4] */
START_TEST(a_close_says_what_to_answer)
{
    masked("88 80 00000000", "close(1000)");
    masked("88 82 00000000 03E9", "close(1001)");
    masked("88 84 00000000 0FA0 'ok'", "close(4000)");
    masked("88 81 00000000 03", "bad(1002)");
    masked("88 82 00000000 03E7", "bad(1002)"); /* 999 */
    masked("88 82 00000000 03ED", "bad(1002)"); /* 1005 is never sent */
    masked("88 82 00000000 03EE", "bad(1002)");
    masked("88 82 00000000 03F7", "bad(1002)"); /* 1015 */
    masked("88 82 00000000 0BB7", "bad(1002)"); /* 2999 */
    masked("88 82 00000000 1388", "bad(1002)"); /* 5000 */
    masked("88 84 00000000 03E8 C328", "bad(1007)");
}
END_TEST

/* [RFC6455 5.1] */
START_TEST(whoever_should_mask_must_and_nobody_else_may)
{
    masked("82 02 C000", "bad(1002)");
    masked("89 00", "bad(1002)");
    masked("88 00", "bad(1002)");
    masked("82 7E 0100", "bad(1002)");
    masked("82 80 00000000  82 00", "bad(1002)");
    unmasked("82 80 00000000", "bad(1002)");
    unmasked("82 01 00  82 81 00000000 00", "data(00) bad(1002)");
}
END_TEST

/* [RFC6455 5.2] [RFC6455 5.4] [RFC6455 5.5] */
START_TEST(what_the_protocol_does_not_know_is_bad)
{
    masked("C2 80 00000000", "bad(1002)");
    masked("A2 80 00000000", "bad(1002)");
    masked("92 80 00000000", "bad(1002)");
    for (int op = 3; op < 16; op++) {
        char hex[32];
        snprintf(hex, sizeof hex, "%02X 80 00000000", 0x80 | op);
        if (op < 8 || op > 10)
            masked(hex, "bad(1002)");
    }
    masked("80 80 00000000", "bad(1002)");                            /* continues nothing */
    masked("02 81 00000000 01 82 80 00000000", "data(01) bad(1002)"); /* begins in another */
    masked("09 80 00000000", "bad(1002)");                            /* a ping in parts */
    masked("89 FE 007E 00000000", "bad(1002)");                       /* 126 bytes of one */
}
END_TEST

/* [MQTT-6.0.0-1] */
START_TEST(text_is_unacceptable)
{
    masked("81 80 00000000", "bad(1003)");
    masked("01 80 00000000", "bad(1003)");
}
END_TEST

/* [RFC6455 5.2] */
START_TEST(a_length_is_written_as_short_as_can_be)
{
    masked("82 FE 007D 00000000", "bad(1002)");
    masked("82 FF 000000000000FFFF 00000000", "bad(1002)");
    masked("82 FF 8000000000000000 00000000", "bad(1002)");
    masked("82 FE 007E 00000000", "");
    masked("82 FF 0000000000010000 00000000", "");
}
END_TEST

START_TEST(a_message_larger_than_the_limit_is_refused_at_its_head)
{
    expect("82 84 00000000 01020304", true, 4, "data(01020304)");
    expect("82 85 00000000", true, 4, "bad(1009)");
    expect("02 82 00000000 0102  80 82 00000000 0304", true, 4, "data(01020304)");
    expect("02 82 00000000 0102  00 83 00000000", true, 4, "data(0102) bad(1009)");
    expect("82 84 00000000 01020304 82 84 00000000 05060708", true, 4, "data(0102030405060708)");
    masked("82 FF 7FFFFFFFFFFFFFFF 00000000", "bad(1009)");
}
END_TEST

UNIT_MAIN("net/framing", a_message_is_unmasked, messages_and_their_parts_run_together,
          pings_are_told_and_pongs_are_not, a_close_says_what_to_answer,
          whoever_should_mask_must_and_nobody_else_may, what_the_protocol_does_not_know_is_bad,
          text_is_unacceptable, a_length_is_written_as_short_as_can_be,
          a_message_larger_than_the_limit_is_refused_at_its_head)
