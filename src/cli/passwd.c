/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/users.h"
#include "base/err.h"
#include "base/file.h"
#include "base/os.h"
#include "cli/cli.h"
#include "cli/prompt.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SALT_LEN = 16, ITERATIONS = 15000, FILE_MODE = 0600, PASSWORD_BYTES_MAX = 1024 };

struct passwd_options {
    const char *file, *user;
    uint32_t iterations;
    bool gone; /* --delete */
    bool from_stdin, help;
};

static bool number_parse(const char *text, uint32_t *ret_number)
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end || number < SCRAM_ITERATIONS_MIN ||
        number > USERS_ITERATIONS_MAX)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static bool complain(const char *what, const char *word)
{
    fprintf(stderr, "plexus: %s%s\n", what, word);
    return false;
}

/* One word that is no flag. */
static bool take_word(struct passwd_options *options, const char *word)
{
    if (!options->file)
        options->file = word;
    else if (!options->user)
        options->user = word;
    else
        return complain("one user at a time, not also ", word);
    return true;
}

static bool options_parse(struct passwd_options *options, int count, char **words)
{
    *options = (struct passwd_options){ .iterations = ITERATIONS };
    for (int i = 0; i < count; i++) {
        const char *word = words[i], *number = NULL;
        if (strcmp(word, "--delete") == 0) {
            options->gone = true;
        } else if (strcmp(word, "--password-stdin") == 0) {
            options->from_stdin = true;
        } else if (strcmp(word, "--help") == 0) {
            options->help = true;
        } else if (strncmp(word, "--iterations=", 13) == 0) {
            number = word + 13;
        } else if (strcmp(word, "--iterations") == 0) {
            number = i + 1 < count ? words[++i] : "";
        } else if (word[0] == '-' && word[1]) {
            return complain("unknown flag ", word);
        } else if (!take_word(options, word)) {
            return false;
        }
        if (number && !number_parse(number, &options->iterations))
            return complain("--iterations needs a number of 4096 to 10000000", "");
    }
    if (options->help)
        return true;
    if (!options->user)
        return complain("passwd needs FILE and USER", "");
    if (!user_name_is_valid(str_from_c(options->user)))
        return complain("no user can have the name ", options->user);
    return true;
}

/* From the terminal, twice, or else from standard input. */
static bool ask_password(const struct passwd_options *options, struct buf *password)
{
    struct buf again = { 0 };
    bool well;

    if (options->from_stdin || !prompt_possible()) {
        well = prompt_line(password) || complain("no password came on standard input", "");
    } else {
        well = prompt_secret("Password: ", password) && prompt_secret("Once more: ", &again);
        if (well && !str_equal(buf_str(password), buf_str(&again)))
            well = complain("the two are not the same", "");
    }
    if (again.data)
        OPENSSL_cleanse(again.data, again.len);
    buf_finish(&again);
    if (well && (password->len == 0 || password->len > PASSWORD_BYTES_MAX))
        return complain("a password has 1 to 1024 bytes", "");
    return well;
}

static bool make_secret(const struct passwd_options *options, struct scram_secret *ret_secret)
{
    struct buf password = { 0 };
    char salt[SALT_LEN];
    bool well = ask_password(options, &password);

    if (well && (os_random(salt, sizeof salt) != ERR_OK ||
                 scram_secret_make(buf_str(&password), (struct str){ salt, sizeof salt },
                                   options->iterations, ret_secret) != ERR_OK))
        well = complain("no random numbers, or no memory", "");
    if (password.data)
        OPENSSL_cleanse(password.data, password.len);
    buf_finish(&password);
    return well;
}

/* Read the file, change the user's line, and replace it. */
static bool change(const struct passwd_options *options, const struct scram_secret *secret)
{
    struct buf before = { 0 }, after = { 0 };
    int err = file_read(options->file, USERS_FILE_BYTES_MAX, &before);
    bool well = true;

    if (err == ERR_IO && errno == ENOENT && secret)
        err = ERR_OK; /* it is made */
    if (err)
        fprintf(stderr, "plexus: %s: cannot be read: %s\n", options->file,
                err == ERR_IO ? strerror(errno) : err_text(err));
    else if (!users_text_change(buf_str(&before), str_from_c(options->user), secret, &after) &&
             !secret)
        well = complain("there is no user ", options->user);
    if (!err && well && (after.failed || file_replace(options->file, buf_str(&after), FILE_MODE))) {
        fprintf(stderr, "plexus: %s: cannot be written: %s\n", options->file, strerror(errno));
        well = false;
    }
    buf_finish(&before);
    buf_finish(&after);
    return !err && well;
}

int cli_passwd(int count, char **words)
{
    struct passwd_options options;
    struct scram_secret secret;

    if (!options_parse(&options, count, words))
        return CLI_USAGE;
    if (options.help) {
        printf("usage: plexus passwd FILE USER [--iterations N] [--password-stdin]\n"
               "       plexus passwd FILE USER --delete\n\n"
               "Sets the password of a user in a file for security.password_file, which is\n"
               "made when it is not there. Asks on the terminal, or reads one line from\n"
               "standard input. --iterations: the work that one try costs (%d).\n",
               ITERATIONS);
        return CLI_OK;
    }
    if (!options.gone && !make_secret(&options, &secret))
        return CLI_FAILED;
    return change(&options, options.gone ? NULL : &secret) ? CLI_OK : CLI_FAILED;
}
