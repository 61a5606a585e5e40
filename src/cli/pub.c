/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/mqtt_client.h"
#include "cli/mqtt_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* MQTT's own limit on what a packet carries. */
enum { PAYLOAD_BYTES_MAX = 268435455 };

/* Everything up to the end of file into out. ERR_OK, ERR_IO or ERR_TOO_LARGE. */
static int read_all(FILE *file, struct buf *out)
{
    size_t got;

    do {
        uint8_t *room = buf_reserve(out, 65536);
        got = room ? fread(room, 1, 65536, file) : 0;
        buf_advance(out, got);
    } while (got > 0 && out->len <= PAYLOAD_BYTES_MAX);
    if (out->len > PAYLOAD_BYTES_MAX)
        return ERR_TOO_LARGE;
    return ferror(file) || out->failed ? ERR_IO : ERR_OK;
}

static int publish_file(struct mqtt_client *client, const char *topic, FILE *file, const char *name)
{
    struct buf content = { 0 };

    int err = file ? read_all(file, &content) : ERR_IO;
    if (err)
        fprintf(stderr, "plexus: %s: %s\n", name, err == ERR_IO ? strerror(errno) : err_text(err));
    else
        err = mqtt_client_publish(client, topic, buf_str(&content));
    /* Paho copies what it is given. */
    buf_finish(&content);
    return err;
}

static int publish_lines(struct mqtt_client *client, const char *topic)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int err = ERR_OK;

    while (!err && (len = getline(&line, &cap, stdin)) >= 0) {
        struct str text = { line, (size_t)len };
        if (text.len && line[text.len - 1] == '\n')
            text.len--;
        err = mqtt_client_publish(client, topic, text);
    }
    free(line);
    return err;
}

static int publish(struct mqtt_client *client, const struct mqtt_options *options)
{
    const char *topic = options->topics.at[0];

    switch (options->source) {
    case SOURCE_NONE: break;
    case SOURCE_TEXT: return mqtt_client_publish(client, topic, str_from_c(options->message));
    case SOURCE_EMPTY: return mqtt_client_publish(client, topic, STR(""));
    case SOURCE_STDIN: return publish_file(client, topic, stdin, "standard input");
    case SOURCE_LINES: return publish_lines(client, topic);
    case SOURCE_FILE: {
        FILE *file = fopen(options->file, "re");
        int err = publish_file(client, topic, file, options->file);
        if (file)
            fclose(file);
        return err;
    }
    }
    return ERR_INVALID;
}

static int run(const struct mqtt_options *options)
{
    struct mqtt_client *client = mqtt_client_new(options, NULL, NULL);

    if (!client)
        return CLI_FAILED;
    int err = mqtt_client_connect(client);
    if (!err)
        err = publish(client, options);
    if (!err)
        err = mqtt_client_drain(client);
    mqtt_client_free(client);
    return err ? CLI_FAILED : CLI_OK;
}

int cli_pub(int count, char **words)
{
    return mqtt_options_run(MQTT_PUB, count, words, run);
}
