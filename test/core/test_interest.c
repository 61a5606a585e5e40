/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "talk.h"

START_TEST(the_mesh_hears_of_the_first_the_best_and_the_last)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    CONNECT(t, 2, "b");
    CONNECT(t, 3, "c", .expiry_s = 100);
    talk_forget(t);
    t->show = TALK_INTERESTS;
    SUBSCRIBE(t, 1, "x/+");
    SUBSCRIBE(t, 2, "x/+");
    SUBSCRIBE(t, 2, "x/+", .qos = 2);
    SUBSCRIBE(t, 3, "x/+", .qos = 1);
    TALK_EXPECT(t, "1 SUBACK 1 00\ninterest x/+ wanted q0\n2 SUBACK 1 00\n"
                   "2 SUBACK 1 02\ninterest x/+ wanted q2\n"
                   "3 SUBACK 1 01\ninterest x/+ wanted q2 persistent\n");
    talk_unsubscribe(t, 2, "x/+");
    talk_cut(t, 3); /* it will come back */
    talk_cut(t, 1);
    talk_wait(t, 100000);
    TALK_EXPECT(t, "2 UNSUBACK 1 00\ninterest x/+ wanted q1 persistent\ninterest x/+ gone q0\n");
    talk_free(t);
}
END_TEST

START_TEST(filters_of_the_broker_itself_stay_here)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    talk_forget(t);
    t->show = TALK_INTERESTS;
    SUBSCRIBE(t, 1, "$SYS/none");
    SUBSCRIBE(t, 1, "$own");
    talk_unsubscribe(t, 1, "$own");
    talk_cut(t, 1);
    TALK_EXPECT(t, "1 SUBACK 1 00\n1 SUBACK 1 00\n1 UNSUBACK 1 00\n");
    talk_free(t);
}
END_TEST

START_TEST(all_that_a_session_wanted_goes_with_it)
{
    struct talk *t = talk_new(NULL);

    CONNECT(t, 1, "a");
    SUBSCRIBE(t, 1, "x");
    SUBSCRIBE(t, 1, "y");
    talk_unsubscribe(t, 1, "x");
    SUBSCRIBE(t, 1, "z");
    talk_forget(t);
    t->show = TALK_INTERESTS;
    talk_cut(t, 1);
    TALK_EXPECT(t, "interest y gone q0\ninterest z gone q0\n");
    talk_free(t);
}
END_TEST

UNIT_MAIN("core/interest", the_mesh_hears_of_the_first_the_best_and_the_last,
          filters_of_the_broker_itself_stay_here, all_that_a_session_wanted_goes_with_it)
