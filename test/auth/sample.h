/* SPDX-License-Identifier: Apache-2.0 */
/* The user of RFC 7677, section 3, as a line of a password file, and the exchange there. */
#pragma once

#define PENCIL_RECORD                                                                              \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="                                                  \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define USER_LINE "user:" PENCIL_RECORD "\n"
