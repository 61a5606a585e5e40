/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a running broker over its web port: what status, mesh and health share. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* The flags of these commands. Text is borrowed from the words. */
struct ask_options {
    const char *url; /* http://127.0.0.1:8080 */
    bool json;       /* print what came, not a table */
    bool help;
};

/* Read the words; mistakes go to standard error. ERR_OK or ERR_INVALID. */
int ask_options_parse(struct ask_options *options, int count, char **words);

/* Get path from the broker as JSON. NULL with the reason on standard error. The caller
 * owns it. */
json_t *ask_json(const struct ask_options *options, const char *path);

/* A whole command: read the words; get path; print it as it is with --json, else by show.
 * name and what are for --help. The exit status. */
int ask_run(int count, char **words, const char *name, const char *path,
            void (*show)(const json_t *root));
