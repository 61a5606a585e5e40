/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of plexusd, by one table: most flags only set a key of the
 * configuration, so they are kept as settings and laid over file and environment, at the
 * start and again at each reload. */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "config/config.h"

#include <stdbool.h>

/* One key set by a flag. Text is borrowed from argv. */
struct option_setting {
    const char *flag;
    struct str key;
    const char *value;
    bool append; /* a flag given again: its list grows */
};

struct options {
    const char *config_file; /* NULL: none */
    struct {
        VEC(struct option_setting);
    } settings;
    bool check, help, version, health;
    const char *health_url; /* NULL: the configured web port */
};

/* Read argv, which must outlive the options. Mistakes go to the report, all of them.
 * ERR_OK or ERR_INVALID. */
int options_parse(struct options *options, int argc, char **argv, struct config_report *report);

/* Free what the options own. */
void options_finish(struct options *options);

/* The whole configuration: defaults, file, environment, flags, checks. config must be
 * finished by the caller whatever is returned. */
int options_configure(const struct options *options, const char *const *env,
                      struct config *ret_config, struct config_report *report);

/* The text of --help, appended to out. */
void options_help(struct buf *out);
