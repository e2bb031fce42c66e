#!/usr/bin/env bash
# Puts the table of settings, as the schema has it now, into README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
table=$(mktemp)
trap 'rm -f "$table"' EXIT
env -i PATH="$PATH" POSTERN_CONFIG=/dev/null node_modules/.bin/node bin/postern.mjs config print --markdown >"$table"
sed -i -e "/^<!-- settings: /,/^<!-- \/settings -->/{/^<!-- settings: /{p;r $table
};/^<!-- \/settings -->/p;d}" README.md
