# npm install of a local package: its program becomes a link in node_modules/.bin.
export npm_config_offline=true npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error
mkdir "$TMPDIR/tool"
cd "$TMPDIR/tool"
cat >package.json <<'J'
{"name": "tool", "version": "1.2.3", "bin": {"tool": "cli.js"}}
J
printf '#!/usr/bin/env node\nconsole.log("tool runs " + process.argv[2]);\n' >cli.js
chmod +x cli.js
archive=$(npm pack)
say "archive" "$archive"
mkdir "$TMPDIR/app"
cd "$TMPDIR/app"
echo '{"name": "app", "version": "1.0.0", "private": true}' >package.json
npm install "../tool/$archive" >/dev/null
say "link" "$(readlink node_modules/.bin/tool)"
say "program" "$(node_modules/.bin/tool well)"
say "version" "$(npm ls --parseable --long | sed 's/.*://' | tail -1)"
npm uninstall tool >/dev/null
say "links left" "$(ls node_modules/.bin 2>/dev/null | wc -l)"
