/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/http_get.h"
#include "base/err.h"
#include "cli/ask.h"
#include "cli/cli.h"

#include <stdio.h>

int cli_health(int count, char **words)
{
    struct ask_options options;

    if (ask_options_parse(&options, count, words) != ERR_OK)
        return CLI_USAGE;
    if (options.help) {
        printf("usage: plexus health [--url http://HOST:PORT]\n");
        return CLI_OK;
    }
    return http_health(options.url) == 0 ? CLI_OK : CLI_FAILED;
}
