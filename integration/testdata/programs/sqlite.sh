# SQLite with its shared-memory index, and with temporary tables in files.
export SQLITE_TMPDIR="$TMPDIR"
db="$TMPDIR/data.db"
say "journal" "$(sqlite3 "$db" 'PRAGMA journal_mode=WAL;')"
sqlite3 "$db" 'CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)
	INSERT INTO t SELECT i, "row " || i FROM n;'
say "rows" "$(sqlite3 "$db" 'SELECT count(*), sum(id) FROM t;')"
for writer in 1 2 3; do
	(for i in 1 2 3 4 5 6 7 8 9 10; do
		sqlite3 -cmd '.timeout 20000' "$db" "INSERT INTO t(text) VALUES('writer $writer');"
	done) &
done
wait
say "rows of three writers" "$(sqlite3 "$db" "SELECT count(*) FROM t WHERE text LIKE 'writer%';")"
say "temporary table" "$(sqlite3 "$db" 'PRAGMA temp_store=FILE; PRAGMA cache_size=10; CREATE TEMP TABLE x AS SELECT text FROM t ORDER BY text DESC; CREATE INDEX temp.xi ON x(text); SELECT count(*), min(text) FROM x;')"
sqlite3 "$db" 'DELETE FROM t WHERE id % 2; VACUUM;'
say "integrity" "$(sqlite3 "$db" 'PRAGMA integrity_check;')"
say "rows left" "$(sqlite3 "$db" 'SELECT count(*) FROM t;')"
say "rollback journal" "$(sqlite3 "$db" 'PRAGMA journal_mode=DELETE;')"
say "rolled back" "$(sqlite3 "$db" 'BEGIN; DELETE FROM t; ROLLBACK; SELECT count(*) FROM t;')"
say "backup" "$(sqlite3 "$db" ".backup '$WORK/backup.db'" && sqlite3 "$WORK/backup.db" 'SELECT count(*) FROM t;')"
