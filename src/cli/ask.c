/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include "admin/http_get.h"
#include "base/err.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 10000 };

int ask_options_parse(struct ask_options *options, int count, char **words)
{
    int err = ERR_OK;

    *options = (struct ask_options){ .url = "http://127.0.0.1:8080" };
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(words[i], "--help") == 0) {
            options->help = true;
        } else if (strncmp(words[i], "--url=", 6) == 0) {
            options->url = words[i] + 6;
        } else if (strcmp(words[i], "--url") == 0 && i + 1 < count) {
            options->url = words[++i];
        } else if (strcmp(words[i], "--url") == 0) {
            fprintf(stderr, "plexus: --url needs http://HOST:PORT\n");
            err = ERR_INVALID;
        } else {
            fprintf(stderr, "plexus: unknown flag %s, allowed: --url, --json\n", words[i]);
            err = ERR_INVALID;
        }
    }
    return err;
}

json_t *ask_json(const struct ask_options *options, const char *path)
{
    struct http_answer answer;
    json_error_t error;
    json_t *root = NULL;

    int err = http_get(options->url, path, TIMEOUT_MS, &answer);
    struct str body = buf_str(&answer.body);
    if (err) {
        fprintf(stderr, "plexus: %s\n", answer.failure);
    } else if (answer.status != 200) {
        fprintf(stderr, "plexus: %s: status %d: %.*s\n", options->url, answer.status,
                (int)str_find(str_slice(body, 0, 200), '\n', 0), body.len ? body.ptr : "");
    } else {
        root = json_loadb(body.len ? body.ptr : "", body.len, 0, &error);
        if (!root)
            fprintf(stderr, "plexus: %s: no JSON: %s\n", options->url, error.text);
    }
    http_answer_finish(&answer);
    return root;
}

int ask_run(int count, char **words, const char *name, const char *path,
            void (*show)(const json_t *root))
{
    struct ask_options options;

    if (ask_options_parse(&options, count, words) != ERR_OK)
        return CLI_USAGE;
    if (options.help) {
        printf("usage: plexus %s [--url http://HOST:PORT] [--json]\n", name);
        return CLI_OK;
    }
    json_t *root = ask_json(&options, path);
    if (!root)
        return CLI_FAILED;
    if (options.json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        show(root);
    }
    json_decref(root);
    return CLI_OK;
}
