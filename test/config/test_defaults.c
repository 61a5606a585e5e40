/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "config/config.h"

#include "unit.h"

/* The table says the defaults to people, core and mesh use theirs where nobody asks. */
START_TEST(the_table_and_the_core_agree_on_the_defaults)
{
    struct config config;
    struct core_config core = { 0 };

    ck_assert_int_eq(config_init(&config), ERR_OK);
    core_config_defaults(&core);
    const struct core_config ours = config_core(&config);
    ck_assert_uint_eq(ours.packet_bytes_max, core.packet_bytes_max);
    ck_assert_uint_eq(ours.receive_max, core.receive_max);
    ck_assert_uint_eq(ours.inflight_max, core.inflight_max);
    ck_assert_uint_eq(ours.queue_messages_max, core.queue_messages_max);
    ck_assert_uint_eq(ours.queue_bytes_max, core.queue_bytes_max);
    ck_assert_uint_eq(ours.subscriptions_max, core.subscriptions_max);
    ck_assert_uint_eq(ours.session_expiry_max_s, core.session_expiry_max_s);
    ck_assert_uint_eq(ours.keep_alive_max_s, core.keep_alive_max_s);
    ck_assert_uint_eq(ours.connect_timeout_ms, core.connect_timeout_ms);
    ck_assert_uint_eq(ours.retained_max, core.retained_max);
    ck_assert_uint_eq(ours.retained_bytes_max, core.retained_bytes_max);
    ck_assert_uint_eq(ours.sessions_max, core.sessions_max);
    ck_assert_uint_eq(ours.sys_interval_s, core.sys_interval_s);
    ck_assert_str_eq(ours.server_reference, "");
    ck_assert_str_eq(ours.response_prefix, "");
    ck_assert(!ours.queue_qos0 && !ours.check_payload_format && !ours.server_moved);
    config_finish(&config);
}
END_TEST

START_TEST(the_table_and_the_mesh_agree_on_the_defaults)
{
    struct config config;
    struct mesh_config mesh = { 0 };

    ck_assert_int_eq(config_init(&config), ERR_OK);
    mesh_config_defaults(&mesh);
    const struct mesh_config ours = config_mesh(&config, NULL);
    ck_assert(str_equal(ours.mesh_name, mesh.mesh_name));
    ck_assert_uint_eq(ours.ping_ms, mesh.ping_ms);
    ck_assert_uint_eq(ours.handshake_ms, mesh.handshake_ms);
    ck_assert_uint_eq(ours.dial_backoff_ms, mesh.dial_backoff_ms);
    ck_assert_uint_eq(ours.dial_backoff_max_ms, mesh.dial_backoff_max_ms);
    ck_assert_uint_eq(ours.interest_batch_ms, mesh.interest_batch_ms);
    ck_assert_uint_eq(ours.interest_linger_ms, mesh.interest_linger_ms);
    ck_assert_uint_eq(ours.digest_ms, mesh.digest_ms);
    ck_assert_uint_eq(ours.stale_ms, mesh.stale_ms);
    ck_assert_uint_eq(ours.links_max, mesh.links_max);
    ck_assert_uint_eq(ours.nodes_max, mesh.nodes_max);
    ck_assert_uint_eq(ours.filters_max, mesh.filters_max);
    ck_assert_uint_eq(ours.link_queue_bytes_max, mesh.link_queue_bytes_max);
    ck_assert_uint_eq(ours.qos0_age_ms, mesh.qos0_age_ms);
    config_finish(&config);
}
END_TEST

UNIT_MAIN("config/defaults", the_table_and_the_core_agree_on_the_defaults,
          the_table_and_the_mesh_agree_on_the_defaults)
