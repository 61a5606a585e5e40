/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth.h"

#include "core/broker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct auth {
    uint64_t ask;              /* the question that is out; 0: none */
    bool under_way;            /* the exchange has begun and not ended */
    struct mqtt_connect *kept; /* while the client waits to come in; else NULL */
    struct buf text;           /* what kept borrows */
    struct str method;         /* on the heap; empty: user name and password */
};

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    free(auth->kept);
    buf_finish(&auth->text);
    free((char *)auth->method.ptr);
    free(auth);
}

bool auth_is_needed(const struct core *core, const struct mqtt_connect *connect)
{
    if (connect->version == MQTT_5 && props_has(&connect->props, PROP_AUTHENTICATION_METHOD))
        return true;
    return core->config.ask_passwords && (connect->has_username || connect->has_password);
}

struct str auth_method(const struct conn *conn)
{
    return conn->auth ? conn->auth->method : (struct str){ NULL, 0 };
}

/* ---- a CONNECT that waits ---- */

/* Everything in a CONNECT that borrows its packet; what stands twice is kept twice. */
static size_t borrowed(struct mqtt_connect *connect, struct str *ret_strs[8])
{
    size_t count = 0;

    ret_strs[count++] = &connect->client_id;
    ret_strs[count++] = &connect->props.raw;
    if (connect->has_username)
        ret_strs[count++] = &connect->username;
    if (connect->has_password)
        ret_strs[count++] = &connect->password;
    if (connect->has_will) {
        ret_strs[count++] = &connect->will.topic;
        ret_strs[count++] = &connect->will.payload;
        ret_strs[count++] = &connect->will.props.raw;
    }
    return count;
}

/* Keep the CONNECT: its numbers as they are, its texts in one buffer. Of its properties
 * the texts are only in raw from now on. */
static bool keep(struct auth *auth, const struct mqtt_connect *connect)
{
    struct str *strs[8];

    auth->kept = malloc(sizeof *auth->kept);
    if (!auth->kept)
        return false;
    *auth->kept = *connect;
    size_t count = borrowed(auth->kept, strs);
    for (size_t i = 0; i < count; i++)
        buf_append_str(&auth->text, *strs[i]);
    if (auth->text.failed)
        return false;
    const char *at = (const char *)auth->text.data;
    for (size_t i = 0; i < count; i++) {
        strs[i]->ptr = at;
        at += strs[i]->len;
    }
    return true;
}

static bool keep_method(struct auth *auth, struct str method)
{
    char *text = malloc(method.len ? method.len : 1);

    if (!text)
        return false;
    auth->method = (struct str){ text, method.len };
    if (method.len)
        memcpy(text, method.ptr, method.len);
    return true;
}

/* ---- questions ---- */

static void ask(struct core *core, struct conn *conn, enum core_ask_stage stage,
                const struct props *props)
{
    struct auth *auth = conn->auth;
    const struct mqtt_connect *kept = auth->kept;
    struct core_ask_texts texts = { .method = auth->method };
    struct core_ask question = { .kind = CORE_ASK_AUTH, .stage = stage, .conn = conn->id };

    texts.client_id = kept ? kept->client_id : session_client_id(conn->session);
    if (kept && kept->has_username)
        texts.username = kept->username;
    if (kept && kept->has_password)
        texts.password = kept->password;
    if (props_has(props, PROP_AUTHENTICATION_DATA))
        texts.data = props->authentication_data;
    question.has_username = kept && kept->has_username;
    question.has_password = kept && kept->has_password;
    question.ask = auth->ask = ++core->asks;
    effects_ask(core->out, question, &texts);
    if (kept) /* nothing else may come before the answer */
        effects_order(core->out, conn->id, CORE_SEND_PAUSE);
}

void auth_begin(struct core *core, struct conn *conn, const struct mqtt_connect *connect)
{
    struct auth *auth = conn->auth = calloc(1, sizeof *auth);
    bool enhanced =
        connect->version == MQTT_5 && props_has(&connect->props, PROP_AUTHENTICATION_METHOD);

    if (!auth || !keep(auth, connect) ||
        (enhanced && !keep_method(auth, connect->props.authentication_method))) {
        core_failed(core);
        connect_refuse(core, conn, REASON_SERVER_BUSY, connect->client_id);
        return;
    }
    conn->state = CONN_ASKING;
    auth->under_way = true;
    static const struct props none;
    ask(core, conn, CORE_ASK_CONNECT, connect->version == MQTT_5 ? &connect->props : &none);
}

/* The exchange breaks the rules: say so as far as the client has come. */
static void break_off(struct core *core, struct conn *conn, uint8_t reason)
{
    if (conn->state == CONN_ASKING)
        connect_refuse(core, conn, reason, conn->auth->kept->client_id);
    else
        conn_close(core, conn, reason);
}

void on_auth(struct core *core, struct conn *conn, const struct mqtt_auth *packet)
{
    struct auth *auth = conn->auth;
    bool begins = packet->reason == REASON_REAUTHENTICATE;

    if (!auth || !auth->method.ptr) { /* we have agreed on no method [MQTT-4.12.0-7] */
        break_off(core, conn, REASON_PROTOCOL_ERROR);
        return;
    }
    /* One method for the life of the connection [MQTT-4.12.0-5] [MQTT-4.12.1-1]; our turn,
     * and theirs [MQTT-4.12.0-2] [MQTT-4.12.0-3]. */
    if (!str_equal(packet->props.authentication_method, auth->method) || auth->ask ||
        begins == auth->under_way ||
        (!begins && packet->reason != REASON_CONTINUE_AUTHENTICATION)) {
        break_off(core, conn, REASON_PROTOCOL_ERROR);
        return;
    }
    auth->under_way = true;
    ask(core, conn, begins ? CORE_ASK_AGAIN : CORE_ASK_CONTINUE, &packet->props);
}

/* ---- answers ---- */

static void say(struct core *core, struct conn *conn, uint8_t reason, struct str data)
{
    struct mqtt_packet packet = { .kind = MQTT_AUTH, .auth.reason = reason };
    struct props *props = &packet.auth.props;

    props->authentication_method = conn->auth->method; /* [MQTT-4.12.0-5] */
    props_mark(props, PROP_AUTHENTICATION_METHOD);
    if (data.len) {
        props->authentication_data = data;
        props_mark(props, PROP_AUTHENTICATION_DATA);
    }
    if (!conn_answer(core, conn, &packet))
        conn_close(core, conn, REASON_PACKET_TOO_LARGE);
}

/* The client may come in. */
static void let_in(struct core *core, struct conn *conn, struct str data)
{
    struct auth *auth = conn->auth;
    struct mqtt_connect *connect = auth->kept;
    struct buf text = auth->text;

    auth->kept = NULL;
    auth->text = (struct buf){ 0 };
    connect_accept(core, conn, connect, data);
    free(connect);
    buf_finish(&text);
}

void on_answer(struct core *core, struct conn *conn, const struct core_answer *answer)
{
    struct auth *auth = conn->auth;

    if (!auth || !auth->ask || auth->ask != answer->ask || conn->state == CONN_CLOSING)
        return;
    bool coming = conn->state == CONN_ASKING;
    auth->ask = 0;
    auth->under_way = answer->verdict == CORE_CONTINUE;
    switch (answer->verdict) {
    case CORE_CONTINUE:
        assert(auth->method.ptr);
        say(core, conn, REASON_CONTINUE_AUTHENTICATION, answer->data);
        break;
    case CORE_ALLOW:
        if (coming)
            let_in(core, conn, answer->data);
        else
            say(core, conn, REASON_SUCCESS, answer->data);
        break;
    case CORE_DENY: /* [MQTT-4.12.0-1] [MQTT-4.12.0-4] [MQTT-4.12.1-2] */
        break_off(core, conn, answer->reason ? answer->reason : REASON_NOT_AUTHORIZED);
        return;
    }
    if (coming && (conn->state == CONN_UP || conn->state == CONN_ASKING))
        effects_order(core->out, conn->id, CORE_SEND_RESUME);
}
