/* SPDX-License-Identifier: Apache-2.0 */
#include "config/listeners.h"

#include "base/buf.h"
#include "base/err.h"
#include "config/address.h"
#include "config/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTENERS_MAX = 64, LABEL_MAX = 96, STEPS_MAX = 6, CERTIFICATES_MAX = 64 };

#define OF(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

/* Where a preset is NULL the key must be written. */
static const struct config_field listener_fields[] = {
    { "name", CONFIG_TEXT, OF(config_listener, name), 1, 63, NULL, "", true,
      "what the log calls it" },
    { "address", CONFIG_LISTEN, OF(config_listener, address), 1, 120, NULL, "", true,
      "ADDRESS:PORT, unix:/PATH or systemd:NAME" },
    { "protocol", CONFIG_CHOICE, OF(config_listener, protocol), 0, 0, "mqtt", "mqtt|web|auto", true,
      "what is spoken; auto: told from the first bytes, with TLS or without" },
    { "serve", CONFIG_CHOICES, OF(config_listener, serve), 0, 0, "mqtt,mesh,pages,api",
      "mqtt|mesh|pages|api", true, "what may be asked for" },
    { "connections_max", CONFIG_NUMBER, OF(config_listener, connections_max), 1, 10000000, "100000",
      "", true, "connections at once" },
    { "mode", CONFIG_TEXT, OF(config_listener, mode), 3, 4, "0660", "", true,
      "who may connect to a unix socket: the mode of its file" },
    { "connect_rate_max", CONFIG_NUMBER, OF(config_listener, connect_rate_max), 0, 1000000, "0", "",
      true, "accepted a second, the others wait; 0: no limit" },
    { "packet_bytes_max", CONFIG_NUMBER, OF(config_listener, packet_bytes_max), 0, 128 << 20, "0",
      "bytes", true, "the largest MQTT packet here; 0: limits.packet_bytes_max" },
    { "bytes_per_second_max", CONFIG_NUMBER, OF(config_listener, bytes_per_second_max), 0, 1 << 30,
      "0", "bytes", true, "read from each client; 0: no limit" },
    { "proxy_protocol", CONFIG_BOOL, OF(config_listener, proxy_protocol), 0, 1, "false", "", true,
      "only a proxy connects, and says by PROXY protocol for whom" },
    { "trusted_proxies", CONFIG_BLOCKS, OF(config_listener, trusted_proxies), 0, 64, "", "", true,
      "addresses of proxies whose X-Forwarded-For is believed; empty: of none" },
    { "durability", CONFIG_CHOICE, OF(config_listener, durability), 0, 0, "disk", "disk|memory",
      true, "what an acknowledgement means; memory: a crash may lose what was acknowledged" },
    { "origins", CONFIG_TEXTS, OF(config_listener, origins), 0, 64, "", "", true,
      "pages whose scripts may connect by WebSocket; empty: all" },
};

static const struct config_field tls_fields[] = {
    { "certificate_file", CONFIG_TEXT, OF(config_tls, first.certificate_file), 1, 4096, NULL, "",
      true, "PEM: the certificate, and its chain behind it" },
    { "key_file", CONFIG_TEXT, OF(config_tls, first.key_file), 1, 4096, NULL, "", true,
      "PEM: the certificate's key" },
    { "ca_file", CONFIG_TEXT, OF(config_tls, ca_file), 0, 4096, "", "", true,
      "PEM: who signs clients' certificates" },
    { "crl_file", CONFIG_TEXT, OF(config_tls, crl_file), 0, 4096, "", "", true,
      "PEM: which of those count no more" },
    { "ciphers", CONFIG_TEXT, OF(config_tls, ciphers), 0, 4096, "", "", true,
      "of TLS 1.2, as OpenSSL names them" },
    { "ciphersuites", CONFIG_TEXT, OF(config_tls, ciphersuites), 0, 4096, "", "", true,
      "of TLS 1.3, as OpenSSL names them" },
    { "version_min", CONFIG_CHOICE, OF(config_tls, version_min), 0, 0, "1.2", "1.2|1.3", true,
      "the oldest TLS that is spoken" },
    { "client_certificate", CONFIG_CHOICE, OF(config_tls, client_certificate), 0, 0, "none",
      "none|optional|required", true, "must a client show one?" },
    { "username_from_certificate", CONFIG_BOOL, OF(config_tls, username_from_certificate), 0, 1,
      "false", "", true, "the common name in it is the user name" },
};

static const struct config_field certificate_fields[] = {
    { "certificate_file", CONFIG_TEXT, OF(config_certificate, certificate_file), 1, 4096, NULL, "",
      true, "PEM: the certificate, and its chain behind it" },
    { "key_file", CONFIG_TEXT, OF(config_certificate, key_file), 1, 4096, NULL, "", true,
      "PEM: the certificate's key" },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* An object on its way from JSON into a struct. */
struct object {
    void *base;
    const struct config_field *fields;
    size_t count;
    const char *const *inner; /* keys that are objects or lists of them; ends with NULL */
    struct json_step path[STEPS_MAX];
    size_t steps;
    char label[LABEL_MAX]; /* "listeners[0].tls" */
    const struct config_place *place;
    struct config_report *report;
};

/* ":3:12" of the value, or of its key, at the object's path and key; or nothing. */
static void position(const struct object *object, const char *key, bool of_key, char out[32])
{
    struct json_step path[STEPS_MAX + 1];
    struct json_position at;
    size_t steps = object->steps;

    for (size_t i = 0; i < steps; i++)
        path[i] = object->path[i];
    if (key)
        path[steps++] = (struct json_step){ key, 0 };
    out[0] = '\0';
    if (object->place->text.len && json_text_find(object->place->text, path, steps, of_key, &at))
        snprintf(out, 32, ":%u:%u", at.line, at.column);
}

static void refuse_key(const struct object *object, const char *key)
{
    const char *near = NULL;
    char where[32];

    for (size_t i = 0; i < object->count && !near; i++) {
        if (config_word_near(str_from_c(key), object->fields[i].key))
            near = object->fields[i].key;
    }
    for (size_t i = 0; object->inner[i] && !near; i++) {
        if (config_word_near(str_from_c(key), object->inner[i]))
            near = object->inner[i];
    }
    position(object, key, true, where);
    config_report_error(object->report, "%s%s: unknown key %s.%s%s%s%s", object->place->name, where,
                        object->label, key, near ? ", did you mean " : "", near ? near : "",
                        near ? "?" : "");
}

static void refuse_shape(const struct object *object, const char *key, const char *allowed)
{
    char where[32];

    position(object, key, false, where);
    config_report_error(object->report, "%s%s: %s%s%s: allowed: %s", object->place->name, where,
                        object->label, key ? "." : "", key ? key : "", allowed);
}

static void set_member(const struct object *object, const struct config_field *field, json_t *value,
                       const struct config_place *place)
{
    char label[LABEL_MAX + 32];
    struct json_step path[STEPS_MAX + 1];

    snprintf(label, sizeof label, "%s.%s", object->label, field->key);
    for (size_t i = 0; i < object->steps; i++)
        path[i] = object->path[i];
    path[object->steps] = (struct json_step){ field->key, 0 };
    struct config_target target = { object->base, field, path, object->steps + 1, label };

    config_member_set(&target, value, false, place, object->report);
}

static bool is_inner(const struct object *object, const char *key)
{
    for (size_t i = 0; object->inner[i]; i++) {
        if (strcmp(object->inner[i], key) == 0)
            return true;
    }
    return false;
}

/* Every key that is written, the presets of the others, and those that are missing. */
static void read_object(const struct object *object, json_t *members)
{
    static const struct config_place preset = { .name = "default", .source = CONFIG_DEFAULT };
    const char *key;
    json_t *value;

    if (!json_is_object(members)) {
        refuse_shape(object, NULL, "an object of keys");
        return;
    }
    for (size_t i = 0; i < object->count; i++) {
        const struct config_field *field = &object->fields[i];
        json_t *written = json_object_get(members, field->key);
        if (written) {
            set_member(object, field, written, object->place);
        } else if (field->preset) {
            json_t *made = config_value_from_text(field, field->preset);
            set_member(object, field, made, &preset);
            json_decref(made);
        } else {
            char where[32];
            position(object, NULL, false, where);
            config_report_error(object->report, "%s%s: %s: %s must be written: %s",
                                object->place->name, where, object->label, field->key, field->help);
        }
    }
    json_object_foreach(members, key, value)
    {
        bool known = is_inner(object, key);
        for (size_t i = 0; i < object->count; i++)
            known |= strcmp(object->fields[i].key, key) == 0;
        if (!known)
            refuse_key(object, key);
    }
}

/* The object that stands inside outer under this key, at this index if it is a list. */
static struct object step_into(const struct object *outer, const char *key, int index)
{
    struct object inner = *outer;

    inner.path[inner.steps++] = (struct json_step){ key, 0 };
    snprintf(inner.label, sizeof inner.label, "%.40s%s%s", outer->label, outer->steps ? "." : "",
             key);
    if (index >= 0) {
        size_t len = strlen(inner.label);
        inner.path[inner.steps++] = (struct json_step){ NULL, (size_t)index };
        snprintf(inner.label + len, sizeof inner.label - len, "[%d]", index);
    }
    return inner;
}

static void read_certificates(const struct object *tls_object, struct config_tls *tls, json_t *list)
{
    static const char *const inner[] = { NULL };
    size_t index;
    json_t *value;

    if (!json_is_array(list) || json_array_size(list) > CERTIFICATES_MAX) {
        refuse_shape(tls_object, "certificates", "a list of objects");
        return;
    }
    json_array_foreach(list, index, value)
    {
        struct object object = step_into(tls_object, "certificates", (int)index);
        struct config_certificate *certificate = vec_push(&tls->more);
        if (!certificate) {
            object.report->failed = true;
            return;
        }
        *certificate = (struct config_certificate){ 0 };
        object.base = certificate;
        object.fields = certificate_fields;
        object.count = COUNT(certificate_fields);
        object.inner = inner;
        read_object(&object, value);
    }
}

static void read_tls(const struct object *outer, struct config_listener *listener, json_t *members)
{
    static const char *const inner[] = { "certificates", NULL };
    struct object object = step_into(outer, "tls", -1);

    listener->has_tls = true;
    object.base = &listener->tls;
    object.fields = tls_fields;
    object.count = COUNT(tls_fields);
    object.inner = inner;
    read_object(&object, members);
    json_t *more = json_object_get(members, "certificates");

    if (more)
        read_certificates(&object, &listener->tls, more);
}

static void read_listener(const struct object *root, size_t index, struct config_listener *listener,
                          json_t *members)
{
    static const char *const inner[] = { "tls", NULL };
    struct object object = step_into(root, "listeners", (int)index);
    char where[32], text[512];

    object.base = listener;
    object.fields = listener_fields;
    object.count = COUNT(listener_fields);
    object.inner = inner;
    read_object(&object, members);
    json_t *tls = json_object_get(members, "tls");

    if (tls)
        read_tls(&object, listener, tls);
    position(&object, NULL, false, where);
    snprintf(text, sizeof text, "%.400s%s: ", object.place->name, where);
    listener->where = strdup(text);
    object.report->failed |= !listener->where;
}

static void finish_all(void *base, const struct config_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        config_member_finish(base, &fields[i]);
}

void config_listeners_finish(struct config_listeners *listeners)
{
    vec_each (listeners, listener) {
        vec_each (&listener->tls.more, certificate)
            finish_all(certificate, certificate_fields, COUNT(certificate_fields));
        vec_finish(&listener->tls.more);
        finish_all(&listener->tls, tls_fields, COUNT(tls_fields));
        finish_all(listener, listener_fields, COUNT(listener_fields));
        free(listener->where);
    }
    vec_finish(listeners);
    free(listeners->text);
    *listeners = (struct config_listeners){ 0 };
}

void config_listeners_set(struct config *config, json_t *value, const struct config_place *place,
                          struct config_report *report)
{
    struct config_listeners listeners = { 0 };
    struct object root = { .place = place, .report = report };
    size_t before = report->errors, index;
    json_t *members;

    if (!json_is_array(value) || json_array_size(value) > LISTENERS_MAX) {
        struct object whole = step_into(&root, "listeners", -1);
        refuse_shape(&whole, NULL, "a list of at most 64 objects");
        return;
    }
    json_array_foreach(value, index, members)
    {
        struct config_listener *listener = vec_push(&listeners);
        if (!listener) {
            report->failed = true;
            break;
        }
        *listener = (struct config_listener){ 0 };
        read_listener(&root, index, listener, members);
    }
    listeners.text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    report->failed |= !listeners.text;
    if (report->errors > before || report->failed) {
        config_listeners_finish(&listeners);
        return;
    }
    config_listeners_finish(&config->listeners);
    config->listeners = listeners;
}

bool config_listeners_differ(const struct config *a, const struct config *b)
{
    const char *one = a->listeners.text, *two = b->listeners.text;

    return strcmp(one ? one : "[]", two ? two : "[]") != 0;
}

static void help_table(const char *prefix, const struct config_field *fields, size_t count,
                       struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_field *field = &fields[i];
        const char *preset = field->preset ? field->preset : "must be written";
        char key[64];
        snprintf(key, sizeof key, "%s%s", prefix, field->key);
        buf_printf(out, "  %-32s %s%s%s%s\n", key, field->help, preset[0] ? " (" : "", preset,
                   preset[0] ? ")" : "");
    }
}

void config_listeners_help(struct buf *out)
{
    help_table("listeners[].", listener_fields, COUNT(listener_fields), out);
    help_table("listeners[].tls.", tls_fields, COUNT(tls_fields), out);
}
