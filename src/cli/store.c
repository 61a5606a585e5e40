/* SPDX-License-Identifier: Apache-2.0 */
/* plexus store: look into a data directory that no broker uses at the moment. */
#include "store/store.h"

#include "base/err.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_CHARS_MAX = 4200 };

struct store_words {
    const char *what, *dir;
    bool json;
};

static int usage(int status)
{
    fprintf(status == CLI_OK ? stdout : stderr,
            "usage: plexus store check DIR            read it through, report damage; exit 1 if any\n"
            "       plexus store dump DIR [--json]    sessions, counts, sizes\n"
            "\n"
            "DIR is a broker's data directory, or a backup of its store.\n");
    return status;
}

static bool parse(int count, char **words, struct store_words *ret)
{
    *ret = (struct store_words){ .what = count > 0 ? words[0] : "" };
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--json") == 0)
            ret->json = true;
        else if (words[i][0] == '-' || ret->dir)
            return false;
        else
            ret->dir = words[i];
    }
    bool check = strcmp(ret->what, "check") == 0, dump = strcmp(ret->what, "dump") == 0;
    return ret->dir && (dump || (check && !ret->json));
}

int cli_store(int count, char **words)
{
    struct store_words asked;
    struct buf text = { 0 };
    char inner[PATH_CHARS_MAX];

    if (count > 0 && strcmp(words[0], "--help") == 0)
        return usage(CLI_OK);
    if (!parse(count, words, &asked))
        return usage(CLI_USAGE);
    /* A broker keeps its store beside its identity. */
    snprintf(inner, sizeof inner, "%s/store", asked.dir);
    const char *dir = access(inner, F_OK) == 0 ? inner : asked.dir;
    bool check = strcmp(asked.what, "check") == 0;
    int err = check ? store_check(dir, &text) : store_dump(dir, asked.json, &text);

    bool said = text.len > 0;

    printf("%.*s", STR_ARG(buf_str(&text)));
    buf_finish(&text);
    if (err && !said)
        fprintf(stderr, "plexus: %s: %s\n", dir, err_text(err));
    else if (check && !err)
        printf("%s: no damage\n", dir);
    return err ? CLI_FAILED : CLI_OK;
}
