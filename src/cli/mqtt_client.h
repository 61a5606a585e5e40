/* SPDX-License-Identifier: Apache-2.0 */
/* A client of a broker for one command, on Paho MQTT C. Paho calls back on threads of its
 * own; this keeps them behind a lock and lets a command wait in plain order. One client a
 * process over WebSocket: Paho's WebSocket state is global. */
#pragma once

#include "base/str.h"
#include "cli/mqtt_options.h"

#include <stdint.h>

struct mqtt_client;

/* A message came; on Paho's receiving thread. False: the client has had enough. */
typedef bool (*mqtt_message_fn)(void *context, struct str topic, struct str payload);

/* A client that is not connected yet, or NULL. The options are borrowed. on_message may be
 * NULL; with it, the client subscribes to the topics of the options on each connect. */
struct mqtt_client *mqtt_client_new(const struct mqtt_options *options, mqtt_message_fn on_message,
                                    void *context);

/* Connect and wait for it. ERR_OK, or ERR_IO and the reason is on standard error. */
int mqtt_client_connect(struct mqtt_client *client);

/* Hand over a message; waits while too many are on their way, because Paho stalls for a
 * second when more is queued than its window. ERR_OK or ERR_IO, as above. */
int mqtt_client_publish(struct mqtt_client *client, const char *topic, struct str payload);

/* Wait until every message is delivered as its QoS asks. ERR_OK or ERR_IO, as above. */
int mqtt_client_drain(struct mqtt_client *client);

/* How mqtt_client_wait ended. */
enum mqtt_wait { WAIT_ENOUGH, WAIT_SIGNAL, WAIT_TIMEOUT, WAIT_FAILED };

/* Receive until on_message has had enough, SIGINT or SIGTERM comes, timeout_s passes (0:
 * never), or a subscription is refused. */
enum mqtt_wait mqtt_client_wait(struct mqtt_client *client, unsigned timeout_s);

/* Disconnect, if connected, and free it. Accepts NULL. */
void mqtt_client_free(struct mqtt_client *client);
