/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/err.h"
#include "config/address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A name stands in log lines and notes: it is one word. */
static bool is_word(const char *name)
{
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
            return false;
    }
    return true;
}

static void check_name(const struct config *config, size_t index, struct config_report *report)
{
    const struct config_listener *listener = &config->listeners.at[index];

    if (!is_word(listener->name))
        config_report_error(report,
                            "%slisteners[%zu].name: found \"%s\", allowed: letters, digits, - _ .",
                            listener->where, index, listener->name);
    for (size_t i = 0; i < index; i++) {
        if (strcmp(config->listeners.at[i].name, listener->name) == 0)
            config_report_error(report, "%slisteners[%zu].name: %s is the name of two listeners",
                                listener->where, index, listener->name);
    }
}

/* Every listener's clients show a certificate, and it says who they are. */
static bool knows_its_clients(const struct config_listener *listener)
{
    return listener->has_tls && listener->tls.client_certificate == CONFIG_CLIENT_REQUIRED &&
           listener->tls.username_from_certificate;
}

static void check_tls(const struct config_listener *listener, size_t index,
                      struct config_report *report)
{
    const struct config_tls *tls = &listener->tls;
    bool asks = tls->client_certificate != CONFIG_CLIENT_NONE;

    if (!listener->has_tls)
        return;
    if (asks && !tls->ca_file[0])
        config_report_error(report,
                            "%slisteners[%zu].tls: client_certificate needs a ca_file: who signs "
                            "them",
                            listener->where, index);
    if (tls->crl_file[0] && !tls->ca_file[0])
        config_report_error(report, "%slisteners[%zu].tls: crl_file needs a ca_file",
                            listener->where, index);
    if (tls->username_from_certificate && !asks)
        config_report_error(report,
                            "%slisteners[%zu].tls: username_from_certificate needs "
                            "client_certificate \"optional\" or \"required\"",
                            listener->where, index);
}

/* As config_check does for the plain lists. */
static void check_strangers(const struct config *config, const struct config_listener *listener,
                            size_t index, struct config_report *report)
{
    bool written = config->origins[CONFIG_SECURITY_ALLOW_ANONYMOUS].source != CONFIG_DEFAULT;
    struct config_address address;

    if (config->security.password_file[0] || (written && config->security.allow_anonymous) ||
        knows_its_clients(listener) ||
        config_address_parse(str_from_c(listener->address), &address) != ERR_OK ||
        config_address_is_loopback(&address))
        return;
    config_report_error(report,
                        "%slisteners[%zu]: %s can be reached from outside and %s; ask for "
                        "certificates with \"client_certificate\": \"required\" and "
                        "\"username_from_certificate\": true, name a file of users with "
                        "\"security\": {\"password_file\": \"FILE\"}, or to let everybody in, "
                        "write \"security\": {\"allow_anonymous\": true}",
                        listener->where, index, listener->address,
                        written ? "security.allow_anonymous is false, so nobody may enter"
                                : "nothing says who may enter");
}

/* As config_check does for web.listen. Certificates are asked of brokers too. */
static void check_mesh(const struct config *config, const struct config_listener *listener,
                       size_t index, struct config_report *report)
{
    bool certain = listener->has_tls && listener->tls.client_certificate == CONFIG_CLIENT_REQUIRED;
    struct config_address address;

    if (!config->security.password_file[0] || certain || !(listener->serve & CONFIG_SERVE_MESH) ||
        listener->protocol == CONFIG_PROTOCOL_MQTT ||
        config_address_parse(str_from_c(listener->address), &address) != ERR_OK ||
        config_address_is_loopback(&address))
        return;
    config_report_warning(report,
                          "%slisteners[%zu].serve: %s can be reached from outside and serves "
                          "/mesh, where nobody is asked for a password",
                          listener->where, index, listener->address);
}

static void check_clash(const struct config *config, size_t index, struct config_report *report)
{
    const struct config_listener *listener = &config->listeners.at[index];
    bool clash = false;

    for (size_t i = 0; i < index; i++)
        clash |= config_same_address(config->listeners.at[i].address, listener->address);
    for (size_t i = 0; i < config->mqtt.listen.len; i++)
        clash |= config_same_address(config->mqtt.listen.at[i], listener->address);
    for (size_t i = 0; i < config->web.listen.len; i++)
        clash |= config_same_address(config->web.listen.at[i], listener->address);
    if (clash)
        config_report_error(report, "%slisteners[%zu]: %s is used by two listeners",
                            listener->where, index, listener->address);
}

void config_listeners_check(const struct config *config, struct config_report *report)
{
    for (size_t i = 0; i < config->listeners.len; i++) {
        const struct config_listener *listener = &config->listeners.at[i];
        check_name(config, i, report);
        check_tls(listener, i, report);
        check_strangers(config, listener, i, report);
        check_mesh(config, listener, i, report);
        check_clash(config, i, report);
        if (listener->protocol == CONFIG_PROTOCOL_MQTT && !(listener->serve & CONFIG_SERVE_MQTT))
            config_report_error(report,
                                "%slisteners[%zu].serve: a listener for mqtt serves \"mqtt\"",
                                listener->where, i);
        if (listener->protocol == CONFIG_PROTOCOL_MQTT && listener->trusted_proxies.len > 0)
            config_report_error(report,
                                "%slisteners[%zu].trusted_proxies: X-Forwarded-For is of HTTP; a "
                                "listener for mqtt has proxy_protocol",
                                listener->where, i);
        if (strspn(listener->mode, "01234567") != strlen(listener->mode))
            config_report_error(report,
                                "%slisteners[%zu].mode: found \"%s\", allowed: like \"0660\"",
                                listener->where, i, listener->mode);
        if (listener->serve == 0)
            config_report_error(report, "%slisteners[%zu].serve: nothing is served",
                                listener->where, i);
    }
}
