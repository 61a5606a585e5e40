/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request or an answer, and all that is read from it. Where it ends does not
 * depend on how much had come before, and everything that is found lies inside of it. */
#include "fuzz.h"

#include "base/err.h"
#include "net/forwarded.h"
#include "net/head.h"
#include "net/target.h"
#include "net/upgrade.h"

#include <string.h>

static void check_inside(struct str bytes, struct str part)
{
    assert(part.len == 0 ||
           (part.ptr >= bytes.ptr && part.ptr + part.len <= bytes.ptr + bytes.len));
}

static void check_fields(struct str bytes, const struct head *head)
{
    size_t count = 0;

    assert(head->field_count <= HEAD_FIELDS_MAX && head->minor <= 1);
    for (int name = 0; name < HEAD_NAMES; name++) {
        struct head_walk walk = { .head = head, .name = (enum head_name)name };
        struct str word;
        count += head_count(head, (enum head_name)name);
        check_inside(bytes, head_value(head, (enum head_name)name));
        while (head_next(&walk, &word)) {
            check_inside(bytes, word);
            assert(word.len > 0 && head_lists(head, (enum head_name)name, word));
        }
    }
    assert(count == head->field_count);
}

static void check_request(struct str bytes, const struct head *head)
{
    struct ip_block all[2];
    struct forwarded_client client;
    struct target target;
    struct str protocol;
    struct ip peer;
    char text[IP_TEXT_MAX];

    check_inside(bytes, head->method);
    check_inside(bytes, head->target);
    if (target_read(head->target, &target) == ERR_OK) {
        check_inside(bytes, target.query);
        check_inside(bytes, target.host);
        assert(target.path.len > 0 && !memchr(target.path.data, 0, target.path.len));
    }
    target_finish(&target);
    if (upgrade_is_asked(head) && upgrade_check(head, &protocol) == 0) {
        struct buf answer = { 0 };
        static struct head answered;
        upgrade_answer(head, protocol, &answer);
        assert(head_read_answer(buf_str(&answer), &answered) == ERR_OK && answered.status == 101);
        buf_finish(&answer);
    }
    ip_parse(STR("127.0.0.1"), &peer);
    ip_block_parse(STR("127.0.0.0/8"), &all[0]);
    ip_block_parse(STR("::/0"), &all[1]);
    for (size_t count = 0; count <= 2; count++) {
        if (forwarded_look(head, &peer, all, count, &client) == FORWARDED_FOR)
            ip_print(&client.ip, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = { (const char *)data, size };
    static struct head head;
    size_t len, again;
    int err = head_find(bytes, 0, &len);

    if (err != ERR_OK)
        return 0;
    for (size_t seen = 0; seen < len; seen++) {
        assert(head_find(str_slice(bytes, 0, seen), 0, &again) == ERR_MORE);
        assert(head_find(bytes, seen, &again) == ERR_OK && again == len);
    }
    bytes = str_slice(bytes, 0, len);
    if (head_read_request(bytes, &head) == ERR_OK) {
        check_fields(bytes, &head);
        check_request(bytes, &head);
    }
    if (head_read_answer(bytes, &head) == ERR_OK) {
        check_fields(bytes, &head);
        upgrade_is_granted(&head, STR("dGhlIHNhbXBsZSBub25jZQ=="));
    }
    return 0;
}
