/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mqtt_client.h"

#include "base/err.h"
#include "base/os.h"

#include <MQTTAsync.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Never more outstanding than Paho's own window, or its sender sleeps for a second. */
enum { INFLIGHT_MAX = 1000, CONNECT_TIMEOUT_S = 20, CLOSE_MS = 5000 };

struct mqtt_client {
    const struct mqtt_options *options;
    mqtt_message_fn on_message;
    void *context;
    MQTTAsync handle;
    char uri[1200], id[32];
    int wake;    /* eventfd: something for mqtt_client_wait */
    int signals; /* signalfd, -1: signals are as they were */

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    unsigned outstanding, window;
    bool connected, closed, enough;
    char failure[400]; /* empty: none */
};

__attribute__((format(printf, 2, 3))) static void fail(struct mqtt_client *client,
                                                       const char *format, ...)
{
    uint64_t one = 1;
    va_list args;

    pthread_mutex_lock(&client->lock);
    if (!client->failure[0]) {
        va_start(args, format);
        vsnprintf(client->failure, sizeof client->failure, format, args);
        va_end(args);
    }
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
    ssize_t ignored = write(client->wake, &one, sizeof one);
    (void)ignored;
}

static void debug(const struct mqtt_client *client, const char *what, const char *name)
{
    if (client->options->debug)
        fprintf(stderr, "plexus: %s %s\n", what, name);
}

/* What went wrong, in the words of MQTT 5 where there are some. */
static const char *reason_words(int code, enum MQTTReasonCodes reason, const char *message)
{
    if (reason != MQTTREASONCODE_SUCCESS && (int)reason >= 0x80)
        return MQTTReasonCode_toString(reason);
    if (message)
        return message;
    return code ? MQTTAsync_strerror(code) : "no reason given";
}

/* ---- connecting ---- */

static void set_flag(struct mqtt_client *client, bool *flag)
{
    pthread_mutex_lock(&client->lock);
    *flag = true;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_refused(void *context, MQTTAsync_failureData *data)
{
    struct mqtt_client *client = context;

    fail(client, "%.200s: %.120s", client->uri,
         reason_words(data ? data->code : 0, MQTTREASONCODE_SUCCESS, data ? data->message : NULL));
}

static void on_refused5(void *context, MQTTAsync_failureData5 *data)
{
    struct mqtt_client *client = context;

    fail(client, "%.200s: %.120s", client->uri,
         reason_words(data->code, data->reasonCode, data->message));
}

static void on_granted(void *context, MQTTAsync_successData *data)
{
    if (data && data->alt.qos == 0x80)
        fail(context, "the subscription was refused");
}

static void on_granted5(void *context, MQTTAsync_successData5 *data)
{
    if ((int)data->reasonCode >= 0x80)
        fail(context, "the subscription was refused: %s",
             MQTTReasonCode_toString(data->reasonCode));
}

static void on_denied(void *context, MQTTAsync_failureData *data)
{
    fail(context, "the subscription was refused: %s",
         reason_words(data ? data->code : 0, MQTTREASONCODE_SUCCESS, data ? data->message : NULL));
}

static void on_denied5(void *context, MQTTAsync_failureData5 *data)
{
    fail(context, "the subscription was refused: %s",
         reason_words(data->code, data->reasonCode, data->message));
}

static void subscribe_all(struct mqtt_client *client)
{
    for (size_t i = 0; i < client->options->topics.len; i++) {
        MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
        response.context = client;
        if (client->options->version == 5) {
            response.onSuccess5 = on_granted5;
            response.onFailure5 = on_denied5;
        } else {
            response.onSuccess = on_granted;
            response.onFailure = on_denied;
        }
        debug(client, "subscribing to", client->options->topics.at[i]);
        int rc = MQTTAsync_subscribe(client->handle, client->options->topics.at[i],
                                     (int)client->options->qos, &response);
        if (rc != MQTTASYNC_SUCCESS)
            fail(client, "%s: %s", client->options->topics.at[i], MQTTAsync_strerror(rc));
    }
}

/* The first CONNACK of MQTT 5: a broker may ask for a smaller window. [MQTT5 3.2.2.3.3] */
static void on_accepted5(void *context, MQTTAsync_successData5 *data)
{
    struct mqtt_client *client = context;
    const enum MQTTPropertyCodes code = MQTTPROPERTY_CODE_RECEIVE_MAXIMUM;

    if (!MQTTProperties_hasProperty(&data->properties, code))
        return;
    int receive_max = MQTTProperties_getNumericValue(&data->properties, code);
    pthread_mutex_lock(&client->lock);
    if (receive_max > 0 && (unsigned)receive_max < client->window)
        client->window = (unsigned)receive_max;
    pthread_mutex_unlock(&client->lock);
}

/* Connected, for the first time or again. */
static void on_connected(void *context, char *cause)
{
    struct mqtt_client *client = context;

    (void)cause;
    debug(client, "connected to", client->uri);
    set_flag(client, &client->connected);
    if (client->on_message)
        subscribe_all(client);
}

static void on_lost(void *context, char *cause)
{
    struct mqtt_client *client = context;

    debug(client, "connection lost:", cause ? cause : "no reason given");
    if (!client->on_message)
        fail(client, "%.200s: the connection was lost", client->uri);
}

/* ---- receiving ---- */

static int on_arrived(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    struct mqtt_client *client = context;
    struct str name = { topic, topic_len ? (size_t)topic_len : strlen(topic) };
    struct str payload = { message->payload, (size_t)message->payloadlen };
    uint64_t one = 1;

    pthread_mutex_lock(&client->lock);
    bool enough = client->enough;
    pthread_mutex_unlock(&client->lock);
    if (!enough && client->on_message && !client->on_message(client->context, name, payload)) {
        set_flag(client, &client->enough);
        ssize_t ignored = write(client->wake, &one, sizeof one);
        (void)ignored;
    }
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

/* ---- life ---- */

static void make_id(struct mqtt_client *client)
{
    uint32_t number = 0;

    os_random(&number, sizeof number);
    snprintf(client->id, sizeof client->id, "plexus-%08x", number);
}

static bool create(struct mqtt_client *client)
{
    MQTTAsync_createOptions create5 = MQTTAsync_createOptions_initializer5;
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
    const char *id = client->options->client_id ? client->options->client_id : client->id;

    create5.maxBufferedMessages = create.maxBufferedMessages = 2 * INFLIGHT_MAX;
    init.do_openssl_init = 1;
    MQTTAsync_global_init(&init);
    int rc =
        MQTTAsync_createWithOptions(&client->handle, client->uri, id, MQTTCLIENT_PERSISTENCE_NONE,
                                    NULL, client->options->version == 5 ? &create5 : &create);
    if (rc == MQTTASYNC_SUCCESS)
        rc = MQTTAsync_setCallbacks(client->handle, client, on_lost, on_arrived, NULL);
    if (rc == MQTTASYNC_SUCCESS)
        rc = MQTTAsync_setConnected(client->handle, client, on_connected);
    if (rc != MQTTASYNC_SUCCESS)
        fprintf(stderr, "plexus: %s: %s\n", client->uri, MQTTAsync_strerror(rc));
    return rc == MQTTASYNC_SUCCESS;
}

/* Block the signals that end a subscription before Paho makes its threads, so that they
 * come to mqtt_client_wait and nowhere else. */
static int take_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

struct mqtt_client *mqtt_client_new(const struct mqtt_options *options, mqtt_message_fn on_message,
                                    void *context)
{
    struct mqtt_client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    client->options = options;
    client->on_message = on_message;
    client->context = context;
    client->window = INFLIGHT_MAX - 1;
    client->wake = eventfd(0, EFD_CLOEXEC);
    client->signals = on_message ? take_signals() : -1;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    make_id(client);
    if (mqtt_options_uri(options, client->uri, sizeof client->uri) != ERR_OK || !create(client)) {
        mqtt_client_free(client);
        return NULL;
    }
    return client;
}

static MQTTAsync_connectOptions connect_options(struct mqtt_client *client,
                                                MQTTAsync_SSLOptions *tls)
{
    const struct mqtt_options *from = client->options;
    MQTTAsync_connectOptions plain = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions plain5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions web = MQTTAsync_connectOptions_initializer_ws;
    MQTTAsync_connectOptions web5 = MQTTAsync_connectOptions_initializer5_ws;
    bool ws = strncmp(client->uri, "ws", 2) == 0, five = from->version == 5;
    MQTTAsync_connectOptions options = five ? (ws ? web5 : plain5) : (ws ? web : plain);

    options.MQTTVersion = (int)from->version;
    options.keepAliveInterval = (int)from->keep_alive_s;
    options.connectTimeout = CONNECT_TIMEOUT_S;
    options.maxInflight = INFLIGHT_MAX;
    options.username = from->user;
    options.password = from->password;
    options.context = client;
    options.automaticReconnect = client->on_message != NULL;
    options.minRetryInterval = 1;
    options.maxRetryInterval = 30;
    if (five) {
        options.cleanstart = !from->keep_session;
        options.onSuccess5 = on_accepted5;
        options.onFailure5 = on_refused5;
    } else {
        options.cleansession = !from->keep_session;
        options.onFailure = on_refused;
    }
    if (strncmp(client->uri, "wss", 3) == 0 || strncmp(client->uri, "ssl", 3) == 0) {
        tls->trustStore = from->ca_file;
        tls->keyStore = from->cert_file;
        tls->privateKey = from->key_file;
        tls->enableServerCertAuth = 1;
        tls->verify = !from->insecure;
        tls->sslVersion = MQTT_SSL_VERSION_TLS_1_2;
        options.ssl = tls;
    }
    return options;
}

/* Under the lock: report a failure once. */
static int outcome(struct mqtt_client *client)
{
    if (!client->failure[0])
        return ERR_OK;
    fprintf(stderr, "plexus: %s\n", client->failure);
    return ERR_IO;
}

int mqtt_client_connect(struct mqtt_client *client)
{
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTAsync_connectOptions options = connect_options(client, &tls);

    if (client->options->version == 5 && client->options->keep_session) {
        /* mosquitto_sub's way with -c: the session lives on after us. */
        MQTTProperty expiry = { .identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL };
        expiry.value.integer4 = UINT32_MAX;
        MQTTProperties_add(&properties, &expiry);
        options.connectProperties = &properties;
    }
    int rc = MQTTAsync_connect(client->handle, &options);
    MQTTProperties_free(&properties);
    if (rc != MQTTASYNC_SUCCESS)
        fail(client, "%.200s: %s", client->uri, MQTTAsync_strerror(rc));
    pthread_mutex_lock(&client->lock);
    while (!client->connected && !client->failure[0])
        pthread_cond_wait(&client->changed, &client->lock);
    int err = outcome(client);
    pthread_mutex_unlock(&client->lock);
    return err;
}

/* ---- publishing ---- */

static void one_less(struct mqtt_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->outstanding--;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_sent(void *context, MQTTAsync_successData *data)
{
    (void)data;
    one_less(context);
}

static void on_sent5(void *context, MQTTAsync_successData5 *data)
{
    if ((int)data->reasonCode >= 0x80)
        fail(context, "refused: %s", MQTTReasonCode_toString(data->reasonCode));
    one_less(context);
}

static void on_unsent(void *context, MQTTAsync_failureData *data)
{
    fail(context, "not published: %s",
         reason_words(data ? data->code : 0, MQTTREASONCODE_SUCCESS, data ? data->message : NULL));
    one_less(context);
}

static void on_unsent5(void *context, MQTTAsync_failureData5 *data)
{
    fail(context, "not published: %s", reason_words(data->code, data->reasonCode, data->message));
    one_less(context);
}

/* Wait until the window has room, or with all set until nothing is on its way. */
static int wait_for_room(struct mqtt_client *client, bool all)
{
    pthread_mutex_lock(&client->lock);
    while (client->outstanding >= (all ? 1 : client->window) && !client->failure[0])
        pthread_cond_wait(&client->changed, &client->lock);
    int err = outcome(client);
    pthread_mutex_unlock(&client->lock);
    return err;
}

int mqtt_client_publish(struct mqtt_client *client, const char *topic, struct str payload)
{
    MQTTAsync_message message = MQTTAsync_message_initializer;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;

    int err = wait_for_room(client, false);
    if (err)
        return err;
    response.context = client;
    if (client->options->version == 5) {
        response.onSuccess5 = on_sent5;
        response.onFailure5 = on_unsent5;
    } else {
        response.onSuccess = on_sent;
        response.onFailure = on_unsent;
    }
    message.payload = (void *)(uintptr_t)payload.ptr;
    message.payloadlen = (int)payload.len;
    message.qos = (int)client->options->qos;
    message.retained = client->options->retain;
    pthread_mutex_lock(&client->lock);
    client->outstanding++;
    pthread_mutex_unlock(&client->lock);
    debug(client, "publishing to", topic);
    int rc = MQTTAsync_sendMessage(client->handle, topic, &message, &response);
    if (rc == MQTTASYNC_SUCCESS)
        return ERR_OK;
    fprintf(stderr, "plexus: %s: %s\n", topic, MQTTAsync_strerror(rc));
    return ERR_IO;
}

int mqtt_client_drain(struct mqtt_client *client)
{
    return wait_for_room(client, true);
}

/* ---- waiting and leaving ---- */

enum mqtt_wait mqtt_client_wait(struct mqtt_client *client, unsigned timeout_s)
{
    uint64_t end_ms = timeout_s ? os_monotonic_ms() + 1000ull * timeout_s : UINT64_MAX;
    struct pollfd fds[] = { { .fd = client->signals, .events = POLLIN },
                            { .fd = client->wake, .events = POLLIN } };

    for (;;) {
        uint64_t now = os_monotonic_ms();
        int wait_ms = end_ms == UINT64_MAX ? -1 : end_ms > now ? (int)(end_ms - now) : 0;
        if (poll(fds, 2, wait_ms) == 0)
            return WAIT_TIMEOUT;
        if (fds[0].revents)
            return WAIT_SIGNAL;
        if (!fds[1].revents)
            continue;
        pthread_mutex_lock(&client->lock);
        enum mqtt_wait result = client->enough ? WAIT_ENOUGH : WAIT_FAILED;
        if (result == WAIT_FAILED)
            outcome(client);
        pthread_mutex_unlock(&client->lock);
        return result;
    }
}

static void on_closed(void *context, MQTTAsync_successData *data)
{
    struct mqtt_client *client = context;

    (void)data;
    set_flag(client, &client->closed);
}

static void on_closed5(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    on_closed(context, NULL);
}

static void on_unclosed(void *context, MQTTAsync_failureData *data)
{
    (void)data;
    on_closed(context, NULL);
}

static void on_unclosed5(void *context, MQTTAsync_failureData5 *data)
{
    (void)data;
    on_closed(context, NULL);
}

static void disconnect(struct mqtt_client *client)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
    struct timespec until;

    options.context = options5.context = client;
    options.timeout = options5.timeout = CLOSE_MS;
    options.onSuccess = on_closed;
    options.onFailure = on_unclosed;
    options5.onSuccess5 = on_closed5;
    options5.onFailure5 = on_unclosed5;
    int rc =
        MQTTAsync_disconnect(client->handle, client->options->version == 5 ? &options5 : &options);
    if (rc != MQTTASYNC_SUCCESS)
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2 * CLOSE_MS / 1000;
    pthread_mutex_lock(&client->lock);
    while (!client->closed && pthread_cond_timedwait(&client->changed, &client->lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&client->lock);
}

void mqtt_client_free(struct mqtt_client *client)
{
    if (!client)
        return;
    if (client->handle && MQTTAsync_isConnected(client->handle))
        disconnect(client);
    MQTTAsync_destroy(&client->handle);
    close(client->wake);
    if (client->signals >= 0)
        close(client->signals);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->changed);
    free(client);
}
