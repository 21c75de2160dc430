package daemon

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/fs"
	"safetmp/internal/control"
)

// nameHashBytes is how much of a hash is told: enough to tell the names of a mount apart.
const nameHashBytes = 8

// newEventKey makes the key under which names are hashed. Nobody else has it, so that a name cannot be found by
// hashing guesses.
func newEventKey() (key [32]byte) {
	_, _ = rand.Read(key[:]) // never fails, see crypto/rand
	return key
}

// refusalTeller returns what is called with every refusal: it is logged, and told to who follows. No name goes to the
// log.
func (d *Daemon) refusalTeller() func(fs.Refusal) {
	log := newRefusalLog(slog.Default(), time.Now)
	return func(r fs.Refusal) {
		log.add(r)
		if d.control.Followed() {
			d.control.Publish(d.refusedEvent(r))
		}
	}
}

func (d *Daemon) refusedEvent(r fs.Refusal) control.Event {
	e := control.Event{Time: r.Time, Kind: control.EventRefused, RefusedEvent: &control.RefusedEvent{
		Rule: string(r.Rule), Op: r.Op, Errno: unix.ErrnoName(r.Errno), Reason: r.Reason,
		UID: r.UID, PID: r.PID, Command: r.Command,
	}}
	if r.Warned {
		e.Kind = control.EventWarned
	}
	switch {
	case r.RawName == "":
	case d.opts.PlainEventNames:
		e.Name = strings.Clone(r.RawName)
	default:
		e.NameHash = d.hashName(r.RawName)
	}
	return e
}

// hashName is equal for equal names of this mount. An entry of that name may exist, and be removed: nothing of the name
// stays behind.
func (d *Daemon) hashName(rawName string) string {
	name := []byte(rawName)
	defer clear(name)
	mac := hmac.New(sha256.New, d.eventKey[:])
	_, _ = mac.Write(name) // never fails, see hash.Hash
	sum := hex.EncodeToString(mac.Sum(nil)[:nameHashBytes])
	mac.Reset()
	for _, n := range [...]int{sha256.BlockSize - 1, 1} { // through its buffer, which a whole block would pass by
		_, _ = mac.Write(make([]byte, n))
	}
	return sum
}

// tellRemoved tells what a lifetime has removed.
func (d *Daemon) tellRemoved(rule fs.Lifetime, sum fs.Removal) {
	d.control.Publish(control.Event{Time: time.Now(), Kind: control.EventRemoved, RemovedEvent: &control.RemovedEvent{
		Lifetime: string(rule), Entries: sum.Entries, Bytes: int64(sum.Bytes),
	}})
}
