/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "base/str.h"

#include <string.h>

START_TEST(utf8_that_mqtt_allows_is_accepted)
{
    ck_assert(str_is_mqtt_utf8(STR("")));
    ck_assert(str_is_mqtt_utf8(STR("plant/1/temperature")));
    ck_assert(str_is_mqtt_utf8(STR("gr\xc3\xb6\xc3\x9f" "er \xe2\x82\xac \xf0\x9f\x8c\xb1")));
    ck_assert(str_is_mqtt_utf8(STR("\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
}
END_TEST

START_TEST(utf8_that_mqtt_forbids_is_refused_at_any_offset)
{
    static const struct str bad[] = {
        { "\0", 1 },
        { "\x80", 1 },
        { "\xc0\xaf", 2 },         /* overlong */
        { "\xc1\xbf", 2 },         /* overlong */
        { "\xe0\x80\x80", 3 },     /* overlong */
        { "\xed\xa0\x80", 3 },     /* surrogate D800 [MQTT-1.5.4-1] */
        { "\xf0\x80\x80\x80", 4 }, /* overlong */
        { "\xf4\x90\x80\x80", 4 }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", 4 },
        { "\xe2\x82", 2 }, /* cut */
        { "\xff", 1 },
    };
    char text[64];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t at = 0; at < 20; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, bad[i].ptr, bad[i].len);
            ck_assert(!str_is_mqtt_utf8((struct str){ text, at + bad[i].len }));
        }
    }
}
END_TEST

START_TEST(a_buf_is_empty_again_when_it_is_finished)
{
    struct buf buf = { 0 };

    buf_printf(&buf, "%s-%d", "plexus", 42);
    ck_assert(str_equal(buf_str(&buf), STR("plexus-42")));
    buf_finish(&buf);
    ck_assert_uint_eq(buf.len, 0);
}
END_TEST

UNIT_MAIN("base/str", utf8_that_mqtt_allows_is_accepted,
          utf8_that_mqtt_forbids_is_refused_at_any_offset, a_buf_is_empty_again_when_it_is_finished)
