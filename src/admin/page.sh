#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# page.sh PAGE OUT: an assembler file that puts the page into the program as it is.
set -eu
page=$(realpath "$1")
cat >"$2" <<END
.section .rodata
.balign 16
.global admin_page_begin
admin_page_begin:
.incbin "$page"
.global admin_page_end
admin_page_end:
.section .note.GNU-stack,"",@progbits
END
