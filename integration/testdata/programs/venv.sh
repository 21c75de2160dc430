# python -m venv --copies: lib64 is a link to lib beside it.
python3 -m venv --copies --without-pip "$TMPDIR/env"
say "lib64" "$(readlink "$TMPDIR/env/lib64")"
say "is an environment" "$("$TMPDIR/env/bin/python" -c 'import sys; print(sys.prefix != sys.base_prefix)')"
say "prefix" "$("$TMPDIR/env/bin/python" -c 'import os, sys; print(os.path.relpath(sys.prefix, os.environ["TMPDIR"]))')"
site=$(echo "$TMPDIR"/env/lib/python3*/site-packages)
echo 'WORD = "found"' >"$site/ourmodule.py"
say "module" "$("$TMPDIR/env/bin/python" -c 'import ourmodule; print(ourmodule.WORD)')"
say "module by lib64" "$(ls "$TMPDIR"/env/lib64/python3*/site-packages/ourmodule.py | wc -l)"
rm -r "$TMPDIR/env"
say "removed" "$(ls "$TMPDIR" | wc -l)"
