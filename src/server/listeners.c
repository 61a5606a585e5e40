/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listeners.h"

#include "base/err.h"
#include "base/ip.h"
#include "config/address.h"

#include <stdlib.h>

/* The next one, at this address; what else it is, is the caller's to fill in. NULL when
 * the address is none, which the configuration's check has refused long ago. */
static struct listener_config *add(struct listeners *listeners, const char *text)
{
    struct config_address *address = &listeners->addresses[listeners->count];
    struct listener_config *listener = &listeners->at[listeners->count];

    if (config_address_parse(str_from_c(text), address) != ERR_OK)
        return NULL;
    *listener = (struct listener_config){ .port = address->port };
    switch (address->kind) {
    case CONFIG_ADDRESS_IP: listener->host = address->host; break;
    case CONFIG_ADDRESS_UNIX: listener->path = address->host; break;
    case CONFIG_ADDRESS_SYSTEMD: listener->socket_name = address->host; break;
    }
    listeners->count++;
    return listener;
}

static void add_plain(struct listeners *listeners, const struct config *config,
                      const struct config_strings *texts, enum listener_kind kind)
{
    for (size_t i = 0; i < texts->len; i++) {
        struct listener_config *listener = add(listeners, texts->at[i]);
        if (!listener)
            continue;
        listener->kind = kind;
        listener->name = kind == LISTENER_MQTT ? "mqtt" : "web";
        listener->connections_max = config->limits.connections_max;
    }
}

static const char *text_or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* Fill in tls, with its certificates from *certificates on, which moves behind them. */
static void fill_tls(struct tls_config *tls, const struct config_tls *from,
                     struct tls_certificate **certificates)
{
    static const enum tls_client clients[] = {
        [CONFIG_CLIENT_NONE] = TLS_CLIENT_NONE,
        [CONFIG_CLIENT_OPTIONAL] = TLS_CLIENT_OPTIONAL,
        [CONFIG_CLIENT_REQUIRED] = TLS_CLIENT_REQUIRED,
    };
    struct tls_certificate *next = *certificates;

    *tls = (struct tls_config){
        .certificates = next,
        .certificate_count = 1 + from->more.len,
        .ca_file = text_or_null(from->ca_file),
        .crl_file = text_or_null(from->crl_file),
        .ciphers = text_or_null(from->ciphers),
        .ciphersuites = text_or_null(from->ciphersuites),
        .tls_13_only = from->version_min == CONFIG_TLS_13,
        .client = clients[from->client_certificate],
        .username = from->username_from_certificate,
    };
    *next++ = (struct tls_certificate){ from->first.certificate_file, from->first.key_file };
    for (size_t i = 0; i < from->more.len; i++)
        *next++ = (struct tls_certificate){ from->more.at[i].certificate_file,
                                            from->more.at[i].key_file };
    *certificates = next;
}

static unsigned serve_of(uint32_t serve)
{
    return (serve & CONFIG_SERVE_MQTT ? SERVE_MQTT : 0u) |
           (serve & CONFIG_SERVE_MESH ? SERVE_MESH : 0u) |
           (serve & CONFIG_SERVE_PAGES ? SERVE_PAGES : 0u) |
           (serve & CONFIG_SERVE_API ? SERVE_API : 0u);
}

/* Those that are believed, from *blocks on, which moves behind them. */
static void fill_trusted(struct listener_config *listener, const struct config_strings *texts,
                         struct ip_block **blocks)
{
    listener->trusted = *blocks;
    for (size_t i = 0; i < texts->len; i++) {
        if (ip_block_parse(str_from_c(texts->at[i]), *blocks) == ERR_OK)
            (*blocks)++;
    }
    listener->trusted_count = (size_t)(*blocks - listener->trusted);
}

static void add_rich(struct listeners *listeners, const struct config *config)
{
    static const enum listener_kind kinds[] = {
        [CONFIG_PROTOCOL_MQTT] = LISTENER_MQTT,
        [CONFIG_PROTOCOL_WEB] = LISTENER_WEB,
        [CONFIG_PROTOCOL_AUTO] = LISTENER_AUTO,
    };
    struct tls_certificate *certificates = listeners->certificates;
    struct ip_block *blocks = listeners->trusted;

    for (size_t i = 0; i < config->listeners.len; i++) {
        const struct config_listener *from = &config->listeners.at[i];
        struct listener_config *listener = add(listeners, from->address);
        if (!listener)
            continue;
        listener->name = from->name;
        listener->kind = kinds[from->protocol];
        listener->serve = serve_of(from->serve);
        listener->connections_max = from->connections_max;
        listener->connect_rate_max = from->connect_rate_max;
        listener->packet_bytes_max = from->packet_bytes_max;
        listener->bytes_per_second_max = from->bytes_per_second_max;
        listener->origins = (const char *const *)from->origins.at;
        listener->origin_count = from->origins.len;
        listener->proxy_protocol = from->proxy_protocol;
        fill_trusted(listener, &from->trusted_proxies, &blocks);
        listener->relaxed = from->durability == CONFIG_DURABILITY_MEMORY;
        listener->mode = (unsigned)strtoul(from->mode, NULL, 8);
        if (!from->has_tls)
            continue;
        fill_tls(&listeners->tls[i], &from->tls, &certificates);
        listener->tls = &listeners->tls[i];
    }
}

int listeners_make(struct listeners *listeners, const struct config *config)
{
    size_t rich = config->listeners.len;
    size_t count = config->mqtt.listen.len + config->web.listen.len + rich;
    size_t certificates = rich, blocks = 0;

    for (size_t i = 0; i < rich; i++) {
        certificates += config->listeners.at[i].tls.more.len;
        blocks += config->listeners.at[i].trusted_proxies.len;
    }
    /* One more each: calloc of nothing may give NULL. */
    *listeners = (struct listeners){
        .at = calloc(count + 1, sizeof *listeners->at),
        .addresses = calloc(count + 1, sizeof *listeners->addresses),
        .tls = calloc(rich + 1, sizeof *listeners->tls),
        .certificates = calloc(certificates + 1, sizeof *listeners->certificates),
        .trusted = calloc(blocks + 1, sizeof *listeners->trusted),
    };
    if (!listeners->at || !listeners->addresses || !listeners->tls || !listeners->certificates ||
        !listeners->trusted)
        return ERR_NOMEM;
    add_plain(listeners, config, &config->mqtt.listen, LISTENER_MQTT);
    add_plain(listeners, config, &config->web.listen, LISTENER_WEB);
    listeners->plain = listeners->count;
    add_rich(listeners, config);
    return ERR_OK;
}

void listeners_finish(struct listeners *listeners)
{
    free(listeners->at);
    free(listeners->addresses);
    free(listeners->tls);
    free(listeners->certificates);
    free(listeners->trusted);
    *listeners = (struct listeners){ 0 };
}
