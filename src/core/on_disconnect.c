/* SPDX-License-Identifier: Apache-2.0 */
/* DISCONNECT from a client. [MQTT5 3.14] */
#include "core/broker.h"

/* The client changes how long its session is kept; false: that is no MQTT, the connection
 * is closed. */
static bool change_expiry(struct core *core, struct conn *conn, const struct props *props)
{
    struct session *session = conn->session;
    uint32_t wanted = props->session_expiry_interval, most = core->config.session_expiry_max_s;

    if (wanted > 0 && session->expiry_s == 0) { /* [MQTT5 3.14.2.2.2] */
        conn_close(core, conn, REASON_PROTOCOL_ERROR);
        return false;
    }
    session->expiry_s = wanted < most ? wanted : most;
    return true; /* the record follows when the session is detached */
}

void on_disconnect(struct core *core, struct conn *conn, const struct mqtt_disconnect *packet)
{
    uint8_t reason = conn->version == MQTT_5 ? packet->reason : REASON_SUCCESS;

    if (conn->version == MQTT_5 && props_has(&packet->props, PROP_SESSION_EXPIRY_INTERVAL) &&
        !change_expiry(core, conn, &packet->props))
        return;
    /* Only a normal goodbye takes the will back. [MQTT-3.14.4-3] */
    conn_close_quietly(core, conn, reason, reason != REASON_SUCCESS);
}
