/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"
#include "peer.h"
#include "rig.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CERTIFICATES = 2 };

/* A rig whose two listeners speak TLS: certificates for one.test and two.test. */
struct stage {
    struct rig rig;
    struct certs certs;
    struct tls_config tls;
    struct tls_certificate certificates[CERTIFICATES];
    char paths[8][CERTS_PATH_MAX];
    struct peer peer;
    long alice;
};

static void stage_open(struct stage *s)
{
    *s = (struct stage){ 0 };
    rig_init(&s->rig);
    certs_init(&s->certs);
    certs_make(&s->certs, "one", "one.test");
    certs_make(&s->certs, "two", "two.test");
    s->alice = certs_make(&s->certs, "alice", "alice");
    certs_path(&s->certs, "one.pem", s->paths[0]);
    certs_path(&s->certs, "one.key", s->paths[1]);
    certs_path(&s->certs, "two.pem", s->paths[2]);
    certs_path(&s->certs, "two.key", s->paths[3]);
    certs_path(&s->certs, "ca.pem", s->paths[4]);
    certs_path(&s->certs, "crl.pem", s->paths[5]);
    certs_path(&s->certs, "alice.pem", s->paths[6]);
    certs_path(&s->certs, "alice.key", s->paths[7]);
    s->certificates[0] = (struct tls_certificate){ s->paths[0], s->paths[1] };
    s->certificates[1] = (struct tls_certificate){ s->paths[2], s->paths[3] };
    s->tls.certificates = s->certificates;
    s->tls.certificate_count = CERTIFICATES;
    s->rig.listeners[0].tls = s->rig.listeners[1].tls = &s->tls;
    s->rig.listeners[0].name = "mqtts";
    peer_init(&s->peer, s->paths[4]);
}

static void stage_close(struct stage *s)
{
    peer_finish(&s->peer);
    rig_stop(&s->rig);
    certs_finish(&s->certs);
}

START_TEST(mqtt_is_spoken_through_tls_1_2_and_1_3)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct stage s;

    stage_open(&s);
    rig_start(&s.rig);
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX_set_max_proto_version(s.peer.context, versions[i]);
        ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), "one.test", "\4mqtt"));
        ck_assert_int_eq(SSL_version(s.peer.ssl), versions[i]);
        peer_say(&s.peer, &s.rig, CONNECT_A SUBSCRIBE_T PUBLISH_T);
        peer_hear(&s.peer, &s.rig, CONNACK SUBACK_T PUBLISH_T);
    }
    peer_close(&s.peer);
    rig_until(&s.rig, net_stats(s.rig.net).connections == 0);
    stage_close(&s);
}
END_TEST

START_TEST(older_versions_and_foreign_alpn_are_refused)
{
    struct stage s;

    stage_open(&s);
    s.tls.tls_13_only = true;
    rig_start(&s.rig);
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, "\x08http/1.1"));
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 1), NULL, "\4mqtt"));
    ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 1), NULL, "\2h2\x08http/1.1"));
    SSL_CTX_set_max_proto_version(s.peer.context, TLS1_2_VERSION);
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, NULL));
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 1), NULL, NULL));
    stage_close(&s);
}
END_TEST

START_TEST(the_name_asked_for_chooses_the_certificate)
{
    static const struct {
        const char *asked, *shown;
    } cases[] = { { "one.test", "one.test" },
                  { "two.test", "two.test" },
                  { "three.test", "one.test" },
                  { NULL, "one.test" } };
    struct stage s;
    char shown[64];

    stage_open(&s);
    rig_start(&s.rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t listener = 0; listener < 2; listener++) {
            ck_assert(
                peer_connect(&s.peer, &s.rig, rig_port(&s.rig, listener), cases[i].asked, NULL));
            ck_assert_str_eq(peer_server(&s.peer, shown, sizeof shown), cases[i].shown);
        }
    }
    stage_close(&s);
}
END_TEST

START_TEST(a_large_payload_arrives_whole_through_small_records_and_large)
{
    enum { LEN = 3000000, HEAD = 8 };
    static char packet[HEAD + LEN], got[HEAD + LEN];
    struct stage s;

    memcpy(packet, "\x30\xc3\x8d\xb7\x01\x00\x01t", HEAD); /* remaining length 3000003 */
    for (size_t i = HEAD; i < sizeof packet; i++)
        packet[i] = (char)(i * 7 % 251);
    stage_open(&s);
    rig_start(&s.rig);
    ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, NULL));
    peer_say(&s.peer, &s.rig, CONNECT_A SUBSCRIBE_T);
    peer_hear(&s.peer, &s.rig, CONNACK SUBACK_T);
    for (size_t at = 0; at < 1000; at++)
        peer_send(&s.peer, &s.rig, packet + at, 1);
    peer_send(&s.peer, &s.rig, packet + 1000, sizeof packet - 1000);
    for (size_t at = 0; at < sizeof got;) {
        size_t part = peer_receive(&s.peer, &s.rig, got + at, sizeof got - at);
        ck_assert_uint_gt(part, 0);
        at += part;
    }
    ck_assert_mem_eq(packet, got, sizeof got);
    stage_close(&s);
}
END_TEST

/* Does a client with this certificate, or none, get its CONNACK? */
static bool gets_in(struct stage *s, bool show)
{
    char got[4];
    struct peer peer;

    peer_init(&peer, s->paths[4]);
    if (show)
        peer_show(&peer, s->paths[6], s->paths[7]);
    bool in = peer_connect(&peer, &s->rig, rig_port(&s->rig, 0), NULL, NULL);
    if (in) {
        peer_say(&peer, &s->rig, CONNECT_A);
        in = peer_receive(&peer, &s->rig, got, sizeof got) == 4 && got[3] == 0;
    }
    peer_finish(&peer);
    rig_until(&s->rig, net_stats(s->rig.net).connections == 0);
    return in;
}

START_TEST(a_client_shows_a_certificate_where_that_is_required)
{
    struct stage s;

    stage_open(&s);
    s.tls.ca_file = s.paths[4];
    s.tls.client = TLS_CLIENT_REQUIRED;
    rig_start(&s.rig);
    ck_assert(!gets_in(&s, false));
    ck_assert(gets_in(&s, true));
    certs_finish(&s.certs); /* a certificate of somebody else's authority */
    certs_init(&s.certs);
    certs_make(&s.certs, "alice", "alice");
    certs_path(&s.certs, "alice.pem", s.paths[6]);
    certs_path(&s.certs, "alice.key", s.paths[7]);
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 1), NULL, NULL) ||
              peer_receive(&s.peer, &s.rig, (char[4]){ 0 }, 4) == 0);
    peer_show(&s.peer, s.paths[6], s.paths[7]);
    ck_assert(!peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, NULL) ||
              peer_receive(&s.peer, &s.rig, (char[4]){ 0 }, 4) == 0);
    stage_close(&s);
}
END_TEST

START_TEST(the_common_name_is_the_user_name_and_nobody_is_refused)
{
    struct stage s;

    stage_open(&s);
    s.tls.ca_file = s.paths[4];
    s.tls.client = TLS_CLIENT_OPTIONAL;
    s.tls.username = true;
    s.rig.node_config.core.deny_anonymous = true;
    rig_start(&s.rig);
    ck_assert(gets_in(&s, true));
    ck_assert(!gets_in(&s, false));
    certs_make(&s.certs, "alice", NULL); /* a certificate without a name names nobody */
    ck_assert(!gets_in(&s, true));
    stage_close(&s);
}
END_TEST

START_TEST(a_revoked_certificate_is_refused_after_a_reload_and_connections_stay)
{
    struct stage s;

    stage_open(&s);
    s.tls.ca_file = s.paths[4];
    s.tls.crl_file = s.paths[5];
    s.tls.client = TLS_CLIENT_REQUIRED;
    certs_revoke(&s.certs, NULL, 0);
    rig_start(&s.rig);
    ck_assert(gets_in(&s, true));
    peer_show(&s.peer, s.paths[6], s.paths[7]);
    ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, NULL));
    peer_say(&s.peer, &s.rig, CONNECT_B SUBSCRIBE_T);
    peer_hear(&s.peer, &s.rig, CONNACK SUBACK_T);
    certs_revoke(&s.certs, &s.alice, 1);
    ck_assert_int_eq(net_tls_reload(s.rig.net), ERR_OK);
    peer_say(&s.peer, &s.rig, PUBLISH_T);
    peer_hear(&s.peer, &s.rig, PUBLISH_T);
    peer_close(&s.peer);
    rig_until(&s.rig, net_stats(s.rig.net).connections == 0);
    ck_assert(!gets_in(&s, true));
    stage_close(&s);
}
END_TEST

START_TEST(a_new_certificate_is_shown_after_a_reload_and_a_bad_one_never)
{
    struct stage s;
    char shown[64];
    struct peer old;

    stage_open(&s);
    rig_start(&s.rig);
    peer_init(&old, s.paths[4]);
    ck_assert(peer_connect(&old, &s.rig, rig_port(&s.rig, 0), NULL, NULL));
    peer_say(&old, &s.rig, CONNECT_A SUBSCRIBE_T);
    peer_hear(&old, &s.rig, CONNACK SUBACK_T);
    certs_make(&s.certs, "one", "renewed.test");
    ck_assert_int_eq(net_tls_reload(s.rig.net), ERR_OK);
    for (size_t listener = 0; listener < 2; listener++) {
        ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, listener), NULL, NULL));
        ck_assert_str_eq(peer_server(&s.peer, shown, sizeof shown), "renewed.test");
    }
    ck_assert_int_eq(truncate(s.paths[0], 100), 0);
    ck_assert_int_eq(net_tls_reload(s.rig.net), ERR_IO);
    for (size_t listener = 0; listener < 2; listener++) {
        ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, listener), NULL, NULL));
        ck_assert_str_eq(peer_server(&s.peer, shown, sizeof shown), "renewed.test");
    }
    peer_say(&old, &s.rig, PUBLISH_T);
    peer_hear(&old, &s.rig, PUBLISH_T);
    peer_finish(&old);
    stage_close(&s);
}
END_TEST

/* The listener shows this name, now or soon. */
static bool shows(struct stage *s, const char *name)
{
    char shown[64];

    return peer_connect(&s->peer, &s->rig, rig_port(&s->rig, 0), NULL, NULL) &&
           strcmp(peer_server(&s->peer, shown, sizeof shown), name) == 0;
}

START_TEST(files_that_are_replaced_are_loaded_without_being_told)
{
    struct stage s;

    stage_open(&s);
    rig_start(&s.rig);
    ck_assert(shows(&s, "one.test"));
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "renewed-%d.test", i);
        certs_make(&s.certs, "one", name);
        rig_until(&s.rig, shows(&s, name));
    }
    stage_close(&s);
}
END_TEST

START_TEST(files_that_cannot_be_used_are_one_clear_line_each)
{
    struct stage s;
    struct buf errors = { 0 };
    char expected[600];

    stage_open(&s);
    s.certificates[0].key_file = s.paths[3];
    s.certificates[1].certificate_file = "/nowhere.pem";
    struct listener_config listeners[2] = { s.rig.listeners[0], s.rig.listeners[0] };
    struct tls_config second = s.tls;
    second.certificates = &s.certificates[1];
    second.certificate_count = 1;
    listeners[1].tls = &second;
    s.rig.config.listeners = listeners;
    s.rig.config.listener_count = 0;
    rig_start(&s.rig);
    struct net_config config = s.rig.config;
    config.listener_count = 2;
    struct net *net = net_new(&config, s.rig.node, 1);
    ck_assert_int_ne(net_listen(net, &errors), ERR_OK);
    snprintf(expected, sizeof expected,
             "listener mqtts: key_file %s: key values mismatch\n"
             "listener mqtts: certificate_file /nowhere.pem: No such file or directory\n",
             s.paths[3]);
    ck_assert(str_equal(buf_str(&errors), str_from_c(expected)));
    buf_finish(&errors);
    net_free(net);
    stage_close(&s);
}
END_TEST

START_TEST(whoever_speaks_no_tls_or_stops_in_the_middle_harms_nobody)
{
    struct stage s;

    stage_open(&s);
    rig_start(&s.rig);
    int plain = rig_connect(rig_port(&s.rig, 0)), half = rig_connect(rig_port(&s.rig, 0));

    rig_say(&s.rig, plain, CONNECT_A);
    rig_expect_closed(&s.rig, plain);
    rig_say(&s.rig, half, "\x16\x03\x01\x02\x00\x01\x00\x01");
    ck_assert(peer_connect(&s.peer, &s.rig, rig_port(&s.rig, 0), NULL, NULL));
    peer_say(&s.peer, &s.rig, CONNECT_A);
    peer_hear(&s.peer, &s.rig, CONNACK);
    peer_close(&s.peer);
    close(plain);
    close(half);
    rig_until(&s.rig, net_stats(s.rig.net).connections == 0);
    stage_close(&s);
}
END_TEST

UNIT_MAIN("net/tls", mqtt_is_spoken_through_tls_1_2_and_1_3,
          older_versions_and_foreign_alpn_are_refused, the_name_asked_for_chooses_the_certificate,
          a_large_payload_arrives_whole_through_small_records_and_large,
          a_client_shows_a_certificate_where_that_is_required,
          the_common_name_is_the_user_name_and_nobody_is_refused,
          a_revoked_certificate_is_refused_after_a_reload_and_connections_stay,
          a_new_certificate_is_shown_after_a_reload_and_a_bad_one_never,
          files_that_are_replaced_are_loaded_without_being_told,
          files_that_cannot_be_used_are_one_clear_line_each,
          whoever_speaks_no_tls_or_stops_in_the_middle_harms_nobody)
