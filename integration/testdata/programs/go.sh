# go build, run and test with GOTMPDIR on the mount: programs are linked
# there by MAP_SHARED and executed from there.
export GOTMPDIR="$TMPDIR" GOCACHE="$SHARED/gocache" GOPATH="$WORK/gopath" GOTOOLCHAIN=local GOPROXY=off GOFLAGS= CGO_ENABLED=0
mod="$WORK/mod"
mkdir -p "$mod/double"
cat >"$mod/go.mod" <<'G'
module example.org/double
go 1.20
G
cat >"$mod/double/double.go" <<'G'
// Package double doubles.
package double

// Of is twice n.
func Of(n int) int { return 2 * n }
G
cat >"$mod/double/double_test.go" <<'G'
package double

import (
	"os"
	"testing"
)

func TestOf(t *testing.T) {
	if Of(21) != 42 {
		t.Fatal("wrong")
	}
	if err := os.WriteFile(t.TempDir()+"/f", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}
G
cat >"$mod/main.go" <<'G'
package main

import "example.org/double/double"

func main() { println(double.Of(21)) }
G
cd "$mod"
go build -work -o "$WORK/prog" . 2>"$WORK/where"
say "worked in the mount" "$(grep -c "^WORK=$TMPDIR/go-build" "$WORK/where")"
say "built" "$("$WORK/prog" 2>&1)"
say "run" "$(go run . 2>&1)"
say "test" "$(go test -count=1 ./double | cut -f1,2 | tr '\t' ' ')"
say "test binary" "$(go test -c -o "$TMPDIR/double.test" ./double && "$TMPDIR/double.test" -test.v | grep -c PASS:)"
