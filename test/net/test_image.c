/* SPDX-License-Identifier: Apache-2.0 */
/* One message for many: encoded once, sent as it lies. */
#include "core/core.h"
#include "mqtt/message.h"
#include "mqtt/packet.h"
#include "net/image.h"
#include "net/stream.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- alone ---- */

static const struct transport bare = { 0 }, framed = { .framed = true };

static struct stream receiver(uint8_t version, const struct transport *transport)
{
    return (struct stream){ .version = version, .transport = transport };
}

static struct core_send send_of(struct message *message, uint8_t qos, uint16_t packet_id)
{
    return (struct core_send){
        .kind = CORE_SEND_MESSAGE, .qos = qos, .packet_id = packet_id, .message = message
    };
}

static void give(struct images *images, struct message *message, struct stream *stream)
{
    struct core_send send = send_of(message, 0, 0);
    const struct image_run *run = image_find(images, &send, true, stream);

    ck_assert_ptr_nonnull(run);
    ck_assert(image_put(run, &send, stream));
}

static void expect(const struct stream *stream, const char *bytes, size_t len)
{
    struct iovec piece;

    ck_assert_uint_eq(out_queue_pieces(&stream->out, &piece, 1), 1);
    ck_assert_uint_eq(piece.iov_len, len);
    ck_assert_mem_eq(piece.iov_base, bytes, len);
}

#define EXPECT(stream, text) expect(stream, text, sizeof(text) - 1)

START_TEST(who_gets_all_of_a_run_holds_no_copy_of_it)
{
    struct images *images = calloc(1, sizeof *images);
    struct message *one = message_new(STR("t"), (struct str){ 0 }, STR("one"));
    struct message *two = message_new(STR("t"), (struct str){ 0 }, STR("two"));
    struct stream old = receiver(MQTT_311, &bare), new = receiver(MQTT_5, &bare),
                  web = receiver(MQTT_311, &framed), late = receiver(MQTT_311, &bare);
    struct stream *all[] = { &old, &new, &web };

    ck_assert_ptr_nonnull(images);
    for (size_t i = 0; i < 3; i++)
        give(images, one, all[i]);
    for (size_t i = 0; i < 3; i++)
        give(images, two, all[i]);
    give(images, two, &late);
    EXPECT(&old, "\x30\x06\x00\x01tone\x30\x06\x00\x01ttwo");
    EXPECT(&new, "\x30\x07\x00\x01t\0one\x30\x07\x00\x01t\0two");
    EXPECT(&web, "\x82\x08\x30\x06\x00\x01tone\x82\x08\x30\x06\x00\x01ttwo");
    EXPECT(&late, "\x30\x06\x00\x01ttwo");
    ck_assert_uint_eq(old.out.cap + new.out.cap + web.out.cap + late.out.cap, 0);

    images_forget(images); /* the same message is encoded anew, and does not follow */
    give(images, one, &late);
    give(images, two, &old);
    ck_assert_uint_eq(late.out.cap, 0);
    EXPECT(&late, "\x30\x06\x00\x01ttwo\x30\x06\x00\x01tone");
    EXPECT(&old, "\x30\x06\x00\x01tone\x30\x06\x00\x01ttwo\x30\x06\x00\x01ttwo");
    ck_assert_uint_gt(old.out.cap, 0);
    for (size_t i = 0; i < 3; i++)
        out_queue_finish(&all[i]->out);
    out_queue_finish(&late.out);
    message_unref(one);
    message_unref(two);
    free(images);
}
END_TEST

START_TEST(a_full_run_is_copied_from_until_it_is_cleared)
{
    struct images *images = calloc(1, sizeof *images);
    static char payload[IMAGE_PAYLOAD_MAX];
    struct message *m =
        message_new(STR("t"), (struct str){ 0 }, (struct str){ payload, sizeof payload });
    enum { FIT = IMAGE_RUN_BYTES / (IMAGE_PAYLOAD_MAX + 6) };

    ck_assert_ptr_nonnull(images);
    for (int i = 0; i < FIT + 5; i++) {
        struct stream stream = receiver(MQTT_311, &bare);
        images_forget(images);
        give(images, m, &stream);
        ck_assert_uint_eq(stream.out.bytes, 6 + sizeof payload);
        ck_assert_int_eq(stream.out.cap == 0, i < FIT);
        ck_assert_int_eq(images_crowded(images), i >= FIT / 2);
        out_queue_finish(&stream.out);
    }
    images_clear(images);
    ck_assert(!images_crowded(images));
    message_unref(m);
    free(images);
}
END_TEST

START_TEST(what_is_not_alike_for_all_has_no_image)
{
    struct images *images = calloc(1, sizeof *images);
    struct message *m = message_new(STR("t"), (struct str){ 0 }, STR("m"));
    struct stream stream = receiver(MQTT_5, &bare);
    struct core_send plain = send_of(m, 0, 0), differing[4] = { plain, plain, plain, plain };

    ck_assert_ptr_nonnull(images);
    differing[0].has_expiry = true;
    differing[1].sub_id_count = 1;
    differing[2].topic_alias = 1;
    differing[3].topic_omitted = true;
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_null(image_find(images, &differing[i], true, &stream));
    ck_assert_ptr_null(image_find(images, &plain, false, &stream)); /* for one it is not worth it */
    ck_assert_ptr_nonnull(image_find(images, &plain, true, &stream));
    ck_assert_ptr_nonnull(image_find(images, &plain, false, &stream)); /* it is at hand */
    plain.retain = true;
    ck_assert_ptr_null(image_find(images, &plain, false, &stream));
    message_unref(m);
    free(images);
}
END_TEST

/* ---- in a broker ---- */

enum { RECEIVERS = 80, MESSAGES = 300, PAYLOAD = 1000 };

/* The first half speaks 3.1.1, the other 5. */
static int subscribe(struct rig *rig, int i)
{
    bool v5 = i >= RECEIVERS / 2;
    char old[] = CONNECT_A, new[] = "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01"
                                    "a";
    char *connect = v5 ? new : old;
    size_t len = v5 ? sizeof new - 1 : sizeof old - 1;
    int fd = rig_connect(rig_port(rig, 0));

    connect[len - 1] = (char)('0' + i);
    rig_send(rig, fd, connect, len);
    if (v5)
        rig_say(rig, fd, "\x82\x07\x00\x01\x00\x00\x01t\x00");
    else
        rig_say(rig, fd, SUBSCRIBE_T);
    return fd;
}

/* Whatever it is that comes before the first message. */
static void skip_greeting(struct rig *rig, int fd)
{
    uint8_t head[2], body[127];

    for (int i = 0; i < 2; i++) {
        rig_receive(rig, fd, head, 2);
        ck_assert_uint_lt(head[1], 128);
        rig_receive(rig, fd, body, head[1]);
    }
}

/* The next of all messages: 1007 or, with empty properties, 1008 bytes; and pings' answers
 * between them. */
static void expect_message(struct rig *rig, int fd, bool v5, int number)
{
    static uint8_t body[3 + 1 + 4 + PAYLOAD];
    uint8_t head[3] = { 0 };
    size_t len = 3 + 4 + PAYLOAD + (v5 ? 1 : 0);

    for (;;) {
        rig_receive(rig, fd, head, 2);
        if (head[0] == 0x30)
            break;
        ck_assert_uint_eq(head[0], 0xd0);
    }
    rig_receive(rig, fd, head + 2, 1);
    ck_assert_uint_eq((head[1] & 0x7f) | (unsigned)head[2] << 7, len);
    rig_receive(rig, fd, body, len);
    ck_assert_int_eq(memcmp(body + len - PAYLOAD - 4, &number, 4), 0);
    ck_assert_uint_eq(body[len - 1], 'x');
}

START_TEST(a_flood_reaches_all_kinds_of_receivers_whole_and_in_order)
{
    struct rig rig;
    int fds[RECEIVERS], small = 4096;
    char publish[6 + 4 + PAYLOAD] = "\x30\xef\x07\x00\x01t";

    rig_init(&rig);
    rig_start(&rig);
    for (int i = 0; i < RECEIVERS; i++) {
        fds[i] = subscribe(&rig, i);
        skip_greeting(&rig, fds[i]);
    }
    /* Two that take little at a time, so that much waits for them. */
    setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fds[RECEIVERS - 1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    memset(publish + 10, 'x', PAYLOAD);
    for (int m = 0; m < MESSAGES; m++) {
        memcpy(publish + 6, &m, 4);
        rig_send(&rig, fds[1], publish, sizeof publish);
        if (m % 7 == 0) /* others have something of their own to be told in between */
            rig_say(&rig, fds[2 + m % (RECEIVERS - 3)], "\xc0\x00");
    }
    for (int i = RECEIVERS; i-- > 0;) {
        for (int m = 0; m < MESSAGES; m++)
            expect_message(&rig, fds[i], i >= RECEIVERS / 2, m);
        close(fds[i]);
    }
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

/* More to read is a reason to write later, but not for ever. */
START_TEST(a_crowd_is_written_to_while_somebody_publishes_without_end)
{
    enum { MOST = 100000 };
    struct rig rig;
    int fds[RECEIVERS], sent = 0;
    char byte;

    rig_init(&rig);
    rig_start(&rig);
    for (int i = 0; i < RECEIVERS; i++) {
        fds[i] = subscribe(&rig, i);
        skip_greeting(&rig, fds[i]);
    }
    while (sent < MOST && recv(fds[2], &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0) {
        rig_say(&rig, fds[1], PUBLISH_T);
        rig_turn(&rig);
        sent++;
    }
    ck_assert_int_lt(sent, MOST);
    for (int i = 0; i < RECEIVERS; i++)
        close(fds[i]);
    rig_until(&rig, net_stats(rig.net).connections == 0);
    rig_stop(&rig);
}
END_TEST

UNIT_MAIN("net/image", who_gets_all_of_a_run_holds_no_copy_of_it,
          a_full_run_is_copied_from_until_it_is_cleared, what_is_not_alike_for_all_has_no_image,
          a_flood_reaches_all_kinds_of_receivers_whole_and_in_order,
          a_crowd_is_written_to_while_somebody_publishes_without_end)
