/* SPDX-License-Identifier: Apache-2.0 */
/* What every Check program here ends with: UNIT_MAIN("base/buf", a_test, another_test)
 * runs them in order and exits 0 when all passed. Check's closing line goes to standard
 * output, where the test command counts it. */
#pragma once

#include <check.h>
#include <stdlib.h>

static inline int unit_run(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);

    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, ...)                                                                      \
    int main(void)                                                                                \
    {                                                                                             \
        const TTest *const unit_tests[] = { __VA_ARGS__ };                                        \
        return unit_run(name, unit_tests, sizeof unit_tests / sizeof unit_tests[0]);              \
    }
